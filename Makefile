# baton: `make run` and `make test` do all set-up by themselves; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

CPUS   ?= 16
CYCLES ?= 5
MEM    ?= $(if $(filter-out 1 2 3 4 5 6 7 8 9,$(CPUS)),$(shell [ $(CPUS) -gt 256 ] && echo 2G || echo 1G),1G)
GIC    ?= 3
EL2    ?= 0
UEFI   ?= 0
ACCEL  ?= tcg
APPEND ?=
DTS    ?=
KEY    ?=
LOAD   ?=
OLDER  ?=
FUZZ_CASES ?= 20000
FUZZ_SECONDS ?= 30
FUZZ_TARGETS ?=
SOAK_LINUX ?= 100
SOAK_CYCLES ?= 1000
HOST_CPUS ?= 2
HOST_MEM ?=
HOST_LINUX ?= 6.1
HOST_CPU ?= neoverse-n1
MATRIX_CPUS ?= 1,8
COUNTS ?= 1,8,80,512
TOP    ?= 30
CORNERS ?= 8,16,80
TESTS ?=

# The public key that kexec.sig= believes; build.rs has the default.
ifneq ($(KEY),)
  export BATON_KEY := $(abspath $(KEY))
endif

# Set-up, once: .cargo/setup installs what is missing and chooses the Rust toolchain, and the stamp
# has the choice. It is a recipe, so `make -n` installs nothing; what is looked at while this file is
# read (has anything to be done again?) changes nothing. KTC=auto|rustup|system
KTC    ?= auto
export KTC
SETUP  := build/setup-$(KTC)
QUIET  := help clean
ifneq ($(filter-out $(QUIET),$(MAKECMDGOALS)),)
  NEEDS := qemu dtc cc $(if $(filter fuzz fuzz-keep fuzzer,$(MAKECMDGOALS)),c++) $(filter lint,$(MAKECMDGOALS))
  STALE := $(filter setup,$(MAKECMDGOALS))$(shell .cargo/setup stale $(SETUP) $(NEEDS))
endif

CARGO  := .cargo/cargo
TARGET := aarch64-unknown-none-softfloat
BATON  := target/debug/baton
IMAGE  := target/baton.Image
FLOOR  := target/floor.Image
COSTS  := qemu/costs.txt
PROBE  := target/probe.Image
WIDE   := target/wide.Image
WATCH  := target/debug/libbaton_watch.so
LINUX  := target/linux
KVM    := target/kvm
EDK2   := target/uefi
BARE   := --locked --release --target $(TARGET)
BAREOUT = target/$(TARGET)/release
GUEST   = --cpus $(CPUS) --mem $(MEM) --gic $(GIC) --accel $(ACCEL) $(if $(filter 1,$(EL2)),--el2) $(if $(filter 1,$(UEFI)),--uefi $(EDK2)/root/QEMU_EFI.fd) $(if $(DTS),--dts $(DTS)) \
          $(if $(filter kvm,$(ACCEL)),--host-cpus $(HOST_CPUS) --host-linux $(HOST_LINUX) --host-cpu $(HOST_CPU) $(if $(HOST_MEM),--host-mem $(HOST_MEM)))
APPENDED = $(if $(APPEND),--append '$(APPEND)')

.PHONY: help setup run scale kvm kvm-test exits test bench bench-check bench-table profile linux linux-matrix soak image floor probe watch wide tool lint fuzz fuzz-keep fuzzer clean test-host test-loom test-guest FORCE

