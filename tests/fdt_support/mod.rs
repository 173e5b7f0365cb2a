//! Compiles the device trees under `dts/fixtures`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dts/fixtures").join(format!("{name}.dts"))
}

/// Compiles a fixture.
#[allow(dead_code)] // each file of tests is a crate of its own
pub fn dtb(name: &str) -> Vec<u8> {
    let args = ["-q", "-I", "dts", "-O", "dtb", "-o", "-"];
    let output = Command::new("dtc").args(args).arg(fixture(name)).output();
    let output = output.expect("dtc cannot be run; install the package device-tree-compiler");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dtc fails on {name}: {errors}");
    output.stdout
}

/// The small machine of the fixtures with `changes`, which may refer to its labels; `front` stands
/// before the root, where memory reservations do.
#[allow(dead_code)] // each file of tests is a crate of its own
pub fn changed(front: &str, changes: &str) -> Vec<u8> {
    let directory = fixture("base").parent().unwrap().display().to_string();
    let args = ["-q", "-I", "dts", "-O", "dtb", "-o", "-", "-i", &directory, "-"];
    let mut dtc = Command::new("dtc");
    let dtc = dtc.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut dtc = dtc.spawn().expect("dtc cannot be run; install the package device-tree-compiler");
    let source = format!("/dts-v1/;\n{front}\n/include/ \"base.dtsi\"\n{changes}\n");
    dtc.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = dtc.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{source}: {errors}");
    output.stdout
}
