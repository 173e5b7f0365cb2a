//! Hands the linker script to the bare-metal image, and to nothing else; and to the library the
//! public key that `kexec.sig=` believes: the one that `BATON_KEY` names, or the test key.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[allow(dead_code)] // only a part of it is needed here
#[path = "src/config.rs"]
mod config;

#[allow(dead_code)] // only a part of it is needed here
#[path = "src/kexec/signature/keyfile.rs"]
mod keyfile;

/// Its secret half lies beside it: it is for tests, and proves nothing.
const TEST_KEY: &str = "tests/keys/test-key-do-not-trust.public";

/// Constants of the library that the linker script uses.
const LINKED: [(&str, u64); 5] = [
    ("KERNEL_BASE", config::KERNEL_BASE),
    ("IMAGE_SPAN", config::IMAGE_SPAN),
    ("IMAGE_ALIGN", config::IMAGE_ALIGN),
    ("BOOT_STACK_BYTES", config::BOOT_STACK_BYTES),
    ("EXCEPTION_STACK_BYTES", config::EXCEPTION_STACK_BYTES),
];

fn main() {
    let root =
        PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=linker/kernel.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-arg-bins=-T{}/linker/kernel.ld", root.display());
        println!("cargo:rerun-if-changed=src/config.rs");
        for (name, value) in LINKED {
            println!("cargo:rustc-link-arg-bins=--defsym={name}={value:#x}");
        }
    }
    println!("cargo:rerun-if-env-changed=BATON_KEY");
    let test = root.join(TEST_KEY);
    let named = env::var_os("BATON_KEY").filter(|path| !path.is_empty()).map(PathBuf::from);
    build_in(&test, "test-key");
    build_in(&named.unwrap_or(test), "key");
}

/// Checks the key in a file and writes its bytes where the library includes them from.
fn build_in(path: &Path, name: &str) {
    println!("cargo:rerun-if-changed={}", path.display());
    let refuse = |why: &dyn std::fmt::Display| -> ! {
        eprintln!("BATON_KEY (KEY= of make): {}: {why}", path.display());
        std::process::exit(1)
    };
    let text = fs::read_to_string(path).unwrap_or_else(|why| refuse(&why));
    let key = keyfile::read(&text, keyfile::PUBLIC).unwrap_or_else(|why| refuse(&why));
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join(name), key).expect("OUT_DIR can be written");
}