linux linux-matrix soak: MEM = 2G
soak: CPUS = 8
help:
	@echo "make run     boot baton on CPUS CPUs, kexec it CYCLES times serially and in parallel, report"
	@echo "make test    every test, on the host and in QEMU"
	@echo "make bench   baton beside the bare PSCI floor: ratios, cold and warm"
	@echo "make bench-check  instructions of every phase of a kexec at 1, 8 and 80 CPUs, against $(COSTS);"
	@echo "             make bench-table writes that table anew"
	@echo "make profile where the instructions of a parallel kexec go, by function; TOP=30 of them"
	@echo "make linux   hand over to a Debian Linux and back, CYCLES times, beside Linux into Linux"
	@echo "make linux-matrix  into Linux once for each of MATRIX_CPUS (1,8), EL1 and EL2, GICv2 and GICv3"
	@echo "make scale   what each CPU asks of the simulated machine, up to 4,096 CPUs; some minutes"
	@echo "make soak    SOAK_LINUX (100) kexecs between baton and Linux, then SOAK_CYCLES (1000) of baton alone"
	@echo "make kvm     as run, with baton as a guest of real KVM: the host's own on arm64, else KVM under TCG"
	@echo "make kvm-test  the tests in QEMU as guests of KVM, and those that take long there; about 2 hours"
	@echo "             (TESTS='real-guest::kvm_all' runs some of them)"
	@echo "make exits   what a kexec costs a guest of KVM, in exits by kind and phase, beside the floor and Linux"
	@echo "make image   build $(IMAGE)"
	@echo "make lint    rustfmt, clippy for host and target, licences"
	@echo "make fuzz    search for input that breaks a parser: FUZZ_SECONDS (30) for each of FUZZ_TARGETS (all),"
	@echo "             guided by coverage; and FUZZ_CASES (20000) for each property"
	@echo "make fuzz-keep   add what fuzzing found to reach more code to tests/fuzz/corpus"
	@echo "make setup   what all of these do first, once: install what is missing, choose the Rust toolchain"
	@echo "make clean   remove everything that was built"
	@echo
	@echo "Variables: CPUS=16 CYCLES=5 MEM=1G GIC=3|2 EL2=0|1 UEFI=0|1 ACCEL=tcg|tcg-single|icount|kvm APPEND='...'"
	@echo "           UEFI=1 (run, linux, soak: EDK2 starts the image, and ACPI describes the machine; in linux"
	@echo "           a Linux comes first, and baton by its kexec-tools)"
	@echo "           DTS=dts/dsu-2.dts (merged into QEMU's device tree)"
	@echo "           KEY=my.key.public (whose kernels kexec.sig= lets in; else a test key)"
	@echo "           COUNTS=1,8,80,512 (bench, ACCEL=icount: instructions of every phase at these numbers of CPUs)"
	@echo "           CORNERS=8,16,80 (the same: serial and parallel teardown, a grace period for each CPU or one)"
	@echo "           OLDER=6cb6c3f (bench: that revision, built from git, in turn with this image)"
	@echo "           LOAD=1 (bench: a second time with all subsystems in use)"
	@echo "           HOST_CPUS=2 HOST_MEM= HOST_LINUX=6.1|6.12 HOST_CPU=neoverse-n1 (ACCEL=kvm: the machine"
	@echo "           whose Linux is the hypervisor, where this host can't be it)"
	@echo "Examples:  make run CPUS=80 ACCEL=tcg-single      make bench CPUS=80"
	@echo "The host tool does more: target/debug/baton --help"

setup: $(SETUP)
	@. $(SETUP) && echo "toolchain: $$TOOLCHAIN"

$(SETUP): .cargo/setup $(if $(STALE),FORCE)
	@.cargo/setup run $@ $(NEEDS)

FORCE:

run: image
	@$(BATON) run --image $(IMAGE) --out target/report --cycles $(CYCLES) $(GUEST) $(APPENDED)

bench: image floor
	@$(BATON) bench --image $(IMAGE) --floor $(FLOOR) --out target/report $(GUEST) $(APPENDED) \
	  $(if $(filter 1,$(LOAD)),--stress) $(if $(OLDER),--older '$(OLDER)') $(if $(filter icount,$(ACCEL)),--counts $(COUNTS) --corners $(CORNERS))

# What a kexec costs, in instructions, against the table of this repository; and the table written anew.
bench-check: image
	@$(BATON) bench-check --image $(IMAGE) --table $(COSTS) --out target/report

bench-table: image
	@$(BATON) bench-check --image $(IMAGE) --table $(COSTS) --out target/report --write

# Where the instructions of a kexec go, by function.
profile: image
	@$(BATON) profile --image $(IMAGE) --elf $(BAREOUT)/baton-kernel --out target/report --top $(TOP) $(GUEST) $(APPENDED)

