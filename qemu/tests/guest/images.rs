//! Kernels as they come: packed, raw, for another place than is free; and what protects them.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use baton::fdt::{self, total_size};
use baton::report::Record;
use baton_qemu::cpio::gzip;
use libtest_mimic::Trial;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::check::{has, same};
use crate::large::wide_image;
use crate::vm::{SOON, Setup, Vm, cpus, image, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("images", "packed_kernels_are_unpacked_and_run", packed),
        test("images", "damaged_packed_kernels_are_refused", damaged),
        test("images", "a_raw_binary_is_entered_with_its_tree", raw),
        test("images", "a_raw_binary_gets_no_copy_where_ram_begins_in_use", raw_without_copy),
        test("images", "parts_and_other_kinds_are_refused", parts),
        test("images", "copied_over_what_runs_at_el1", || copied(cpus(4)?)),
        test("images", "copied_over_what_runs_at_el2", || copied(cpus(4)?.el2())),
        test("images", "copied_over_what_runs_gicv2", || copied(cpus(2)?.gic2())),
        test("images", "what_must_stay_is_not_copied_over", stays),
        test("images", "page_sizes_that_the_cpu_lacks_are_refused", page_sizes),
        test("images", "what_is_loaded_is_read_only", read_only),
        test("images", "no_seed_of_this_kernel_is_left_in_memory", seeds),
    ]
}

/// Where QEMU's RAM begins.
const RAM: usize = 0x4000_0000;

/// The container of a compressed EFI kernel, as Linux builds it.
fn zboot(name: &str, payload: &[u8], behind: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 0x1000];
    file[..8].copy_from_slice(b"MZ\0\0zimg");
    file[8..12].copy_from_slice(&0x1000_u32.to_le_bytes());
    file[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    file[24..24 + name.len()].copy_from_slice(name.as_bytes());
    [&file, payload, behind].concat()
}

fn with_packed() -> Result<Setup> {
    let image = image()?;
    let (gz, zst) = (gzip(&image)?, compress_to_vec(&image[..], CompressionLevel::Fastest));
    let size = (image.len() as u32).to_le_bytes();
    let mut bad_sum = gz.clone();
    let at = bad_sum.len() - 6;
    bad_sum[at] ^= 1;
    cpus(2)?
        .file("Image.gz", &gz)?
        .file("zboot.gz", &zboot("gzip", &gz, &[]))?
        .file("zboot.zst", &zboot("zstd22", &zst, &size))?
        .file("sum", &bad_sum)?
        .file("half", &gz[..gz.len() / 2])?
        .file("lie", &zboot("zstd22", &zst, &4096_u32.to_le_bytes()))?
        .file("huge", &zboot("zstd22", &zst, &u32::MAX.to_le_bytes()))?
        .file("lzma", &zboot("lzma", &gz, &[]))?
        .file("short", &zboot("gzip", &gz, &[])[..0x2000])?
        .file("text.gz", &gzip(&b"no kernel\n".repeat(100))?)
}

fn packed() -> Result<()> {
    let mut vm = with_packed()?.boot()?;
    let kinds =
        [("Image.gz", "gzip"), ("zboot.gz", "EFI zboot (gzip)"), ("zboot.zst", "EFI zboot (zstd)")];
    for ((name, how), generation) in kinds.into_iter().zip(1..) {
        let lines = vm.run(&format!("kexec load {name}"))?.join("\n");
        has(&lines, &[&format!("its file is packed: {how}"), "bytes to copy in the jump: 0"])?;
        has(&lines, &[&format!("{} bytes, sha256", image()?.len())])?;
        vm.jump("kexec exec", generation)?;
    }
    vm.power_off()
}

