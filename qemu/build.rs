//! Tells the host tool which compiler it was built by. `make` builds the kernel with the same one,
//! and what the kernel costs in instructions is the work of that compiler as much as of the source.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let said = Command::new(compiler).arg("--version").output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
    println!("cargo:rustc-env=BATON_RUSTC={}", said.unwrap_or_default());
}
