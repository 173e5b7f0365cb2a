//! Signed kexec: who gets in, and who does not.

use anyhow::{Result, ensure};
use baton::kexec::plan::Kind;
use baton::kexec::signature::{Asked, keyfile};
use baton_qemu::cpio::{Archive, gzip};
use baton_qemu::sign;
use libtest_mimic::Trial;

use crate::check::{has, same};
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
    ]
}

/// A signature by the test key, which an image has that was built without `KEY=`; or by a key of
/// nobody.
fn signature(asked: &Asked<'_>, ours: bool) -> Result<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/keys/test-key-do-not-trust.secret");
    let seed = if ours { sign::key(path.as_ref(), keyfile::SECRET)? } else { [7; 32] };
    Ok(sign::sign_with(&sign::key_pair(seed)?, asked, None).to_string().into_bytes())
}

/// What `kexec load baton.Image --initrd none` asks for under a command line.
fn bare<'a>(image: &'a [u8], append: &'a str) -> Asked<'a> {
    Asked { kind: Kind::Image, image, initrd: None, dtb: None, append }
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
    let good = signature(&bare(&image, ENFORCE), true)?;
    let with_initrd = signature(&Asked { initrd: Some(b"abc"), ..bare(&image, ENFORCE) }, true)?;
    let raw = signature(&Asked { kind: Kind::Raw, ..bare(&image, ENFORCE) }, true)?;
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
    has(&said, &["only an archive of signatures may follow", "init is no regular file"])
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
