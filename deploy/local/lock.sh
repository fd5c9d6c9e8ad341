#!/bin/sh
# Compile the lock files: all of them agree on versions, each with hashes, none names an index.
set -eu
cd "$(dirname "$0")/../.."
compile() { # FILE EXTRA...
    file=$1
    shift
    extras=""
    for extra in "$@"; do extras="$extras --extra $extra"; done
    echo "• requirements/$file.txt"
    # shellcheck disable=SC2086
    .venv/bin/python -m uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --python-version 3.11 ${UPGRADE:+--upgrade} $constraint $extras \
        pyproject.toml -o "requirements/$file.txt"
}
constraint=""
compile dev gateway ratelimit chat ingest webhooks local test check
constraint="-c requirements/dev.txt"
compile run gateway ratelimit chat ingest webhooks local
for service in gateway ratelimit chat ingest webhooks; do compile "$service" "$service"; done
echo "• requirements/k8s.txt"
.venv/bin/python -m uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --python-version 3.11 ${UPGRADE:+--upgrade} requirements/k8s.in -o requirements/k8s.txt
