//! Compiles the device trees under `dts/fixtures`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dts/fixtures").join(format!("{name}.dts"))
}

/// Compiles a fixture.
pub fn dtb(name: &str) -> Vec<u8> {
    let args = ["-q", "-I", "dts", "-O", "dtb", "-o", "-"];
    let output = Command::new("dtc").args(args).arg(fixture(name)).output();
    let output = output.expect("dtc cannot be run; install the package device-tree-compiler");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dtc fails on {name}: {errors}");
    output.stdout
}