fn damaged() -> Result<()> {
    let mut vm = with_packed()?.boot()?;
    vm.run("kexec load baton.Image")?;
    let before = (vm.run("mem")?, vm.run("kexec status")?);
    let cases: [(&str, &[&str]); 7] = [
        ("sum", &["gzip CRC does not match"]),
        ("half", &["gzip data ends early"]),
        ("lie", &["does not unpack to the 4096 bytes"]),
        ("huge", &["unpacks to 4294967295 bytes"]),
        ("lzma", &["packed by lzma", "give a flat Image"]),
        ("short", &["the file has 8192"]),
        ("text.gz", &["no arm64 Image"]),
    ];
    for (name, words) in cases {
        has(&vm.refused(&format!("kexec load {name}"))?, words)?;
    }
    same("memory and what is loaded", (vm.run("mem")?, vm.run("kexec status")?), before)?;
    vm.jump("kexec exec", 1)?;
    vm.power_off()
}

/// Machine code without a header, for any address: says so if x0 is a device tree above the room
/// behind this code and one is at the start of RAM, and turns the machine off.
const RAW: [u32; 25] = [
    0xb9400002, // ldr w2, [x0]
    0x529fdda3, // movz w3, #0xfeed
    0x72ba01a3, // movk w3, #0xd00d, lsl #16
    0x5ac00842, // rev w2, w2
    0x6b03005f, // cmp w2, w3
    0x54000241, // b.ne stop
    0x10000264, // adr x4, text
    0x91480087, // add x7, x4, #0x200, lsl #12: 2 MiB
    0xeb07001f, // cmp x0, x7
    0x540001c3, // b.lo stop
    0xd2a80007, // movz x7, #0x4000, lsl #16: the start of RAM
    0xb94000e2, // ldr w2, [x7]
    0x5ac00842, // rev w2, w2
    0x6b03005f, // cmp w2, w3
    0x54000121, // b.ne stop
    0xd2a12006, // movz x6, #0x900, lsl #16: the PL011 of QEMU's virt
    0x38401485, // next: ldrb w5, [x4], #1
    0x34000065, // cbz w5, off
    0xb90000c5, // str w5, [x6]
    0x17fffffd, // b next
    0x52800100, // off: movz w0, #8
    0x72b08000, // movk w0, #0x8400, lsl #16: SYSTEM_OFF
    0xd4000002, // hvc #0
    0xd503207f, // stop: wfi
    0x17ffffff, // b stop
];

fn flat() -> Vec<u8> {
    let code = RAW.iter().flat_map(|word| word.to_le_bytes());
    code.chain(*b"raw: here is a tree\n\0").collect()
}

fn raw() -> Result<()> {
    let mut vm = cpus(4)?.file("flat", &flat())?.boot()?;
    has(&vm.refused("kexec load flat")?, &["no arm64 Image", "--type raw if this is a flat"])?;
    let before = vm.run("mem")?;
    let lines = vm.run("kexec load flat --type raw --initrd none")?;
    let entry = lines[0].split_once("entry ").context("no entry")?.1;
    ensure!(entry.contains("80000,"), "not entered at 0x80000 above 2 MiB: {}", lines[0]);
    ensure!(lines.iter().any(|line| line.starts_with("dtb copy 0x40000000..")), "{lines:?}");
    vm.run("kexec unload")?;
    same("memory", vm.run("mem")?, before)?;
    vm.run("kexec load flat --type raw --initrd none")?;
    vm.guest.send("kexec exec")?;
    vm.guest.wait_text("raw: here is a tree", SOON)?;
    ensure!(vm.guest.wait_end(SOON)?.success(), "did not turn off");
    Ok(())
}

/// Where RAM begins with memory that is another's, the load goes on without the copy.
fn raw_without_copy() -> Result<()> {
    let mut vm = cpus(2)?.file("flat", &flat())?.boot()?;
    vm.run("kexec load baton.Image --at 0x40000000")?;
    vm.jump("kexec exec", 1)?;
    let lines = vm.run("kexec load flat --type raw --initrd none")?.join("\n");
    has(&lines, &["no copy of the dtb at 0x40000000"])?;
    ensure!(!lines.contains("dtb copy "), "{lines}");
    vm.power_off()
}

