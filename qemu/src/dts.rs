//! `--dts`: QEMU's own device tree for a machine with a source of ours merged into it.
//!
//! Sources name CPUs by path. One file serves machines of any size: references to CPUs that the
//! machine does not have are taken out, and then nodes whose list of CPUs has become empty.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use baton::fdt::{Properties, Tree};

use crate::{Accel, Options, kvm};

/// The device tree compiler.
const DTC: &str = "dtc";
/// How a source refers to a CPU; the rest of the node's name and a closing brace follow.
const CPU_REFERENCE: &str = "&{/cpus/cpu@";

/// The options with their `--dts` carried out: a `-dtb` for a tree that is made in `directory`.
///
/// # Errors
/// The source cannot be read or is refused by dtc, or QEMU or dtc cannot be run; says which.
pub fn applied(options: &Options, directory: &Path) -> Result<Options> {
    let mut options = options.clone();
    let Some(source) = options.dts.take() else { return Ok(options) };
    let dump = dumped(&options, directory)?;
    let tree = merged(&dump, &source, directory)?;
    options.extra.extend(["-dtb".into(), tree.display().to_string()]);
    Ok(options)
}

/// The tree that QEMU makes for exactly this machine.
fn dumped(options: &Options, directory: &Path) -> Result<PathBuf> {
    let path = directory.join("qemu.dtb");
    let dump = format!("dumpdtb={}", path.display());
    // Where this host is not the hypervisor: the same machine translated, which has the same devices.
    let translated = Options { accel: Accel::Tcg, ..options.clone() };
    let options = if kvm::is_nested(options) { &translated } else { options };
    let mut command = Command::new(&options.qemu);
    command.args(options.arguments(None)).args(["-machine", &dump, "-display", "none"]);
    let output = command.output().with_context(|| crate::launch::missing(&options.qemu))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(path.is_file(), "QEMU writes no device tree for --dts: {}", said.trim());
    Ok(path)
}

/// A blob in `directory`: the tree `dump` with the source merged into it.
fn merged(dump: &Path, source: &Path, directory: &Path) -> Result<PathBuf> {
    let name = source.display();
    let text = fs::read_to_string(source).with_context(|| format!("cannot read {name}"))?;
    let base = fs::read(dump).with_context(|| format!("cannot read {}", dump.display()))?;
    let base = Tree::read(&base).map_err(|why| anyhow!("QEMU's device tree: {why}"))?;
    let (own, whole) = (directory.join("qemu.dts"), directory.join("merged.dts"));
    let part = directory.join(source.file_name().unwrap_or(OsStr::new("source.dts")));
    let blob = directory.join("merged.dtb");
    fs::write(&part, without_missing_cpus(&text, &base))?;
    let from = source.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let compile = |input: &Path, output: &Path| {
        let compiled = dtc(input, output, from);
        compiled.map_err(|said| said.context(format!("dtc refuses {name}; correct it")))
    };
    dtc(dump, &own, from).context("dtc cannot read QEMU's device tree")?;
    let mut text = format!("/include/ {own:?}\n/include/ {part:?}\n");
    fs::write(&whole, &text)?;
    compile(&whole, &blob)?;
    let empty = empty_lists(&fs::read(&blob)?)?;
    if !empty.is_empty() {
        empty.iter().for_each(|path| text.push_str(&format!("/delete-node/ &{{{path}}};\n")));
        fs::write(&whole, &text)?;
        compile(&whole, &blob)?;
    }
    Ok(blob)
}

/// Runs dtc; what it has to say is the error, with the place of the source for that of its copy.
fn dtc(input: &Path, output: &Path, include: &Path) -> Result<()> {
    let (from, to) = (form(input), form(output));
    let mut command = Command::new(DTC);
    command.args(["-q", "-I", from, "-O", to, "-i"]).arg(include).arg("-o").arg(output).arg(input);
    let run = command.output();
    let run = run
        .with_context(|| format!("cannot run {DTC}; install it (Debian: device-tree-compiler)"))?;
    if run.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&run.stderr);
    let copies = input.parent().unwrap_or(Path::new("")).display().to_string();
    bail!("{}", said.trim().replace(&copies, &include.display().to_string()))
}

fn form(path: &Path) -> &'static str {
    if path.extension() == Some(OsStr::new("dtb")) { "dtb" } else { "dts" }
}

/// The source without references to CPUs that the tree does not have.
fn without_missing_cpus(source: &str, tree: &Tree<'_>) -> String {
    let mut kept = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(CPU_REFERENCE) {
        let (before, reference) = rest.split_at(at);
        kept.push_str(before);
        let end = reference.find('}').map_or(reference.len(), |brace| brace + 1);
        let (reference, after) = reference.split_at(end);
        if !is_missing(reference, after, tree) {
            kept.push_str(reference);
        }
        rest = after;
    }
    kept + rest
}

/// True for a well-formed reference to a CPU that is not there. Any other oddity, and a node that
/// is opened by such a reference, is left for dtc to name.
fn is_missing(reference: &str, after: &str, tree: &Tree<'_>) -> bool {
    let Some(path) = reference.strip_prefix("&{").and_then(|r| r.strip_suffix('}')) else {
        return false;
    };
    let unit = path.split_once('@').map_or("", |(_, unit)| unit);
    let good = !unit.is_empty() && unit.bytes().all(|byte| byte.is_ascii_hexdigit());
    good && !after.trim_start().starts_with('{') && tree.find(path).is_none()
}

/// Paths of the nodes whose list of CPUs is empty.
fn empty_lists(blob: &[u8]) -> Result<Vec<String>> {
    let tree = Tree::read(blob).map_err(|why| anyhow!("the merged device tree: {why}"))?;
    let empty = tree.nodes().filter(|node| node.property("cpus").is_some_and(<[u8]>::is_empty));
    Ok(empty.map(|node| node.path()).collect())
}

#[cfg(test)]
mod tests;
