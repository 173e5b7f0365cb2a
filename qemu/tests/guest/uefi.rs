//! The same Image, started by UEFI: EDK2 runs its stub, by ACPI and by device tree, from QEMU and from a
//! volume; and a chain of kernels on a machine that ACPI describes.

use anyhow::{Context, Result, ensure};
use baton_qemu::linux::into_itself;
use libtest_mimic::Trial;

use crate::check::{all_online, has, same};
use crate::linux::{hands_over, root};
use crate::setup::firmware;
use crate::vm::{SOON, Setup, Vm, cpus, image, image_path, test};

/// What the stub says last.
const LAST_WORD: &str = "baton: from UEFI at ";

pub fn tests() -> Vec<Trial> {
    vec![
        test("uefi", "acpi_at_el1", || by_acpi(cpus(4)?, 1)),
        test("uefi", "acpi_at_el2", || by_acpi(cpus(4)?.el2(), 2)),
        test("uefi", "device_tree_at_el2", by_device_tree),
        test("uefi", "altra_by_its_processor", by_virtual_addresses),
        test("uefi", "from_a_volume", from_a_volume),
        test("uefi", "a_path_without_a_shell", by_its_path),
        test("uefi", "memory_of_a_parked_cpu_is_in_the_list", parked_for_good),
        test("uefi", "baton_linux_baton", baton_linux_baton),
        test("uefi", "linux_baton_linux_at_el1", || chain(&[])),
        test("uefi", "linux_baton_linux_at_el2", || chain(&["--el2"])),
    ]
}

/// Waits for the stub's line, and then for the kernel.
fn arrives(vm: &mut Vm, cpus: u32, wanted: &[&str]) -> Result<()> {
    let line = vm.guest.wait_text(LAST_WORD, SOON)?;
    has(&line, wanted)?;
    let virtual_too = wanted.iter().any(|part| part.contains("virtual"));
    same("virtual addresses", line.contains("virtual"), virtual_too)?;
    let (bringup, hello) = vm.arrival(0)?;
    all_online(&bringup, &hello, cpus)
}

/// Starts, keeps its files, hands over to itself, and has all CPUs at each turn.
fn by_acpi(setup: Setup, level: u32) -> Result<()> {
    let mut vm = setup.append("loglevel=6").uefi()?.start()?;
    arrives(&mut vm, 4, &[&format!("EL{level}, machine by ACPI"), "bytes"])?;
    same("warnings of options", warned(&vm, "option "), 0)?;
    has(&vm.guest.transcript().join("\n"), &["ACPI: BOCHS"])?;
    jumps(&mut vm)
}

/// From the kernel that UEFI has started into the next one.
fn jumps(vm: &mut Vm) -> Result<()> {
    vm.expect_marks(4, &[])?;
    for generation in 1..=2 {
        vm.run("kexec load baton.Image")?;
        let (bringup, hello) = vm.jump("kexec exec", generation)?;
        all_online(&bringup, &hello, 4)?;
    }
    vm.power_off()
}

fn warned(vm: &Vm, of: &str) -> usize {
    let lines = vm.guest.transcript().iter();
    lines.filter(|line| line.starts_with(&format!("warning: {of}"))).count()
}

fn by_device_tree() -> Result<()> {
    let mut vm = cpus(4)?.el2().uefi()?.qemu(&["-M", "acpi=off"]).start()?;
    arrives(&mut vm, 4, &["EL2, machine by a device tree"])?;
    has(&vm.guest.transcript().join("\n"), &["linux,dummy-virt"])?;
    // RAM is what UEFI's map says all the same: the runtime services are left alone.
    let all = vm.run("mem")?;
    let of =
        all.last().and_then(|line| line.strip_suffix(" bytes")?.rsplit(' ').next()?.parse().ok());
    let bytes: u64 = of.context("no sum of memory")?;
    ensure!(bytes < 1 << 30, "{bytes} bytes: memory of the firmware is among them");
    jumps(&mut vm)
}

/// On a machine that says that its processor is an Altra, SetVirtualAddressMap is called, and firmware puts
/// virtual addresses into the system table: each kernel finds the tables all the same.
fn by_virtual_addresses() -> Result<()> {
    let processor = "type=4,version=Ampere(TM) Altra(TM) Processor";
    let mut vm = cpus(4)?.el2().uefi()?.qemu(&["-smbios", processor]).start()?;
    arrives(&mut vm, 4, &["machine by ACPI", "runtime services at virtual addresses"])?;
    jumps(&mut vm)
}

