# baton: `make run` and `make test` do all set-up by themselves. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Installs Debian packages, as root or through sudo; without apt, names what is missing.
define apt_install
$(info $(shell \
  if ! command -v apt-get >/dev/null; then echo "no apt here: install by hand: $(1)"; exit; fi; \
  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  echo "apt: installing $(1)"; \
  { $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $(1); } >/dev/null 2>build-apt.log \
    && rm -f build-apt.log || { echo "apt failed:"; tail -3 build-apt.log; }))
endef

QUIET_GOALS := help clean
ifneq ($(filter-out $(QUIET_GOALS),$(MAKECMDGOALS)),)
include .cargo/toolchain.mk
endif

CARGO ?= cargo
ELF   := target/$(TARGET)/release/baton-kernel

.PHONY: image
image: $(SYSROOT_STAMP)
	@echo "toolchain: $(TOOLCHAIN_NAME)"
	@$(CARGO) build --locked --release --target $(TARGET) -p baton --bin baton-kernel

sysroot: $(SYSROOT_STAMP)
