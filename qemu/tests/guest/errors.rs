//! What cannot be loaded or understood: one clear error, nothing changed, the console goes on.

use anyhow::Result;
use baton::config::MAX_LINE;
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::vm::{Setup, Vm, cpus, image, test};

/// Where the arm64 header has `image_size`.
const IMAGE_SIZE: usize = 16;

pub fn tests() -> Vec<Trial> {
    vec![
        test("errors", "images_that_are_none", || images(false)),
        test("errors", "images_that_are_none_leave_the_loaded_one", || images(true)),
        test("errors", "wrong_places", places),
        test("errors", "device_trees_that_are_none", dtbs),
        test("errors", "too_long_lines_are_dropped_whole", long_line),
        test("errors", "unknown_commands_get_a_suggestion", unknown),
        test("errors", "help_for_everything", help),
    ]
}

fn with_files() -> Result<Setup> {
    let image = image()?;
    let mut huge = image.clone();
    huge[IMAGE_SIZE..IMAGE_SIZE + 8].copy_from_slice(&(8_u64 << 30).to_le_bytes());
    let mut small = image.clone();
    small[IMAGE_SIZE..IMAGE_SIZE + 8].copy_from_slice(&4096_u64.to_le_bytes());
    let mut foreign = image.clone();
    foreign[56] ^= 0xff;
    foreign[0] = 0;
    cpus(2)?
        .file("short", &image[..40])?
        .file("text", &b"This is a text and not a kernel.\n".repeat(9))?
        .file("elf", &[b"\x7fELF\x02\x01\x01".as_slice(), &[0; 200]].concat())?
        .file("huge", &huge)?
        .file("small", &small)?
        .file("nomagic", &foreign)?
        .file("empty", b"")
}

fn images(loaded: bool) -> Result<()> {
    let mut vm = with_files()?.boot()?;
    if loaded {
        vm.run("kexec load baton.Image")?;
    }
    let before = state(&mut vm)?;
    let cases: [(&str, &[&str]); 8] = [
        ("short", &["has 40 bytes", "give a complete Image"]),
        ("empty", &["has 0 bytes", "give a complete Image"]),
        ("text", &["no arm64 Image: this is a text", "use a flat Image"]),
        ("nomagic", &["no arm64 Image"]),
        ("elf", &["ELF", "objcopy -O binary"]),
        ("huge", &["needs 0x200000000 bytes", "more memory"]),
        ("small", &["image_size is 0x1000", "damaged"]),
        ("missing", &["missing: no such file", "`files` lists them"]),
    ];
    for (file, wanted) in cases {
        has(&vm.refused(&format!("kexec load /{file}"))?, wanted)?;
        same(file, state(&mut vm)?, &before[..])?;
    }
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1).map(drop)
}

/// All that a refused load must not change.
fn state(vm: &mut Vm) -> Result<Vec<String>> {
    Ok([vm.run("mem")?, vm.run("kexec status")?, vm.run("cpus")?].concat())
}

fn places() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    let before = state(&mut vm)?;
    let cases: [(&str, &[&str]); 7] = [
        ("--at 0x40100000", &["not 2 MiB aligned", "multiple of 0x200000"]),
        ("--at 0x40200001", &["not 2 MiB aligned"]),
        ("--at 0x10000000", &["no place for the kernel"]),
        ("--at 0xfffffffffe000000", &["0xfffffffffe000000"]),
        ("--at somewhere", &["--at", "somewhere", "an address"]),
        ("--initrd nothing", &["nothing: no such file"]),
        ("--dtb nothing", &["nothing: no such file"]),
    ];
    for (option, wanted) in cases {
        has(&vm.refused(&format!("kexec load baton.Image {option}"))?, wanted)?;
        same(option, state(&mut vm)?, &before[..])?;
    }
    let long = "x".repeat(400);
    vm.run(&format!("kexec load baton.Image --append {long}"))?;
    vm.run("kexec unload")?;
    same("state", state(&mut vm)?, before)
}

fn dtbs() -> Result<()> {
    let mut vm = cpus(2)?.file("text", &b"no tree at all\n".repeat(9))?.boot()?;
    let before = state(&mut vm)?;
    let what = vm.refused("kexec load baton.Image --dtb text")?;
    has(&what, &["device tree"])?;
    same("state", state(&mut vm)?, before)
}

fn long_line() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    let (lines, records) = vm.talk(&format!("poweroff {}", "x".repeat(MAX_LINE)))?;
    has(&lines.join("\n"), &["error: the line is longer than 2560 bytes; shorten it"])?;
    same("records", records.len(), 0)?;
    vm.expect_marks(2, &[])
}

fn unknown() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    let cases: [(&str, &[&str]); 10] = [
        ("cpsu", &["\"cpsu\" is not a command", "perhaps cpus", "try \"help\""]),
        ("kexec lod x", &["\"lod\" is none of", "perhaps load", "help kexec"]),
        ("kexec", &["kexec: needs load"]),
        ("kexec load", &["PATH is missing"]),
        ("kexec load x --apend y", &["--apend", "perhaps --append"]),
        ("kexec load x --at", &["--at needs a value"]),
        ("cycle 0", &["from 1 on"]),
        ("cycle 1 2", &["\"2\" is one word too many"]),
        ("kexec load \"x", &["never closed"]),
        ("crash gently", &["gently", "write-text"]),
    ];
    for (command, wanted) in cases {
        has(&vm.refused(command)?, wanted)?;
    }
    vm.expect_marks(2, &[])
}

fn help() -> Result<()> {
    let mut vm = cpus(1)?.boot()?;
    let lines = vm.run("help")?;
    for name in ["cpu online", "kexec load", "cycle", "timeline", "soak", "poweroff"] {
        has(&lines.join("\n"), &[name])?;
        has(&vm.run(&format!("help {name}"))?.join("\n"), &[name])?;
    }
    has(&vm.refused("help nothing")?, &["\"nothing\" is not a command"])?;
    has(&vm.run("timeline")?.join("\n"), &["gic:starting", "median us"])
}
