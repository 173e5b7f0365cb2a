//! Signed kexec: who gets in, and who does not.

use anyhow::{Result, ensure};
use baton::kexec::BatonMark;
use baton::kexec::plan::Kind;
use baton::kexec::signature::{Asked, Place, keyfile};
use baton_qemu::cpio::{Archive, gzip};
use baton_qemu::sign;
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::gdb::Gdb;
use crate::verify;
use crate::vm::{SOON, Vm, cpus, image, test};

/// The command line of the tests; each loads with this one or says otherwise.
const ENFORCE: &str = "kexec.sig=enforce";
const CHECK: &str = "kexec.sig=check";

pub fn tests() -> Vec<Trial> {
    vec![
        test("signature", "off_looks_at_nothing", off),
        test("signature", "check_takes_good_missing_and_foreign_ones_and_no_bad_one", check),
        test("signature", "enforce_takes_good_ones_alone", enforce),
        test("signature", "enforce_names_what_differs", differs),
        test("signature", "enforce_jumps_with_the_initrd_kept", || kept(false)),
        test("signature", "enforce_jumps_with_a_packed_initrd_kept", || kept(true)),
        test("signature", "enforce_covers_cycles", cycles),
        test("signature", "enforce_covers_the_tree", tree),
        test("signature", "nothing_but_signatures_may_follow", follows),
        test("signature", "the_console_can_not_turn_it_off", console),
        test("signature", "a_slip_is_taken_for_enforce", slip),
        test("signature", "a_command_line_not_known_in_full_is_taken_for_enforce", unread),
        test("signature", "of_several_the_strictest_holds", several),
        test("signature", "enforce_implies_the_second_look", second_look),
        test("signature", "enforce_takes_a_flat_binary_only_where_it_is_signed_for", flat),
        test("signature", "enforce_takes_a_packed_kernel", packed_kernel),
    ]
}

/// A signature by the test key, which an image has that was built without `KEY=`; or by a key of
/// nobody.
fn signature(asked: &Asked<'_>, ours: bool) -> Result<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/keys/test-key-do-not-trust.secret");
    let seed = if ours { sign::key(path.as_ref(), keyfile::SECRET)? } else { [7; 32] };
    Ok(sign::sign_with(&sign::key_pair(seed)?, asked, None)?.to_string().into_bytes())
}

/// What `kexec load baton.Image --initrd none` asks for under a command line.
fn bare<'a>(image: &'a [u8], append: &'a str) -> Asked<'a> {
    let append = append.as_bytes();
    Asked { kind: Kind::Image, place: None, image, initrd: None, dtb: None, append }
}

/// A machine whose initrd has the image and these files.
fn machine(append: &str, files: &[(&str, &[u8])]) -> Result<Vm> {
    let mut setup = cpus(2)?.append(append);
    for (name, bytes) in files {
        setup = setup.file(name, bytes)?;
    }
    setup.boot()
}

fn standing(vm: &mut Vm) -> Result<String> {
    let lines = vm.run("kexec status")?;
    let line = lines.iter().find(|line| line.starts_with("signature"));
    line.cloned().ok_or_else(|| anyhow::anyhow!("no signature in {lines:?}"))
}

const LOAD: &str = "kexec load baton.Image --initrd none";

fn off() -> Result<()> {
    let mut vm = machine("", &[("baton.Image.sig", b"no signature")])?;
    vm.run(LOAD)?;
    same("status", standing(&mut vm)?.as_str(), "signature: not looked at (kexec.sig=off)")?;
    let warned = vm.guest.transcript().iter().any(|line| line.contains("test key"));
    ensure!(!warned, "a warning about a key that nobody looks at");
    Ok(())
}

fn check() -> Result<()> {
    let image = image()?;
    let good = signature(&bare(&image, CHECK), true)?;
    let foreign = signature(&bare(&image, CHECK), false)?;
    let other = signature(&bare(&image, "other"), true)?;
    let files: [(&str, &[u8]); 4] =
        [("good.sig", &good), ("foreign", &foreign), ("other", &other), ("broken", &good[..99])];
    let mut vm = machine(CHECK, &files)?;
    has(&vm.run("dmesg")?.join("\n"), &["warning: kexec.sig=check", "test key", "KEY="])?;
    vm.run(&format!("{LOAD} --sig good.sig"))?;
    has(&standing(&mut vm)?, &["good, by key ", "the test key", "; checked in "])?;
    has(&vm.run(LOAD)?.join("\n"), &["warning: baton.Image has no signature", "baton.Image.sig"])?;
    has(&standing(&mut vm)?, &["signature: none"])?;
    has(&vm.run(&format!("{LOAD} --sig foreign"))?.join("\n"), &["warning: ", "by key ", "knows"])?;
    has(&standing(&mut vm)?, &["which is not known here"])?;
    let before = vm.run("kexec status")?;
    has(&vm.refused(&format!("{LOAD} --sig other"))?, &["other: ", "the command line differs"])?;
    has(&vm.refused(&format!("{LOAD} --sig broken"))?, &["broken: ", "cut short at the line"])?;
    has(&vm.refused(&format!("{LOAD} --sig nowhere"))?, &["nowhere: no such file"])?;
    same("status after refusals", vm.run("kexec status")?, before)?;
    vm.jump("kexec exec", 1)?;
    Ok(())
}

