# Picks the Rust toolchain for the bare-metal target. KTC=auto|rustup|system
#
# rustup: its prebuilt core for the target is there (rust-toolchain.toml asks for it).
# system: Debian's compiler with its library source; core, alloc and compiler_builtins are built
#         once into build/sysroot-<compiler id>. Used where rustup can't download.

TARGET  := aarch64-unknown-none-softfloat
KTC     ?= auto
SYSSRC  := /usr/lib/rustlib/src/rust/library
RUST_DEBS := rustc-web cargo-web rust-web-src lld

has_core = $(wildcard $(shell rustc --print target-libdir --target $(TARGET) 2>/dev/null)/libcore-*.rlib)
has_system = $(and $(wildcard $(SYSSRC)/core/src/lib.rs),$(wildcard /usr/bin/rustc),$(wildcard /usr/bin/ld.lld))

ifeq ($(KTC),auto)
  ifneq ($(has_core),)
    override KTC := rustup
  else
    ifeq ($(has_system),)
      $(info no prebuilt core for $(TARGET) in the Rust toolchain here: installing Debian's compiler with its source)
      $(call apt_install,$(RUST_DEBS))
    endif
    ifneq ($(has_system),)
      override KTC := system
    else
      $(error no core for $(TARGET): run "rustup target add $(TARGET)" or "apt install $(RUST_DEBS)")
    endif
  endif
endif

ifeq ($(KTC),system)
  export RUSTUP_TOOLCHAIN := /usr
  CARGO := $(or $(shell command -v cargo),/usr/bin/cargo)
  RUSTC_REL := $(shell /usr/bin/rustc -vV | sed -n 's/^release: //p')
  RUSTC_ID  := $(RUSTC_REL)-$(shell /usr/bin/rustc -vV | sed -n 's/^commit-hash: \(.\{9\}\).*/\1/p')
  SRC_ID    := $(notdir $(realpath $(SYSSRC)/..))
  ifneq ($(SRC_ID),rustc-$(RUSTC_REL))
    $(error /usr/bin/rustc is $(RUSTC_REL) but its library source is $(SRC_ID): apt install --only-upgrade $(RUST_DEBS))
  endif
  SYSROOT := build/sysroot-$(RUSTC_ID)
  export CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_LINKER := ld.lld
  export CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_RUSTFLAGS := --sysroot $(CURDIR)/$(SYSROOT)
  SYSROOT_STAMP := $(SYSROOT)/.done
  TOOLCHAIN_NAME := Debian rustc $(RUSTC_REL) with its own core for $(TARGET)
else
  CARGO := cargo
  SYSROOT_STAMP :=
  TOOLCHAIN_NAME := $(shell rustc --version) by rustup, prebuilt core for $(TARGET)
endif

MKSYSROOT := build/mksysroot

build/sysroot-%/.done:
	@echo "building core and alloc for $(TARGET) once (about a minute)"
	@rm -rf $(@D) $(MKSYSROOT) && mkdir -p $(MKSYSROOT)/src $(@D)/lib/rustlib/$(TARGET)/lib
	@printf '[package]\nname="mksysroot"\nedition="2024"\n[workspace]\n[profile.release]\npanic="abort"\ndebug=1\n' > $(MKSYSROOT)/Cargo.toml
	@echo '#![no_std]' > $(MKSYSROOT)/src/lib.rs
	@cd $(MKSYSROOT) && env -u CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_RUSTFLAGS RUSTC_BOOTSTRAP=1 \
	  CARGO_TARGET_DIR=$(CURDIR)/$(MKSYSROOT)/target RUSTC=/usr/bin/rustc \
	  /usr/bin/cargo build --quiet --release --offline --target $(TARGET) \
	  --config 'unstable.build-std=["core","alloc","compiler_builtins"]' \
	  --config 'unstable.build-std-features=["compiler-builtins-mem"]' \
	  --config 'source.crates-io.replace-with="v"' --config 'source.v.directory="$(SYSSRC)/vendor"'
	@cp $(MKSYSROOT)/target/$(TARGET)/release/deps/lib{core,alloc,compiler_builtins}-*.r* $(@D)/lib/rustlib/$(TARGET)/lib/
	@rm -rf $(MKSYSROOT) && touch $@