linux: image $(LINUX)/.done
	@$(BATON) linux --image $(IMAGE) --root $(LINUX)/root --out target/report --cycles $(CYCLES) $(GUEST) $(APPENDED)

linux-matrix: image $(LINUX)/.done
	@$(BATON) linux-matrix --image $(IMAGE) --root $(LINUX)/root --out target/report --cpus $(MATRIX_CPUS) --mem $(MEM) --accel $(ACCEL) $(if $(filter-out tcg,$(ACCEL)),--timeout 600)

soak: image $(LINUX)/.done
	@$(BATON) soak --image $(IMAGE) --root $(LINUX)/root --out target/report --linux $(SOAK_LINUX) --cycles $(SOAK_CYCLES) --total 36000 $(GUEST) $(APPENDED)

# baton as a guest of real KVM: the host's own, or a Linux with KVM under translation.
kvm: ACCEL = kvm
kvm: CPUS = 8
kvm: run

exits: CPUS = 8
exits: image floor $(KVM)/.done-$(HOST_LINUX) $(LINUX)/.done
	@$(BATON) exits --image $(IMAGE) --floor $(FLOOR) --linux $(LINUX)/root --out target/report $(GUEST) \
	  --host-cpus $(HOST_CPUS) --host-linux $(HOST_LINUX) --host-cpu $(HOST_CPU) $(APPENDED)

# ACCEL=kvm needs the hypervisor first, unless this host is one.
HYPERVISOR = $(KVM)/.done-$(HOST_LINUX)
ifeq ($(wildcard /dev/kvm)$(shell uname -m),/dev/kvmaarch64)
  HYPERVISOR =
endif
ifneq ($(filter kvm,$(ACCEL) $(MAKECMDGOALS)),)
run bench linux soak: $(HYPERVISOR)
endif

# UEFI=1 needs the firmware first.
ifeq ($(UEFI),1)
run linux soak: $(EDK2)/.done
endif

# EDK2 for QEMU's machine, from Debian; nothing is installed.
$(EDK2)/.done:
	@echo "fetching UEFI's firmware for QEMU (3 MB)"
	@rm -rf $(EDK2) && qemu/uefi/fetch $(EDK2) && touch $@

$(KVM)/.done-%:
	@echo "fetching an arm64 Linux $* with KVM and an arm64 QEMU (about 50 MB, 150 MB unpacked)"
	@qemu/kvm/fetch $(KVM) $* && touch $@

# An arm64 Linux with kexec-tools, from Debian; nothing is installed.
$(LINUX)/.done:
	@echo "fetching an arm64 Linux and kexec-tools (25 MB)"
	@rm -rf $(LINUX) && qemu/linux/fetch $(LINUX) && touch $@

image: tool
	@$(CARGO) build $(BARE) --quiet -p baton --bin baton-kernel
	@$(CARGO) build $(BARE) --quiet -p baton-efi
	@$(BATON) image $(BAREOUT)/baton-kernel $(IMAGE) --stub $(BAREOUT)/baton-efi

floor: tool
	@$(CARGO) build $(BARE) --quiet -p floor
	@$(BATON) image $(BAREOUT)/floor $(FLOOR)

# Says what state a machine is in when a kernel is entered, or leaves it dirty: for tests.
probe: tool
	@$(CARGO) build $(BARE) --quiet -p probe
	@$(BATON) image $(BAREOUT)/probe $(PROBE)

# The same image with a span of 8 MiB, and ballast that needs it: for tests.
wide: tool
	@$(CARGO) build $(BARE) --quiet -p baton --bin baton-kernel --features wide --target-dir target/wide
	@$(BATON) image target/wide/$(TARGET)/release/baton-kernel $(WIDE)

# A plugin for QEMU that says which instructions access devices: for tests.
watch: | $(SETUP)
	@$(CARGO) build --locked --quiet -p baton-watch

tool: | $(SETUP)
	@. $(SETUP) && echo "toolchain: $$TOOLCHAIN"
	@$(CARGO) build --locked --quiet -p baton-qemu