fn enforce() -> Result<()> {
    let image = image()?;
    let good = signature(&bare(&image, ENFORCE), true)?;
    let foreign = signature(&bare(&image, ENFORCE), false)?;
    let mut forged = foreign.clone();
    let id = b"key ".len() + b"baton-signature 1\n".len();
    forged[id..id + 16].copy_from_slice(&good[id..id + 16]);
    let files: [(&str, &[u8]); 3] = [("good", &good), ("foreign", &foreign), ("forged", &forged)];
    let mut vm = machine(ENFORCE, &files)?;
    has(&vm.refused(LOAD)?, &["baton.Image has no signature", "kexec.sig=enforce", "baton sign"])?;
    has(&vm.refused(&format!("{LOAD} --sig foreign"))?, &["by key ", "this kernel knows"])?;
    has(&vm.refused(&format!("{LOAD} --sig forged"))?, &["has not signed this"])?;
    same("nothing is loaded", vm.run("kexec status")?, ["no kernel is loaded"])?;
    vm.refused("kexec exec")?;
    vm.run(&format!("{LOAD} --sig good"))?;
    let (_, hello) = vm.jump("kexec exec", 1)?;
    same("CPUs online", hello.online, 2)?;
    // The signed command line went along, and the next kernel has no files to load.
    has(&vm.run("dmesg")?.join("\n"), &["warning: kexec.sig=enforce"])
}

fn differs() -> Result<()> {
    let image = image()?;
    let mut tampered = image.clone();
    tampered[image.len() / 2] ^= 1;
    ensure!(BatonMark::complete(&mut tampered), "the image has no mark");
    let good = signature(&bare(&image, ENFORCE), true)?;
    let with_initrd = signature(&Asked { initrd: Some(b"abc"), ..bare(&image, ENFORCE) }, true)?;
    let raw = Asked { kind: Kind::Raw, place: Some(Place::Any), ..bare(&image, ENFORCE) };
    let raw = signature(&raw, true)?;
    let files: [(&str, &[u8]); 6] = [
        ("good", &good),
        ("tampered", &tampered),
        ("with-initrd", &with_initrd),
        ("raw", &raw),
        ("abc", b"abc"),
        ("abd", b"abd"),
    ];
    let mut vm = machine(ENFORCE, &files)?;
    let cases = [
        ("kexec load tampered --initrd none --sig good", "the image differs"),
        ("kexec load baton.Image --initrd none --sig raw", "type raw is signed and this is image"),
        ("kexec load baton.Image --initrd abc --sig good", "the initrd differs: none is signed"),
        ("kexec load baton.Image --initrd abd --sig with-initrd", "the initrd differs: 3 "),
        ("kexec load baton.Image --sig good", "the initrd differs"),
        ("kexec load baton.Image --initrd none --sig good --append ''", "the command line differs"),
        (
            "kexec load baton.Image --initrd none --sig good --append 'kexec.sig=enforce '",
            "the command line differs",
        ),
    ];
    for (command, wanted) in cases {
        has(&vm.refused(command)?, &["signature ", "it is for something else", wanted])?;
    }
    same("nothing is loaded", vm.run("kexec status")?, ["no kernel is loaded"])?;
    vm.run("kexec load baton.Image --initrd abc --sig with-initrd")?;
    has(&standing(&mut vm)?, &["good, by key "])
}

/// An initrd with the image, and behind it the signatures of it under these command lines.
fn signed_initrd(packed: bool, appends: &[(&str, &str)]) -> Result<Vec<u8>> {
    let image = image()?;
    let mut files = Archive::default();
    files.add("baton.Image", &image)?;
    let files = files.finish()?;
    let mut whole = if packed { gzip(&files)? } else { files };
    whole.resize(whole.len().next_multiple_of(4), 0);
    let mut signatures = Archive::default();
    for (name, append) in appends {
        let asked = Asked { initrd: Some(&whole), ..bare(&image, append) };
        signatures.add(name, &signature(&asked, true)?)?;
    }
    whole.extend(signatures.finish()?);
    Ok(whole)
}

