# For scripts that check many things: run all, say what failed, fail at the end. To be sourced.
failed=""
step() { # NAME COMMAND...
    name=$1
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then echo "✓ $name"; else echo "✗ $name"; cat "$log"; failed="$failed $name,"; fi
    rm -f "$log"
}
finish() { [ -z "$failed" ] || { echo "failed:${failed%,}" >&2; exit 1; }; }
