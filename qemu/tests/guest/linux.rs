//! Over to an unmodified Linux and back, by the host tool itself: all CPUs online there, each taken
//! offline and online, the machine as after a cold boot.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::vm::{hypervisor, image_path, patience, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("linux", "there_and_back_gicv3_el2", || there_and_back(&["-n", "4", "--el2"])),
        test("linux", "there_and_back_gicv2", || there_and_back(&["-n", "2", "--gic", "2"])),
        test("linux", "there_and_back_on_one_cpu", || there_and_back(&["-n", "1"])),
    ]
}

/// The unpacked packages.
pub fn root() -> Result<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/linux/root");
    let root = std::env::var_os("BATON_LINUX").map_or_else(|| default.into(), PathBuf::from);
    ensure!(root.is_dir(), "no Linux at {}; run qemu/linux/fetch target/linux", root.display());
    Ok(root)
}

pub fn there_and_back(machine: &[&str]) -> Result<()> {
    let said = hands_over(&[&["--cycles", "2"], machine].concat())?;
    ensure!(said.contains("Linux   baton"), "no way back:\n{said}");
    Ok(())
}

/// What the host tool says, once it has found every Linux as after a cold boot.
pub fn hands_over(arguments: &[&str]) -> Result<String> {
    let out = tempfile::tempdir()?;
    let mut baton = Command::new(env!("CARGO_BIN_EXE_baton"));
    baton.args(["linux", "--mem", "2G", "--no-compare"]);
    let timeout = patience(Duration::from_secs(100)).as_secs().to_string();
    baton.args(["--timeout", &timeout]).env("BATON_KVM", hypervisor());
    baton.arg("--image").arg(image_path()).arg("--root").arg(root()?);
    baton.arg("--out").arg(out.path()).args(arguments);
    let output = baton.output().context("cannot run the host tool")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{said}", output.status);
    Ok(said.into_owned())
}