/// What is cut, has something behind it, or is of another kind is refused and changes nothing.
fn parts() -> Result<()> {
    let image = image()?;
    let mut hole = image.clone();
    let half = image.len() / 2;
    hole[half..].fill(0);
    let gz = gzip(&image)?;
    let zst = compress_to_vec(&image[..], CompressionLevel::Fastest);
    let size = (image.len() as u32).to_le_bytes();
    let mut vm = cpus(2)?
        .file("cut", &image[..half])?
        .file("more", &[&image[..], b"more"].concat())?
        .file("hole", &hole)?
        .file("gz", &[&gz[..], b"more"].concat())?
        .file("zst", &zboot("zstd", &[&zst[..], b"more"].concat(), &size))?
        .file("page", b"<!DOCTYPE html><title>404 Not Found</title>")?
        .file("Image.gz", &gz)?
        .boot()?;
    let before = (vm.run("mem")?, vm.run("kexec status")?);
    let promise = format!("its header promises {}; copy it again", image.len());
    let cases: [(&str, &[&str]); 9] = [
        ("cut", &[&promise]),
        ("more", &[&promise, "without what was appended"]),
        ("hole", &["do not have the CRC"]),
        ("gz", &["4 bytes at", "follow the gzip data"]),
        ("zst", &["4 bytes at", "are no frame"]),
        ("page", &["HTML or XML page"]),
        ("page --type raw", &["HTML or XML page"]),
        ("Image.gz --type raw", &["this is a gzip file"]),
        ("baton.Image --type raw", &["this is an arm64 Image; leave --type raw out"]),
    ];
    for (name, words) in cases {
        has(&vm.refused(&format!("kexec load {name}"))?, words)?;
    }
    same("memory and what is loaded", (vm.run("mem")?, vm.run("kexec status")?), before)?;
    vm.power_off()
}

/// Over the running image, its heap, and the initrd that is kept, which makes way.
fn copied(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    vm.run("kexec load baton.Image")?;
    vm.run("kexec unload")?;
    for (owner, generation) in ["image", "heap", "initrd", "image"].into_iter().zip(1..) {
        let base = base_of(&mut vm, owner)?;
        let loaded = vm.run(&format!("kexec load baton.Image --at {base:#x}"))?.join("\n");
        ensure!(!loaded.contains("jump: 0"), "nothing to copy over the {owner}: {loaded}");
        let (_, hello) = vm.jump("kexec exec", generation)?;
        same("base", hello.base, base)?;
        let records = vm.guest.records();
        let jump = records.iter().rev().find_map(|r| match r {
            Record::Kexec(kexec) => Some(kexec.clone()),
            _ => None,
        });
        let jump = jump.context("no kexec record")?;
        ensure!(jump.bytes_copied > 0 && jump.copy_ns > 0, "not copied: {jump:?}");
        ensure!(jump.copy_ns <= jump.jump_to_entry_ns, "copied after the jump: {jump:?}");
        ensure!(!vm.run("files")?.is_empty(), "the initrd is lost");
    }
    vm.run("cpu offline all")?;
    vm.run("cpu online all")?;
    vm.power_off()
}

/// The 2 MiB block in which what `owner` has begins.
fn base_of(vm: &mut Vm, owner: &str) -> Result<u64> {
    let lines = vm.run("mem")?;
    let line = lines.iter().find(|line| line.ends_with(owner)).context("no such owner")?;
    let start = line.strip_prefix("0x").and_then(|l| l.split_once("..")).context("no range")?.0;
    Ok(u64::from_str_radix(start, 16)? & !((2 << 20) - 1))
}

fn stays() -> Result<()> {
    // An image that is large enough to reach the handover from the start of its block.
    let mut vm = cpus(2)?.file("wide", &wide_image()?)?.boot()?;
    let before = vm.run("mem")?;
    let base = base_of(&mut vm, "trace")?;
    let refusal = vm.refused(&format!("kexec load wide --at {base:#x}"))?;
    has(&refusal, &["no place for the kernel", "trace has"])?;
    same("memory", vm.run("mem")?, before)
}

