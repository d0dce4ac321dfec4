# Weft. "make help" lists what can be made.
#
# Two commands matter: "make up" brings the whole system up on this machine,
# "make test" proves it. Everything else is a part of one of them.

SHELL       := /bin/sh
.SHELLFLAGS := -euc
MAKEFLAGS   += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

export GOTOOLCHAIN ?= local

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/weft

# Developer tools are built once for each state of hack/tools and kept.
TOOLS          := $(CACHE)/tools/$(shell cksum hack/tools/go.sum | cut -d' ' -f1)
HELM           := $(TOOLS)/helm
GOLANGCI_LINT  := $(TOOLS)/golangci-lint
CONTROLLER_GEN := $(TOOLS)/controller-gen

PACKAGE_helm           := helm.sh/helm/v4/cmd/helm
PACKAGE_golangci-lint  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
PACKAGE_controller-gen := sigs.k8s.io/controller-tools/cmd/controller-gen

# Static and without paths, as the images are: what is compiled for one of them
# serves all.
STATIC := CGO_ENABLED=0 GOFLAGS=-trimpath
DEV     = WEFT_ROOT='$(CURDIR)' HELM='$(HELM)' $(STATIC) go -C hack/dev run .
CLUSTER_COMMAND = go -C hack/cluster run ./cmd/cluster

# Modules of the repository; the first is the product.
MODULES := . hack/cluster hack/dev hack/image

##@ Run

.PHONY: up
up: go helm ## Start everything: cluster, images, Postgres, Redis, chart; prints the portal's address
	@$(DEV) up

.PHONY: down
down: go $(if $(filter current,$(CLUSTER)),helm) ## Remove everything that "make up" made
	@$(DEV) down

.PHONY: url
url: go ## Print the address of the running portal (make -s url: nothing else)
	@$(DEV) url

.PHONY: kubeconfig
kubeconfig: go ## Print the path of the cluster's kubeconfig (make -s kubeconfig: nothing else)
	@$(DEV) kubeconfig

##@ Prove

TESTS = HELM='$(HELM)' go run ./hack/test/run

.PHONY: test
test: deps helm ## Everything: lint, unit, integration, end to end
	@$(TESTS) all

.PHONY: unit
unit: helm ## Go tests of all modules, without servers
	@$(TESTS) unit

.PHONY: integration
integration: helm ## All tests of the product, with real Postgres, Redis and kube-apiserver
	@$(TESTS) integration

.PHONY: e2e
e2e: go ## End to end in a real browser, on what "make up" started
	@$(TESTS) e2e

.PHONY: bench
bench: deps ## Measure on what "make up" started; writes docs/benchmarks.md
	@go run ./test/bench -kubeconfig "$$($(DEV) kubeconfig)" -portal "$$($(DEV) url)"

##@ Code

.PHONY: generate
generate: go $(CONTROLLER_GEN) ## Generate deep copies, CRDs and RBAC, and copy what the chart needs
	@$(CONTROLLER_GEN) object paths=./api/...
	@$(CONTROLLER_GEN) crd:maxDescLen=400 paths=./api/... output:crd:dir=config/crd
	@cp config/crd/weft.run_*.yaml charts/weft/crds/
	@go run ./portal/cmd/portal openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	@cp $(filter-out %/kustomization.yaml,$(wildcard config/rbac/*.yaml)) charts/weft/files/rbac/

.PHONY: lint
lint: go $(GOLANGCI_LINT) ## Run golangci-lint over all modules
	@failed=0; for m in $(MODULES); do \
	  (cd $$m && $(GOLANGCI_LINT) run --config '$(CURDIR)/.golangci.yml' ./...) || failed=1; \
	done; exit $$failed

.PHONY: verify
verify: generate ## Regenerate everything and fail if that changes a file
	@git diff --exit-code -- api config charts docs/openapi.json hack/*/go.mod hack/*/go.sum go.mod go.sum || \
	  { echo 'generated files are out of date: run "make generate" and commit the result' >&2; exit 1; }

.PHONY: helm
helm: go $(HELM)

# A tool that was cut short must not be taken for a whole one.
$(TOOLS)/%: | go
	@echo 'building $* (once on this machine, up to 3 minutes) …' >&2
	@mkdir -p '$(TOOLS)'
	@$(STATIC) go -C hack/tools build -ldflags '-s -w' -o '$@.partial' $(PACKAGE_$*)
	@mv '$@.partial' '$@'

##@ Machine

.PHONY: deps
deps: go ## Install the Debian packages that tests need
	@go run ./hack/test/run deps

.PHONY: clean-cache
clean-cache: ## Remove what was built once and kept
	@rm -rf '$(CACHE)'

.PHONY: go
go:
	@command -v go >/dev/null || { echo 'Go 1.26 or later is missing: get it at https://go.dev/dl and put it into PATH' >&2; exit 1; }

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nSettings (environment or make VARIABLE=value)\n'
	@printf '  %-17s %s\n' \
	  'CLUSTER=current'  'use the cluster of your kubeconfig instead of one of our own' \
	  'REGISTRY=host/x'  'push images there; needed when that cluster cannot see images on this machine' \
	  'PUBLIC_URL'       'address of the portal (default http://localhost:30080)' \
	  'GATEWAY_URL'      'address of exposed flows (default http://localhost:30081)' \
	  'POSTGRES_IMAGE'   'image of Postgres instead of one made of Debian packages' \
	  'REDIS_IMAGE'      'the same for Redis'