/// The kept initrd is signed but for the signatures behind it, so that the next kernel has them too.
fn kept(packed: bool) -> Result<()> {
    let initrd = signed_initrd(packed, &[("baton.Image.sig", ENFORCE)])?;
    let mut vm = cpus(4)?.append(ENFORCE).initrd(&initrd)?.boot()?;
    for generation in 1..=2 {
        vm.run("kexec load baton.Image")?;
        has(&standing(&mut vm)?, &["good, by key "])?;
        let (_, hello) = vm.jump("kexec exec --verify", generation)?;
        same("CPUs online", hello.online, 4)?;
    }
    vm.power_off()
}

fn cycles() -> Result<()> {
    let fanout = "kexec.sig=enforce cpuhp.bringup=fanout";
    let initrd = signed_initrd(false, &[("baton.Image.sig", ENFORCE), ("fanout.sig", fanout)])?;
    let mut vm = cpus(4)?.append(ENFORCE).initrd(&initrd)?.boot()?;
    vm.guest.send("cycle 3 --teardown parallel")?;
    for generation in 1..=3 {
        vm.arrival(generation)?;
    }
    vm.guest.wait_prompt(SOON)?;
    // Another policy is another command line, and baton.Image.sig is not for that.
    let said = vm.refused("cycle 1 --bringup fanout")?;
    has(&said, &["the command line differs", "cpuhp.bringup=fanout"])?;
    vm.expect_marks(4, &[])?;
    let missing = machine(ENFORCE, &[])?.refused("cycle 1")?;
    has(&missing, &["baton.Image has no signature"])
}

fn tree() -> Result<()> {
    let image = image()?;
    let good = signature(&bare(&image, ENFORCE), true)?;
    let dtb: &[u8] = b"\xd0\x0d\xfe\xed and no more";
    let with_tree = signature(&Asked { dtb: Some(dtb), ..bare(&image, ENFORCE) }, true)?;
    let files: [(&str, &[u8]); 3] = [("good", &good), ("tree", dtb), ("with-tree", &with_tree)];
    let mut vm = machine(ENFORCE, &files)?;
    has(&vm.refused(&format!("{LOAD} --dtb tree --sig good"))?, &["the tree of --dtb differs"])?;
    has(&vm.refused(&format!("{LOAD} --sig with-tree"))?, &["the tree of --dtb differs"])?;
    // Signed, it is looked at as a tree, which it is not.
    let said = vm.refused(&format!("{LOAD} --dtb tree --sig with-tree"))?;
    ensure!(!said.contains("signature"), "{said}");
    has(&said, &["tree: ", "leave --dtb out"])
}

fn follows() -> Result<()> {
    let mut initrd = signed_initrd(false, &[("baton.Image.sig", ENFORCE)])?;
    let mut more = Archive::default();
    more.add("init", b"something that nobody has signed")?;
    initrd.extend(more.finish()?);
    let mut vm = cpus(2)?.append(ENFORCE).initrd(&initrd)?.boot()?;
    let said = vm.refused("kexec load baton.Image")?;
    has(&said, &["only an archive of signatures may follow", "init at byte ", "not end in .sig"])?;
    signed_with("tool.sig", 0o100_755, "tool.sig at byte", "it may be run")?;
    signed_with("note.sig", 0o100_644, "note.sig at byte", "does not read as a signature")
}

/// An entry like this one behind the signed bytes keeps the kernel from being loaded.
fn signed_with(name: &str, mode: u32, place: &str, wanted: &str) -> Result<()> {
    let mut initrd = signed_initrd(false, &[("baton.Image.sig", ENFORCE)])?;
    let mut more = Archive::default();
    more.add_as(name, mode, b"kernel.panic = 1\n#BOOTCONFIG\n")?;
    initrd.extend(more.finish()?);
    let mut vm = cpus(2)?.append(ENFORCE).initrd(&initrd)?.boot()?;
    has(&vm.refused("kexec load baton.Image")?, &[place, wanted])
}

fn console() -> Result<()> {
    let mut vm = machine(ENFORCE, &[])?;
    vm.refused("set kexec.sig off")?;
    vm.refused(&format!("{LOAD} --append kexec.sig=off"))?;
    vm.refused(LOAD)?;
    Ok(())
}

fn slip() -> Result<()> {
    let mut vm = machine("kexec.sig=enfroce", &[])?;
    has(&vm.run("dmesg")?.join("\n"), &["kexec.sig=enfroce", "taken for enforce"])?;
    has(&vm.refused(LOAD)?, &["has no signature"])?;
    Ok(())
}

