//! Things as large as they may be: device trees at every limit and one past it, and an image with
//! another span.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use baton::config::MAX_DTB;
use baton::fdt::MAX_DEPTH;
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::trees::{dumped, tool};
use crate::vm::{Setup, Vm, cpus, test};

/// Nodes that mean nothing.
const NODES: usize = 20_000;
/// Reservations, half of them in the memory reservation block.
const RESERVATIONS: u64 = 4_000;
/// Where the reservations begin, and how far they are apart: each is one page.
const FIRST: u64 = 0x5000_0000;
const STEP: u64 = 0x2000;

pub fn tests() -> Vec<Trial> {
    vec![
        test("large", "a_tree_of_many_nodes_deep_and_with_many_reservations", many),
        test("large", "the_largest_tree_crosses_a_kexec", largest),
        test("large", "a_tree_that_is_one_too_deep_is_refused_by_name", too_deep),
        test("large", "a_tree_that_is_too_large_is_refused_by_name", too_large),
        test("large", "an_image_of_another_span_at_el1", || wide(cpus(4)?)),
        test("large", "an_image_of_another_span_at_el2", || wide(cpus(2)?.el2())),
    ]
}

/// What is added to QEMU's own tree.
#[derive(Clone, Copy, Default)]
struct Added {
    /// Nodes side by side.
    nodes: usize,
    /// Nodes one in the other, below the root.
    depth: usize,
    /// Reservations.
    reservations: u64,
    /// Bytes of one property.
    filler: usize,
}

impl Added {
    /// As a source, for the front of a tree and for its end.
    fn source(self) -> Result<(String, String)> {
        let place = |i: u64| FIRST + i * STEP;
        let (mut front, mut end) = (String::new(), String::from("/ {\n"));
        writeln!(end, "filler = [{}];", "00".repeat(self.filler))?;
        for i in 0..self.reservations / 2 {
            writeln!(front, "/memreserve/ {:#x} 0x1000;", place(i))?;
        }
        end += "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;\n";
        for i in self.reservations / 2..self.reservations {
            let at = place(i);
            writeln!(end, "part@{at:x} {{ reg = <0 {at:#x} 0 0x1000>; }};")?;
        }
        writeln!(end, "}};\n{}{}}};", "d { ".repeat(self.depth), "}; ".repeat(self.depth))?;
        for i in 0..self.nodes {
            // dtc takes some thousand nodes side by side at a time.
            let (opens, closes) = (i.is_multiple_of(1000), i % 1000 == 999);
            let around = |yes, text| if yes { text } else { "" };
            writeln!(
                end,
                "{}n{i} {{ }};{}",
                around(opens, "/ { many { "),
                around(closes, "}; };")
            )?;
        }
        Ok((front, end))
    }

    /// Added to the tree that QEMU makes for this machine.
    fn to(self, setup: &Setup) -> Result<Vec<u8>> {
        let directory = setup.directory();
        let path = |name: &str| directory.join(name).display().to_string();
        let (source, blob, dump) = (path("large.dts"), path("large.dtb"), dumped(setup)?);
        tool("dtc", &["-q", "-I", "dtb", "-O", "dts", "-o", &source, &dump])?;
        let own = std::fs::read_to_string(&source)?;
        let (front, end) = self.source()?;
        let rest = own.strip_prefix("/dts-v1/;").context("not what dtc writes")?;
        std::fs::write(&source, format!("/dts-v1/;\n{front}{rest}\n{end}"))?;
        tool("dtc", &["-q", "-I", "dts", "-O", "dtb", "-o", &blob, &source])?;
        Ok(std::fs::read(blob)?)
    }
}

/// The machine is up, and every page that is to be reserved is.
fn all_there(vm: &mut Vm) -> Result<()> {
    let reserved = vm.run("mem")?.iter().filter(|line| line.ends_with(" firmware")).count();
    same("reservations", reserved as u64, RESERVATIONS)?;
    vm.run("cpu offline 1-3")?;
    vm.run("cpu online 1-3")?;
    vm.expect_marks(4, &[])
}

/// Straight from QEMU, which leaves as much room behind a tree as the tree takes.
fn many() -> Result<()> {
    let setup = cpus(4)?;
    let added = Added { nodes: NODES, depth: MAX_DEPTH, reservations: RESERVATIONS, filler: 0 };
    let tree = added.to(&setup)?;
    let mut vm = setup.dtb(&tree)?.boot()?;
    all_there(&mut vm)?;
    vm.jump("cycle 1", 1)?;
    all_there(&mut vm)
}

/// As many bytes as a tree may have, with a command line and seeds on top: the next kernel's tree is
/// made of it, and has as many.
fn largest() -> Result<()> {
    let setup = cpus(4)?;
    let added = Added { nodes: NODES, depth: MAX_DEPTH, reservations: RESERVATIONS, filler: 0 };
    let room = MAX_DTB - added.to(&setup)?.len();
    let tree = Added { filler: room - 4096, ..added }.to(&setup)?;
    ensure!(tree.len() > MAX_DTB - 8192, "{} bytes", tree.len());
    let mut vm = setup.file("tree.dtb", &tree)?.boot()?;
    vm.run("kexec load baton.Image --dtb tree.dtb")?;
    vm.jump("kexec exec", 1)?;
    all_there(&mut vm)
}

/// The console is found without the tree's help: nothing of it has passed the check.
fn refused(added: Added, says: &str) -> Result<()> {
    let setup = cpus(2)?;
    let tree = added.to(&setup)?;
    let mut vm = setup.dtb(&tree)?.start()?;
    has(&vm.panic()?.what, &["device tree: ", says])
}

fn too_deep() -> Result<()> {
    let depth = MAX_DEPTH + 1;
    refused(Added { depth, ..Added::default() }, "nodes are nested more than 64 deep")
}

fn too_large() -> Result<()> {
    refused(Added { filler: MAX_DTB, ..Added::default() }, "bytes")
}

/// The image under test with a span of 8 MiB and as much in it as to need that.
fn wide_path() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/wide.Image");
    std::env::var_os("BATON_WIDE").map_or_else(|| default.into(), PathBuf::from)
}

/// Its bytes.
pub fn wide_image() -> Result<Vec<u8>> {
    let path = wide_path();
    std::fs::read(&path).with_context(|| format!("no image at {}; run `make wide`", path.display()))
}

/// Boots, kexecs itself, and goes on to an image of the usual span and back.
fn wide(setup: Setup) -> Result<()> {
    let (usual, wide) = (crate::vm::image()?, wide_image()?);
    let setup = setup.image(&wide_path());
    let setup = setup.file("usual.Image", &usual)?.file("wide.Image", &wide)?;
    let mut vm = setup.boot()?;
    let own = vm.run("mem")?.into_iter().find(|line| line.ends_with(" image"));
    let own = own.context("no image in `mem`")?;
    let kib = own.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    ensure!(kib.is_some_and(|kib| kib > 4096), "it fits the usual span: {own}");
    for (generation, name) in (1..).zip(["wide.Image", "usual.Image", "wide.Image"]) {
        vm.run(&format!("kexec load {name}"))?;
        vm.jump("kexec exec --teardown parallel", generation)?;
    }
    Ok(())
}