# All results of the three families in one last line. A dry run shows what each family would do.
FAMILIES := test-host test-loom test-guest
DRY := $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
test: image floor probe watch wide
ifneq ($(DRY),)
	@for family in $(FAMILIES); do $(MAKE) --no-print-directory $$family; done
else
	@rm -f target/test.log
	@status=0; for family in $(FAMILIES); do \
	  echo "== $$family"; $(MAKE) --no-print-directory -s $$family 2>&1 | tee -a target/test.log; \
	  [ $${PIPESTATUS[0]} = 0 ] || status=1; done; \
	awk -v status=$$status '/^test result:/ { passed += $$4; failed += $$6 } \
	  END { if (status && !failed) failed = 1; printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' target/test.log
endif

test-host: | $(SETUP)
	@$(CARGO) test --locked --workspace --exclude floor --exclude probe --no-fail-fast -- --skip real-guest::

test-loom: | $(SETUP)
	@RUSTFLAGS="--cfg loom" $(CARGO) test --locked --release --lib --target-dir target/loom loom_

# What the tests in QEMU are told.
GUEST_TESTS = BATON_IMAGE=$(CURDIR)/$(IMAGE) BATON_ELF=$(CURDIR)/$(BAREOUT)/baton-kernel BATON_FLOOR=$(CURDIR)/$(FLOOR) BATON_PROBE=$(CURDIR)/$(PROBE) BATON_WIDE=$(CURDIR)/$(WIDE) \
	BATON_LINUX=$(CURDIR)/$(LINUX)/root BATON_WATCH=$(CURDIR)/$(WATCH) BATON_KVM=$(CURDIR)/$(KVM)/root \
	BATON_UEFI=$(CURDIR)/$(EDK2)/root/QEMU_EFI.fd

test-guest: image floor probe watch wide $(HYPERVISOR) $(LINUX)/.done $(EDK2)/.done
	@$(GUEST_TESTS) $(CARGO) test --locked -p baton-qemu --test guest

# How much each CPU asks of the simulated machine, up to 4,096 CPUs.
scale: | $(SETUP)
	@$(CARGO) test --locked --quiet -p baton --features many --test scale -- --nocapture --test-threads 1

# Each machine as a guest of KVM; TESTS names some.
kvm-test: image floor probe wide $(HYPERVISOR) $(LINUX)/.done
	@$(GUEST_TESTS) BATON_ACCEL=kvm $(CARGO) test --locked -p baton-qemu --test guest -- $(or $(TESTS),real-guest::)

lint: | $(SETUP)
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --locked --quiet --workspace --all-targets -- -D warnings
	@$(CARGO) clippy $(BARE) --quiet -p baton -p baton-efi -p floor -p probe -- -D warnings
	@RUSTFLAGS="--cfg loom" $(CARGO) check --locked --quiet -p baton --tests --target-dir target/loom
	@$(CARGO) test --locked --quiet -p baton-qemu --test licences

fuzz: fuzzer
	@PROPTEST_CASES=$(FUZZ_CASES) $(CARGO) test --locked --release -p baton --lib --test kexec_plan --test fdt_mutations
	@$(FUZZ) $(FUZZER) target/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-keep: fuzzer
	@$(FUZZ) --keep $(FUZZER) target/fuzz $(FUZZ_TARGETS)

# libFuzzer with all targets. By --target the flags are for these alone, not for build scripts and
# macros, which run while building.
SANCOV := passes=sancov-module codegen-units=1 debug-assertions $(addprefix llvm-args=-sanitizer-coverage-, \
  level=4 inline-8bit-counters pc-table trace-compares)
HOST    = $$($(CARGO) -vV | sed -n 's/^host: //p')
FUZZER  = target/fuzz/build/$(HOST)/release/fuzz-target
FUZZ    = $(CARGO) run --locked --quiet -p baton-fuzz --bin fuzz --

fuzzer: | $(SETUP)
	@RUSTFLAGS="$(addprefix -C ,$(SANCOV))" $(CARGO) build --locked --quiet --release --target $(HOST) \
	  --target-dir target/fuzz/build -p baton-fuzz --bin fuzz-target --features libfuzzer

clean:
	rm -rf target build