/// The option lies far behind what the next kernel could be given, or behind a quote that is open.
fn unread() -> Result<()> {
    let far = format!("x={} kexec.sig=enforce", "a".repeat(3000));
    let too_far = format!("x={} kexec.sig=enforce", "a".repeat(20_000));
    for (append, said) in [
        (far.as_str(), "it has 3020 bytes, and 2048 can be handed on"),
        (too_far.as_str(), "the command line is cut at 16384 bytes"),
        ("x=\"a kexec.sig=enforce", "a quote on the command line is not closed"),
    ] {
        let mut vm = machine(append, &[])?;
        // Nothing that is not known in full is handed on as if it were whole.
        let refused = vm.refused("kexec load baton.Image")?;
        has(&refused, &["this kernel's command line is not handed on", said, "--append"])?;
        let why = vm.refused("kexec load baton.Image --append loglevel=6")?;
        has(&why, &["baton.Image has no signature", "kexec.sig=enforce"])?;
        has(&vm.refused("cycle 1")?, &["is not handed on"])?;
    }
    Ok(())
}

fn several() -> Result<()> {
    let mut vm = machine("kexec.sig=enforce kexec.sig=off", &[])?;
    has(&vm.run("dmesg")?.join("\n"), &["option kexec.sig=off: a stricter one holds; ignored"])?;
    has(&vm.refused(LOAD)?, &["has no signature"])?;
    Ok(())
}

/// A byte that changes between load and exec is noticed without --verify.
fn second_look() -> Result<()> {
    let image = image()?;
    let good = signature(&bare(&image, ENFORCE), true)?;
    let (setup, gdb) = Gdb::with(cpus(2)?.append(ENFORCE).file("good", &good)?)?;
    let mut vm = setup.boot()?;
    vm.run(&format!("{LOAD} --sig good"))?;
    let at = verify::place(&mut vm, "kernel ")? + 4096;
    gdb.flip(at)?;
    has(
        &vm.refused("kexec exec")?,
        &["kexec refused: ", "the kernel at 0x", "not what was loaded"],
    )?;
    gdb.flip(at)?;
    vm.jump("kexec exec", 1)?;
    ensure!(verify::last_jump(&vm)?.verify_ns.is_some(), "the jump was not verified");
    let off = format!("{ENFORCE} kexec.verify=off");
    let good = signature(&bare(&image, &off), true)?;
    let mut vm = machine(&off, &[("good", &good)])?;
    vm.run(&format!("{LOAD} --sig good"))?;
    vm.jump("kexec exec", 1)?;
    ensure!(verify::last_jump(&vm)?.verify_ns.is_none(), "the jump was verified all the same");
    Ok(())
}

/// A flat binary runs where it was linked for, so its signature is for that place.
fn flat() -> Result<()> {
    let code = [0x1f, 0x20, 0x03, 0xd5].repeat(1000);
    let asked = Asked { kind: Kind::Raw, ..bare(&code, ENFORCE) };
    let here = Asked { place: Some(Place::At(0x4800_0000)), ..asked };
    let anywhere = Asked { place: Some(Place::Any), ..asked };
    let (here, anywhere) = (signature(&here, true)?, signature(&anywhere, true)?);
    let text = String::from_utf8(here.clone())?;
    let old = text.replace("baton-signature 2", "baton-signature 1").replace("at 0x48000000\n", "");
    let files: [(&str, &[u8]); 4] =
        [("code", &code), ("here", &here), ("any", &anywhere), ("old", old.as_bytes())];
    let mut vm = machine(ENFORCE, &files)?;
    let load = "kexec load code --type raw --initrd none --sig";
    let elsewhere = vm.refused(&format!("{load} here --at 0x44000000"))?;
    has(&elsewhere, &["--at 0x48000000 is signed and this is 0x44000000"])?;
    has(&vm.refused(&format!("{load} old"))?, &["sign it again with --at"])?;
    for (command, entry) in [
        (format!("{load} here"), "entry 0x48080000"),
        (format!("{load} here --at 0x48000000"), "entry 0x48080000"),
        (format!("{load} any --at 0x44000000"), "entry 0x44080000"),
    ] {
        has(&vm.run(&command)?.join("\n"), &[entry, "signature: good"])?;
    }
    Ok(())
}

/// A packed kernel is compared as it lies in the initrd, and unpacked from what was compared.
fn packed_kernel() -> Result<()> {
    let packed = gzip(&image()?)?;
    let good = signature(&bare(&packed, ENFORCE), true)?;
    let mut tampered = packed.clone();
    tampered[4] ^= 1; // the time stamp, which unpacking does not look at
    let files: [(&str, &[u8]); 3] =
        [("packed", &packed), ("tampered", &tampered), ("packed.sig", &good)];
    let mut vm = machine(ENFORCE, &files)?;
    let why = vm.refused("kexec load tampered --initrd none --sig packed.sig")?;
    has(&why, &["the image differs"])?;
    vm.run("kexec load packed --initrd none")?;
    vm.jump("kexec exec", 1)?;
    Ok(())
}
