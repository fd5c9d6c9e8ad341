#!/bin/sh
# Usage: install.sh run|dev. Makes .venv and installs what the lock files say, hashes checked.
set -eu
cd "$(dirname "$0")/../.."
what=$1
python=${PYTHON:-}
usable() { # a program's name or path: new enough, and able to make environments
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}
if [ -z "$python" ]; then
    # The distribution's own first: it is built with optimizations, which version managers often
    # leave out (a loop takes half as long again). macOS has none, and asks to install it.
    own=/usr/bin/python3
    [ "$(uname)" = Linux ] || own=
    for candidate in $own python3.13 python3.12 python3.11 python3; do
        if usable "$candidate"; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "Chattery needs Python 3.11 or newer with its module venv, and none was found." >&2
    echo "Install one (Debian: apt install python3-venv), or set PYTHON to one." >&2
    exit 1
fi
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "• Making a virtual environment with $("$python" --version)"
    "$python" -m venv --clear .venv || {
        echo "The module venv of $python is not complete (Debian: apt install python3-venv)." >&2
        exit 1
    }
fi
start=$(date +%s)
echo "• Installing the locked dependencies (requirements/$what.txt); the first time takes a minute"
quiet() { # show what a step printed only when it fails
    out=$(mktemp)
    if "$@" >"$out" 2>&1; then rm -f "$out"; else cat "$out" >&2; rm -f "$out"; return 1; fi
}
quiet .venv/bin/python -m pip install --disable-pip-version-check -q --require-hashes -r requirements/bootstrap.txt
if ! quiet .venv/bin/python -m uv pip install -q --require-hashes --python .venv/bin/python -r "requirements/$what.txt" 2>/dev/null; then
    echo "  … with pip, as uv can't reach the package index with your settings"
    quiet .venv/bin/python -m pip install --disable-pip-version-check -q --require-hashes -r "requirements/$what.txt"
fi
touch ".venv/$what.stamp"
[ "$what" = dev ] && touch .venv/run.stamp
echo "✓ Installed in $(($(date +%s) - start)) s ($(du -sm .venv | cut -f1) MB in .venv)"