/// UEFI's shell starts the file of a volume: once with an initrd that is not there, which is refused and
/// leaves the shell as it was, and then with one.
fn from_a_volume() -> Result<()> {
    let image = image()?;
    let own = format!("baton.Image={}", image_path().display());
    let files = baton_qemu::files::pack(&[own], false)?;
    let script = "fs0:\r\nbaton.Image maxcpus=3 initrd=nothing.cpio\r\necho status %lasterror%\r\n\
                  baton.Image maxcpus=3 initrd=\\files.cpio\r\n";
    let names: [(&str, &[u8]); 3] =
        [("baton.Image", &image), ("files.cpio", &files), ("startup.nsh", script.as_bytes())];
    let mut vm = cpus(4)?.volume(&names)?.start()?;
    let line = vm.guest.wait_text("baton: the file of initrd=", SOON)?;
    has(&line, &["it is not there", "0x800000000000000e"])?;
    let status = vm.guest.wait_text("status 0x", SOON)?;
    has(&status, &["E"])?;
    vm.guest.wait_text(LAST_WORD, SOON)?;
    let (_, hello) = vm.arrival(0)?;
    same("CPUs", (hello.cpus, hello.online), (4, 3))?;
    vm.run("kexec load baton.Image")?;
    vm.power_off()
}

/// The boot manager of the firmware starts the file at the path of removable media, without options. This
/// machine has no source of random numbers, which is no reason not to start.
fn by_its_path() -> Result<()> {
    let image = image()?;
    let mut vm = cpus(4)?.volume(&[("EFI/BOOT/BOOTAA64.EFI", &image)])?.start()?;
    arrives(&mut vm, 4, &["no initrd, no random numbers"])?;
    vm.power_off()
}

/// LINUX_EFI_MEMRESERVE, which the stub has installed, gets an element where a CPU stays parked: the next
/// kernel finds the element's own page there, beside the memory of the CPU.
fn parked_for_good() -> Result<()> {
    let mut vm = cpus(4)?.el2().uefi()?.start()?;
    arrives(&mut vm, 4, &[])?;
    vm.run("set fail off:2")?;
    vm.run("kexec load baton.Image")?;
    let before = closed(&mut vm)?;
    vm.guest.send("kexec exec")?;
    let line = vm.guest.wait_text("warning: CPUs 2 are parked at ", SOON)?;
    let parked = line.split(" at ").nth(1).and_then(|at| at.split(';').next());
    let parked = parked.context("no range")?.trim().to_string();
    same("generation", vm.arrival(1)?.1.generation, 1)?;
    let new: Vec<String> = closed(&mut vm)?.into_iter().filter(|r| !before.contains(r)).collect();
    ensure!(new.iter().any(|line| line.starts_with(&parked)), "{parked} is not kept: {new:?}");
    let pages = new.iter().filter(|line| line.contains(" 4 KiB ")).count();
    same("pages of the list", pages, 1)?;
    same("warnings of the list", warned(&vm, "a kernel behind"), 0)?;
    vm.power_off()
}

/// What `mem` says that is not the kernel's.
fn closed(vm: &mut Vm) -> Result<Vec<String>> {
    Ok(vm.run("mem")?.into_iter().filter(|line| line.ends_with("firmware")).collect())
}

/// From the kernel that UEFI has started to Linux, by ACPI, with all CPUs off and on there; and back by
/// kexec-tools, which find what the stub has left.
fn baton_linux_baton() -> Result<()> {
    let setup = cpus(4)?.el2().memory("2G").uefi()?;
    let (kernel, (_, archive)) = into_itself(setup.directory(), &root()?, &image_path())?;
    let (kernel, archive) = (std::fs::read(kernel)?, std::fs::read(archive)?);
    let mut vm = setup.file("linux", &kernel)?.file("linux.cpio", &archive)?.start()?;
    arrives(&mut vm, 4, &["machine by ACPI"])?;
    let append = "console=ttyAMA0 baton.do=hotplug,baton";
    vm.run(&format!("kexec load linux --initrd linux.cpio --append \"{append}\""))?;
    vm.guest.send("kexec exec")?;
    vm.guest.wait_text("psci: probing for conduit method from ACPI", SOON)?;
    has(&vm.guest.wait_text("@linux up ", SOON)?, &["online 0-3 at EL2 hyp yes"])?;
    has(&vm.guest.wait_text("@linux hotplug ", SOON)?, &["left 0 online 0-3 refused 0"])?;
    let (bringup, hello) = vm.arrival(1)?;
    all_online(&bringup, &hello, 4)?;
    vm.power_off()
}

/// Linux by UEFI, from there by kexec-tools to baton, to baton, and to Linux again: each Linux as after a
/// cold boot, by ACPI, with every CPU off and on.
fn chain(machine: &[&str]) -> Result<()> {
    let firmware = firmware()?;
    let firmware = firmware.to_str().context("the firmware's path is no text")?;
    let arguments = [&["-n", "4", "--cycles", "1", "--uefi", firmware], machine].concat();
    let said = hands_over(&arguments)?;
    ensure!(said.contains("Linux   baton"), "no way from Linux:\n{said}");
    ensure!(said.contains("baton   Linux"), "no way to Linux:\n{said}");
    Ok(())
}