/// The Cortex-A57 has no 16 KiB pages; the Neoverse N1 has all three sizes.
fn page_sizes() -> Result<()> {
    let built_for = |size: u8| -> Result<Vec<u8>> {
        let mut image = image()?;
        image[24] = image[24] & !6 | size << 1;
        Ok(image)
    };
    let (k16, k64) = (built_for(2)?, built_for(3)?);
    let setup = || cpus(2)?.file("k16", &k16)?.file("k64", &k64);
    let mut vm = setup()?.qemu(&["-cpu", "cortex-a57"]).boot()?;
    has(&vm.refused("kexec load k16")?, &["16 KiB pages"])?;
    vm.run("kexec load k64")?;
    let mut vm = setup()?.boot()?;
    vm.run("kexec load k16")?;
    vm.run("kexec load k64").map(drop)
}

fn read_only() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    has(&vm.refused("crash write-loaded")?, &["no kernel is loaded"])?;
    let lines = vm.run("kexec load baton.Image")?;
    let segments = lines.iter().filter(|line| line.contains("sha256"));
    same("read-only segments", segments.filter(|line| line.ends_with(", read-only")).count(), 2)?;
    vm.guest.send("crash write-loaded")?;
    has(&vm.panic()?.what, &["write", "permission"])
}

/// The seeds that one kernel makes for the next are gone when that one has left, and at once when
/// it is not to run after all. RAM is a file here.
fn seeds() -> Result<()> {
    let setup = cpus(2)?.memory("256M");
    let path = setup.directory().join("ram");
    let backend =
        format!("memory-backend-file,id=ram,size=256M,share=on,mem-path={}", path.display());
    let mut vm = setup.qemu(&["-object", &backend, "-M", "memory-backend=ram"]).boot()?;
    let dropped = loaded_seeds(&mut vm, &path)?;
    vm.run("kexec unload")?;
    none_of(&dropped, &path)?;
    let used = loaded_seeds(&mut vm, &path)?;
    ensure!(used != dropped, "the same seeds twice: {used:?}");
    vm.jump("kexec exec", 1)?;
    loaded_seeds(&mut vm, &path)?;
    vm.jump("kexec exec", 2)?;
    none_of(&used, &path)?;
    vm.power_off()
}

/// Loads, and reads the seeds in the tree of what was loaded.
fn loaded_seeds(vm: &mut Vm, ram: &Path) -> Result<Vec<Vec<u8>>> {
    let lines = vm.run("kexec load baton.Image")?;
    let line = lines.iter().find_map(|line| line.strip_prefix("dtb    0x"));
    let start = line.and_then(|line| line.split_once("..")).context("no dtb")?.0;
    let at = usize::from_str_radix(start, 16)? - RAM;
    let memory = std::fs::read(ram)?;
    let tree = &memory[at..];
    let tree = &tree[..total_size(tree).map_err(|e| anyhow!("{e}"))?];
    let seeds: Vec<Vec<u8>> = fdt::seeds(tree).into_iter().map(|at| tree[at].to_vec()).collect();
    let mut sizes: Vec<usize> = seeds.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    same("sizes of the seeds", sizes, [8, 32])?;
    ensure!(seeds.iter().all(|seed| seed.iter().any(|byte| *byte != 0)), "no seed: {seeds:?}");
    Ok(seeds)
}

fn none_of(seeds: &[Vec<u8>], ram: &Path) -> Result<()> {
    let memory = std::fs::read(ram)?;
    for seed in seeds {
        let found = memory.windows(seed.len()).position(|window| window == seed);
        ensure!(found.is_none(), "seed of {} bytes at {:#x}", seed.len(), found.unwrap_or(0) + RAM);
    }
    Ok(())
}
