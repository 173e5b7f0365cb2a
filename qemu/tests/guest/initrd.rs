//! Initrds: packed, several, missing and broken ones.

use anyhow::Result;
use baton::config::PAGE;
use baton_qemu::cpio::{Archive, gzip};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::trees::changed;
use crate::vm::{Vm, cpus, image, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("initrd", "gzip_is_unpacked", packed),
        test("initrd", "archives_follow_each_other", several),
        test("initrd", "a_name_that_is_no_utf_8_costs_nothing", latin1),
        test("initrd", "what_precedes_damage_can_be_loaded", damaged),
        test("initrd", "reserved_exactly", || reserved(1, 0)),
        test("initrd", "reserved_in_whole_pages", || reserved(0x1000, 0)),
        test("initrd", "reserved_with_more_around", || reserved(0x1000, 16)),
        test("initrd", "none_at_all", none),
        test("initrd", "none_after_a_kexec", none_after_kexec),
        broken("cut_short", "the archive is cut short", |whole| whole[..whole.len() / 2].to_vec()),
        broken("no_archive", "no newc cpio entry", |_| b"just a text, no archive\n".repeat(9)),
        broken("damaged_header", "no hexadecimal number", |whole| flipped(whole, 20)),
        broken("xz", "give a plain or gzip newc cpio", |_| b"\xfd7zXZ\0 and so on".to_vec()),
        broken("gzip_with_wrong_crc", "the gzip CRC does not match", |whole| {
            let packed = gzip(whole).unwrap_or_default();
            flipped(&packed, packed.len() - 8)
        }),
        broken("gzip_cut_short", "the gzip data ends early", |whole| {
            let packed = gzip(whole).unwrap_or_default();
            packed[..packed.len() / 2].to_vec()
        }),
        broken("gzip_of_no_archive", "unpacked initrd at byte 0", |_| {
            gzip(&b"text\n".repeat(50)).unwrap_or_default()
        }),
    ]
}

/// An initrd that cannot be read: every command that needs it says so, and nothing changes.
fn broken(name: &str, wanted: &'static str, spoil: fn(&[u8]) -> Vec<u8>) -> Trial {
    test("initrd", format!("broken_{name}"), move || {
        let mut vm = cpus(2)?.initrd(&spoil(&archive(&["baton.Image"])?))?.boot()?;
        for command in ["files", "kexec load /baton.Image", "cycle 1"] {
            has(&vm.refused(command)?, &["initrd", wanted])?;
        }
        nothing_loaded(&mut vm)?;
        vm.power_off()
    })
}

fn nothing_loaded(vm: &mut Vm) -> Result<()> {
    same("kexec status", vm.run("kexec status")?, ["no kernel is loaded"])?;
    has(&vm.refused("kexec exec")?, &["no kernel is loaded", "kexec load"])?;
    vm.expect_marks(2, &[])
}

fn archive(names: &[&str]) -> Result<Vec<u8>> {
    let (image, mut archive) = (image()?, Archive::default());
    for name in names {
        archive.add(name, &image)?;
    }
    archive.finish()
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x15;
    bytes
}

fn listed(vm: &mut Vm, names: &[&str]) -> Result<()> {
    let size = image()?.len();
    let lines = vm.run("files")?;
    let wanted: Vec<String> = names.iter().map(|name| format!("{size:>12}  {name}")).collect();
    same("files", &lines[..lines.len().min(names.len())], &wanted[..])?;
    has(&lines[lines.len() - 1], &["initrd at 0x"])
}

fn packed() -> Result<()> {
    let mut vm = cpus(2)?.gzip().boot()?;
    listed(&mut vm, &["baton.Image"])?;
    vm.run("kexec load baton.Image")?;
    let (_, hello) = vm.jump("kexec exec", 1)?;
    same("CPUs online", hello.online, 2)?;
    listed(&mut vm, &["baton.Image"])
}

fn several() -> Result<()> {
    let mut initrd = archive(&["b"])?;
    initrd.resize(initrd.len().next_multiple_of(512), 0);
    initrd.extend(gzip(&archive(&["dir/a"])?)?);
    let mut vm = cpus(2)?.initrd(&initrd)?.boot()?;
    listed(&mut vm, &["b", "dir/a"])?;
    has(&vm.run("kexec load /dir/a")?.join("\n"), &["/dir/a, entry 0x"])
}

