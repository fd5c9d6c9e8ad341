# Chattery. `make` or `make help` prints every target.
SHELL := /bin/sh
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help run demo webhook-listen rotate-secrets test check fmt bench eval k8s-check k8s-release-check rootfs sbom k8s-dev-secrets k8s-generate lock clean

help: ## Print every target with its one line
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}' Makefile

.venv/run.stamp: requirements/run.txt requirements/bootstrap.txt
	@deploy/local/install.sh run

.venv/dev.stamp: requirements/dev.txt requirements/bootstrap.txt
	@deploy/local/install.sh dev

run: .venv/run.stamp ## Start everything on this machine (CHATTERY_PORT=8080, CHATTERY_DATA=.chattery)
	@exec $(PY) -m deploy.local run

demo: .venv/run.stamp ## Tell the whole story against the running stack, on the example help centre
	@exec $(PY) -m examples.demo

webhook-listen: .venv/run.stamp ## Receive webhooks on this machine: print, verify, fail on request (ARGS="--help")
	@exec $(PY) -m deploy.local.webhook_listen $(ARGS)

rotate-secrets: .venv/run.stamp ## Give the stack a new key for the secrets it keeps, and seal them anew
	@exec $(PY) -m deploy.local rotate-secrets

test: .venv/dev.stamp ## Run all tests on real servers, two at a time (ARGS="-k name" narrows)
	@exec $(PY) -m pytest -n 2 --dist loadfile $(ARGS)

check: .venv/dev.stamp ## Lint, format, types, import rules, house rules
	@deploy/local/check.sh

fmt: .venv/dev.stamp ## Format the code and sort imports
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix -q . || true

bench: .venv/dev.stamp ## Measure, beside floors and peers (ARGS="webhooks" narrows)
	@exec $(PY) -m bench $(ARGS)

eval: .venv/dev.stamp ## Measure retrieval through the real stack (ARGS="--all --data DIR ..."; own sets else)
	@exec $(PY) -m bench.eval $(ARGS)

k8s-check: .venv/dev.stamp ## Render every overlay; schemas, linters, checkov, policies
	@deploy/k8s/check.sh

k8s-release-check: .venv/dev.stamp ## Refuse overlays/production while a digest or a name is a placeholder
	@$(PY) -m deploy.k8s.release

rootfs: .venv/dev.stamp ## Build a service's image as a folder, without a container engine (SERVICE=chat)
	@$(PY) -m deploy.rootfs $(SERVICE)

sbom: rootfs ## Write what is in a service's image as CycloneDX, validated (SERVICE=chat)
	@$(PY) -m cyclonedx_py environment --output-reproducible --spec-version 1.6 --mc-type application \
		--pyproject pyproject.toml -o artifacts/rootfs/$(SERVICE).cdx.json artifacts/rootfs/$(SERVICE)/opt/venv/bin/python

k8s-generate: .venv/dev.stamp ## Write what the manifests take from the code (NATS users and permissions)
	@$(PY) -m deploy.k8s.generate

k8s-dev-secrets: .venv/dev.stamp ## Print fresh Secrets for overlays/dev (pipe into kubectl apply -f -)
	@$(PY) -m deploy.k8s.generate secrets

lock: .venv/dev.stamp ## Compile requirements/*.txt anew, with hashes
	@deploy/local/lock.sh

clean: ## Remove what the tools made, but not your data
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache artifacts
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
