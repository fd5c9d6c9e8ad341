#!/bin/sh
# What keeps the house in order. Runs everything, then fails if anything failed.
set -u
cd "$(dirname "$0")/../.."
. deploy/local/steps.sh
house() {
    # A registry's host or a path of somebody's machine in a committed file.
    ! git grep -nIE 'p[y]pi\.org|pythonh[o]sted|registry\.npm[j]s|deb\.deb[i]an\.org|/(r[o]ot|h[o]me)/[a-z]' -- . ':!*.lock.md'
}
step "ruff check" .venv/bin/ruff check -q .
step "ruff format" .venv/bin/ruff format -q --check .
step "import rules" .venv/bin/lint-imports
step "types" .venv/bin/pyright
step "types of libs/common, strictly" .venv/bin/pyright -p libs/common
step "house rules" house
[ -x deploy/local/check-js.sh ] && step "types of the pages" deploy/local/check-js.sh
finish