/// One name in Latin-1 beside the image.
fn latin1() -> Result<()> {
    let mut whole = Archive::default();
    whole.add("baton.Image", &image()?)?;
    whole.add("cafe.txt", b"x")?;
    let mut initrd = whole.finish()?;
    let name = initrd.windows(8).position(|window| window == b"cafe.txt");
    initrd[name.ok_or_else(|| anyhow::anyhow!("no such name"))? + 3] = 0xe9;
    let mut vm = cpus(2)?.initrd(&initrd)?.boot()?;
    has(&vm.run("files")?.join("\n"), &["  baton.Image\n", "  caf\\xe9.txt\n"])?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1)?;
    Ok(())
}

/// A second archive that is cut short: the first is there, and the damage is told.
fn damaged() -> Result<()> {
    let mut initrd = archive(&["baton.Image", "b"])?;
    let mut cut = archive(&["late"])?;
    cut.truncate(1000);
    initrd.extend(cut);
    let mut vm = cpus(2)?.initrd(&initrd)?.boot()?;
    let wanted = ["\"late\": the entry needs ", "the archive is cut short"];
    let listed = vm.run("files")?.join("\n");
    has(&listed, &["  baton.Image\n", "warning: initrd at byte "])?;
    has(&listed, &wanted)?;
    let missing = vm.refused("kexec load late")?;
    has(&missing, &["late: no such file up to where the initrd is damaged"])?;
    has(&missing, &wanted)?;
    has(&vm.run("kexec load baton.Image")?.join("\n"), &["warning: initrd at byte "])?;
    vm.jump("kexec exec", 1)?;
    Ok(())
}

fn none() -> Result<()> {
    let mut vm = cpus(2)?.initrd(&[])?.boot()?;
    without(&mut vm)
}

fn none_after_kexec() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    let lines = vm.run("kexec load baton.Image --initrd none")?;
    same("parts", lines.iter().filter(|line| line.starts_with("initrd")).count(), 0)?;
    vm.jump("kexec exec", 1)?;
    without(&mut vm)
}

fn without(vm: &mut Vm) -> Result<()> {
    for command in ["files", "kexec load /baton.Image", "cycle 3"] {
        has(&vm.refused(command)?, &["there is no initrd", "boot with -initrd"])?;
    }
    nothing_loaded(vm)?;
    vm.power_off()
}

/// Where QEMU puts an initrd on a machine of 1 GiB.
const INITRD_AT: u64 = 0x4800_0000;

/// The initrd is reserved, by an entry and by a node: its length rounded up to `round`, and `more`
/// pages before and behind, which stay reserved.
fn reserved(round: u64, more: u64) -> Result<()> {
    let initrd = archive(&["baton.Image"])?;
    let start = INITRD_AT - more * PAGE;
    let size = (initrd.len() as u64).next_multiple_of(round) + 2 * more * PAGE;
    let left = 2 * more;
    for by_node in [false, true] {
        let setup = cpus(2)?;
        let tree = changed(&setup, |source| match by_node {
            false => source
                .replace("/dts-v1/;", &format!("/dts-v1/;\n/memreserve/ {start:#x} {size:#x};")),
            true => source.replacen(
                "psci {",
                &format!(
                    "reserved-memory {{ #address-cells = <2>; #size-cells = <2>; ranges; \
                     initrd@{start:x} {{ reg = <0 {start:#x} 0 {size:#x}>; }}; }};\n\tpsci {{"
                ),
                1,
            ),
        })?;
        let mut vm = setup.initrd(&initrd)?.dtb(&tree)?.boot()?;
        for generation in 1..=2 {
            listed(&mut vm, &["baton.Image"])?;
            same("pages that stay reserved", firmware_pages(&mut vm)?, left)?;
            vm.run("kexec load baton.Image")?;
            vm.jump("kexec exec", generation)?;
        }
        // Without the initrd its memory is free, unless more was reserved than the initrd.
        vm.run("kexec load baton.Image --initrd none")?;
        vm.jump("kexec exec", 3)?;
        let wanted = if more == 0 { 0 } else { size / PAGE };
        same("pages that stay reserved without it", firmware_pages(&mut vm)?, wanted)?;
        vm.power_off()?;
    }
    Ok(())
}

/// Pages that `mem` says are the firmware's.
fn firmware_pages(vm: &mut Vm) -> Result<u64> {
    let lines = vm.run("mem")?;
    let of_firmware = lines.iter().filter(|line| line.ends_with(" firmware"));
    let kib = of_firmware.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(kib.sum::<u64>() * 1024 / PAGE)
}
