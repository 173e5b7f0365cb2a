//! The device trees under `dts/fixtures`, good and broken, through `platform::describe`. Each
//! broken one ends in exactly one error or in exactly the warnings listed here.
#![cfg(not(loom))]

mod fdt_support;

use std::process::Command;

use baton::cpu::Mpidr;
use baton::fdt::{self, Blocks};
use baton::interrupt::Interrupt;
use baton::memory::Range;
use baton::options::CommandLine;
use baton::platform::{
    self, Conduit, Console, Described, Device, Frames, Gic, PsciVersion, Timer, Uart, early,
};
use fdt_support::dtb;

fn describe_on(name: &str, boot: u64) -> Result<Described, String> {
    platform::describe(&dtb(name), Mpidr::from_register(boot)).map_err(|e| e.to_string())
}

fn good(name: &str) -> Described {
    let description = describe_on(name, 0).unwrap();
    assert_eq!(description.warnings, [] as [&str; 0], "{name}");
    description
}

fn error(name: &str) -> String {
    describe_on(name, 0).unwrap_err()
}

fn mpidrs(d: &Described) -> Vec<u64> {
    d.machine.topology.cpus().map(|cpu| d.machine.topology.mpidr(cpu).unwrap().value()).collect()
}

const UART: Console = Console {
    base: Range::new(0x9000000, 0x9001000),
    interrupt: Some(Interrupt::level(33)),
    uart: Uart::Pl011,
};
const TIMER: Timer = Timer {
    virtual_ppi: Interrupt::level(27),
    physical_ppi: Interrupt::level(30),
    hypervisor_ppi: Some(Interrupt::level(26)),
};
const VPL011: Console = Console {
    base: Range::new(0x22000000, 0x22001000),
    interrupt: Some(Interrupt::level(32)),
    uart: Uart::Sbsa,
};
const XEN_TIMER: Timer = Timer { hypervisor_ppi: None, ..TIMER };

fn device(name: &str, start: u64, size: u64, interrupt: Interrupt) -> Device {
    Device { base: Range::new(start, start + size), interrupt, name: name.into() }
}

#[test]
fn qemu_virt_with_gicv3() {
    let d = good("good-virt-gicv3-4");
    assert_eq!(d.machine.model, "linux,dummy-virt");
    assert_eq!(d.machine.memory, [Range::new(0x40000000, 0x80000000)]);
    assert_eq!(mpidrs(&d), [0, 1, 2, 3]);
    assert_eq!((d.machine.psci.conduit, d.machine.psci.version), (Conduit::Hvc, PsciVersion::V1_0));
    let redistributors = [Range::new(0x80a0000, 0x9000000)].into_iter().collect();
    let distributor = Range::new(0x8000000, 0x8010000);
    assert_eq!(
        d.machine.gic,
        Gic::V3 { distributor, redistributors, stride: None, frames: Frames::UpToLast }
    );
    assert_eq!((d.machine.timer, d.machine.console), (TIMER, Some(UART)));
    let params = (d.params.bootargs, d.params.initrd, d.params.handover);
    assert_eq!(params, (CommandLine::default(), None, None));
    assert!(d.machine.reserved.is_empty() && d.params.rng_seed.is_none());
    assert_eq!(
        d.machine.rtc,
        Some(device("pl031@9010000", 0x9010000, 0x1000, Interrupt::level(34)))
    );
    let first = device("virtio_mmio@a000000", 0xa000000, 0x200, Interrupt::edge(48));
    let last = device("virtio_mmio@a003e00", 0xa003e00, 0x200, Interrupt::edge(79));
    assert_eq!(d.machine.virtio, [first, last]);
}

#[test]
fn qemu_virt_with_gicv2() {
    let d = good("good-virt-gicv2-2");
    let distributor = Range::new(0x8000000, 0x8010000);
    let cpu_interface = Range::new(0x8010000, 0x8020000);
    assert_eq!(d.machine.gic, Gic::V2 { distributor, cpu_interface });
    assert_eq!((mpidrs(&d), d.machine.timer, d.machine.console), (vec![0, 1], TIMER, Some(UART)));
}

#[test]
fn qemu_virt_with_el2_calls_the_secure_monitor() {
    let d = good("good-virt-el2");
    assert_eq!((d.machine.psci.conduit, d.machine.topology.len()), (Conduit::Smc, 4));
}

/// Xen's tree names no console in `/chosen`, gives each device its own interrupt parent, puts a mask
/// of CPUs into the flags of every interrupt, and has no timer of EL2.
#[test]
fn a_guest_of_xen_with_gicv3() {
    let d = good("good-xen-gicv3-4");
    assert_eq!(d.machine.memory, [Range::new(0x40000000, 0x60000000)]);
    assert_eq!(mpidrs(&d), [0, 1, 2, 3]);
    assert_eq!((d.machine.psci.conduit, d.machine.psci.version), (Conduit::Hvc, PsciVersion::V1_0));
    let redistributors = [Range::new(0x3020000, 0x4020000)].into_iter().collect();
    let distributor = Range::new(0x3001000, 0x3011000);
    assert_eq!(
        d.machine.gic,
        Gic::V3 { distributor, redistributors, stride: None, frames: Frames::UpToLast }
    );
    assert_eq!((d.machine.timer, d.machine.console), (XEN_TIMER, Some(VPL011)));
    assert_eq!(d.params.initrd, Some(Range::new(0x48200000, 0x482cf0f8)));
    assert_eq!((d.machine.rtc, d.machine.virtio.len()), (None, 0));
}

#[test]
fn a_guest_of_xen_with_gicv2() {
    let d = good("good-xen-gicv2-4");
    let distributor = Range::new(0x3001000, 0x3002000);
    let cpu_interface = Range::new(0x3002000, 0x3004000);
    assert_eq!(d.machine.gic, Gic::V2 { distributor, cpu_interface });
    assert_eq!(
        (mpidrs(&d), d.machine.timer, d.machine.console),
        (vec![0, 1, 2, 3], XEN_TIMER, Some(VPL011))
    );
}

/// A list that has an entry for the timer of EL2 is worth a warning if that entry cannot be used.
#[test]
fn a_hypervisor_timer_that_is_listed_has_to_be_usable() {
    let d = describe_on("odd-timer", 0).unwrap();
    assert_eq!(d.machine.timer, XEN_TIMER);
    assert_eq!(d.warnings, ["/timer: no hypervisor timer interrupt"]);
}

#[test]
fn a_server_with_high_memory_and_two_redistributor_regions() {
    let d = describe_on("good-altra-like", 0x120000).unwrap();
    assert_eq!(d.warnings, [] as [&str; 0]);
    let all = [0, 0x10000, 0x100000, 0x110000, 0x120000, 0x130000, 0x200000, 0x1_0000_0000];
    assert_eq!(mpidrs(&d), all);
    assert_eq!(d.machine.topology.boot().index(), 4);
    let memory = [
        Range::new(0x8800_0000, 0x1_0000_0000),
        Range::new(0x801_0000_0000, 0x900_0000_0000),
        Range::new(0xa00_0000_0000, 0xb00_0000_0000),
    ];
    assert_eq!(d.machine.memory, memory);
    let Gic::V3 { redistributors, stride, .. } = &d.machine.gic else {
        panic!("{:?}", d.machine.gic)
    };
    assert_eq!((redistributors.len(), *stride), (2, Some(0x20000)));
    assert_eq!(redistributors[1].start, 0x5001_0014_0000);
    assert_eq!((d.machine.psci.conduit, d.machine.psci.version), (Conduit::Smc, PsciVersion::V0_2));
    assert_eq!(d.machine.console.unwrap().base.start, 0x1000_0260_0000);
    assert_eq!(d.params.initrd, Some(Range::new(0x9000_0000, 0x9080_0000)));
    let reserved: Vec<_> = d.machine.reserved.iter().map(|r| (r.name.as_str(), r.no_map)).collect();
    assert_eq!(reserved, [("/memreserve/", false), ("secure@ffe00000", true)]);
}

#[test]
fn a_console_behind_two_buses_and_an_alias() {
    let d = good("good-bus");
    let base = Range::new(0x80_3000_1040, 0x80_3000_1140);
    assert_eq!(
        d.machine.console,
        Some(Console { base, interrupt: Some(Interrupt::level(39)), uart: Uart::Sbsa })
    );
    assert_eq!(d.machine.timer, TIMER);
}

#[test]
fn a_machine_without_a_console_is_fine() {
    assert_eq!(good("good-no-console").machine.console, None);
}

#[test]
fn what_no_kernel_can_do_without_is_one_clear_error() {
    let broken = [
        ("no-memory", "no memory node has a range that can be used; add one with reg"),
        ("all-memory-overflows", "no memory node has a range that can be used; add one with reg"),
        (
            "no-psci",
            "no PSCI node, so no CPU can be started or stopped; use firmware that has PSCI",
        ),
        ("psci-0-1", "/psci: only PSCI 0.1; use firmware that has PSCI 0.2 or later"),
        ("psci-method", "/psci: method is neither hvc nor smc"),
        ("no-gic", "no interrupt controller that is a GICv2 or GICv3"),
        (
            "gic-reg",
            "/interrupt-controller@8000000: reg is missing or has too few entries; the GIC cannot be found",
        ),
        ("no-timer", "no generic timer (arm,armv8-timer)"),
        ("timer-interrupt", "/timer: no usable virtual timer interrupt"),
        (
            "reserved-no-size",
            "/reserved-memory/firmware@48000000: #size-cells of /reserved-memory is not 1 or 2; \
             correct it, memory cannot be given out around it",
        ),
        (
            "reserved-cells",
            "/reserved-memory/firmware@48000000: reg has 12 bytes, but its entries have 16; \
             correct it, memory cannot be given out around it",
        ),
    ];
    for (name, text) in broken {
        assert_eq!(error(&format!("broken-{name}")), format!("device tree: {text}"), "{name}");
    }
}

#[test]
fn a_refused_tree_still_gives_a_console_to_say_so() {
    let last_resort = |name: &str| early::console(Blocks::of_any(&dtb(name)).unwrap());
    for name in ["no-memory", "no-psci", "no-timer", "reserved-cells", "no-gic"] {
        assert_eq!(last_resort(&format!("broken-{name}")), Some(UART.base), "{name}");
    }
    assert_eq!(last_resort("good-virt-gicv3-4"), Some(UART.base));
    assert_eq!(last_resort("good-no-console"), None);
}

#[test]
fn a_boot_cpu_that_is_not_listed_is_an_error() {
    let text = describe_on("good-virt-gicv3-4", 0x100).unwrap_err();
    assert_eq!(text, "device tree: /cpus: the CPU that runs (MPIDR 0x100) is not listed");
}

#[test]
fn odd_memory_is_joined_or_left_out() {
    let d = describe_on("odd-memory", 0).unwrap();
    assert_eq!(d.machine.memory, [Range::new(0x40000000, 0x58000000)]);
    let warnings = [
        "/memory@40000000: range left out: 0x2000 bytes at 0xfffffffffffff000 end past 0xff8000000000, where the kernel's map of memory ends",
        "/memory@40000000: range left out: 0x20000000 bytes at 0xfffff0000000 end past 0xff8000000000, where the kernel's map of memory ends",
        "/memory@80000000: left out: reg has 12 bytes, but its entries have 16",
        "memory: 0x40000000..0x50000000 and 0x48000000..0x58000000 overlap and are joined",
    ];
    assert_eq!(d.warnings, warnings);
}

#[test]
fn cpus_that_cannot_be_started_are_left_out() {
    let d = describe_on("odd-cpus", 0).unwrap();
    assert_eq!(mpidrs(&d), [0, 1]);
    let warnings = [
        "/cpus/cpu@2: left out: another CPU has MPIDR 0x1 too",
        "/cpus/cpu@3: left out: enable-method is spin-table, not psci",
        "/cpus/cpu@4: left out: enable-method is missing, not psci",
        "/cpus/cpu@80000006: left out: 0x80000006 is no MPIDR",
        "/cpus/cpu@7: left out: reg is missing or has too few entries",
    ];
    assert_eq!(d.warnings, warnings);
}

#[test]
fn the_cpu_that_runs_needs_no_method_and_outlives_its_twin() {
    let d = describe_on("odd-cpus", 4).unwrap();
    assert_eq!(mpidrs(&d), [0, 1, 4]);
    let d = describe_on("odd-cpus", 1).unwrap();
    assert_eq!((mpidrs(&d), d.machine.topology.boot().index()), (vec![0, 1], 1));
}

#[test]
fn what_chosen_gets_wrong_is_ignored() {
    let d = describe_on("odd-chosen", 0).unwrap();
    assert_eq!((d.params.initrd, d.params.handover, d.machine.console), (None, None, Some(UART)));
    assert_eq!(d.params.bootargs, "loglevel=4".into());
    let warnings = [
        "/chosen: stdout-path not used: there is no serial9",
        "/chosen: initrd at 0x20000000..0x20100000 ignored: it is not in RAM",
        "/chosen: baton,handover ignored: it is no page-aligned address and a size from a page to 4 MiB",
    ];
    assert_eq!(d.warnings, warnings);
}

#[test]
fn odd_reservations_are_kept() {
    let d = describe_on("odd-reserved", 0).unwrap();
    let found: Vec<_> = d
        .machine
        .reserved
        .iter()
        .map(|r| (r.name.as_str(), r.range.start, r.range.end, r.no_map))
        .collect();
    let expected = [
        ("/memreserve/", 0x4f000000, 0x4f001000, false),
        ("outside@10000000", 0x10000000, 0x10001000, false),
        ("firmware@48000000", 0x48000000, 0x48010000, true),
        ("firmware@48000000", 0x49000000, 0x49001000, true),
        ("high@fffffffff000", 0xffff_ffff_f000, 0x1_0000_0000_0000, false),
    ];
    assert_eq!(found, expected);
    let cut = "/reserved-memory/high@fffffffff000: 0x100000 bytes at 0xfffffffff000 are cut at 0x1000000000000";
    assert_eq!(d.warnings, [cut]);
}

#[test]
fn a_console_without_driver_is_replaced_and_one_without_interrupt_is_polled() {
    let d = describe_on("odd-console", 0).unwrap();
    assert_eq!(d.machine.console, Some(Console { interrupt: None, ..UART }));
    let warnings = [
        "/chosen: stdout-path not used: /ns16550@9040000 has no driver",
        "/uart@9000000: no usable interrupt, the console is polled",
    ];
    assert_eq!(d.warnings, warnings);
}

#[test]
fn devices_that_make_no_sense_are_left_out() {
    let d = describe_on("odd-devices", 0).unwrap();
    assert_eq!(d.machine.rtc, Some(device("rtc@9010000", 0x9010000, 0x1000, Interrupt::level(34))));
    assert_eq!(d.machine.virtio, [device("virtio@a000000", 0xa000000, 0x200, Interrupt::edge(48))]);
    let warnings = [
        "/virtio@a000200: left out: it has no shared interrupt that can be used",
        "/virtio@a000400: left out: it has no shared interrupt that can be used",
        "/virtio@a000600: left out: reg is missing or has too few entries",
        "/virtio@a000802: left out: 0xa000802..0xa000a02 can't hold its registers, 0x100 bytes and aligned",
        "/virtio@a000a00: left out: 0xa000a00..0xa000a10 can't hold its registers, 0x100 bytes and aligned",
        "/virtio@40001000: left out: 0x40001000..0x40001200 is in RAM",
    ];
    assert_eq!(d.warnings, warnings);
}

#[test]
fn a_machine_without_clock_and_virtio_is_fine() {
    let d = good("good-no-console");
    assert_eq!((d.machine.rtc, d.machine.virtio.len()), (None, 0));
}

#[test]
fn redistributor_regions_that_are_not_there_are_left_out() {
    let d = describe_on("odd-gic", 0).unwrap();
    let Gic::V3 { redistributors, .. } = &d.machine.gic else { panic!("{:?}", d.machine.gic) };
    assert_eq!(redistributors, &[Range::new(0x80a0000, 0x80e0000)]);
    let warning = "/interrupt-controller@8000000: left out: redistributor region 2 and all after \
                   it: reg is missing or has too few entries";
    assert_eq!(d.warnings, [warning]);
}

#[test]
fn trees_that_are_cut_or_overwritten_are_errors() {
    let tree = dtb("good-virt-gicv3-4");
    let text =
        |bytes: &[u8]| platform::describe(bytes, Mpidr::from_register(0)).unwrap_err().to_string();
    let after = "; pass the address of an intact tree in x0";
    let cut = text(&tree[..tree.len() - 1]);
    let lengths = format!("{} of {} bytes", tree.len() - 1, tree.len());
    assert_eq!(cut, format!("device tree: it is cut short: {lengths} are there{after}"));
    let short = text(&tree[..39]);
    assert_eq!(short, format!("device tree: 39 bytes are too few for a header{after}"));
    let magic = text(&vec![0u8; 4096]);
    let wrong = "it starts with 0x0, a device tree with 0xd00dfeed";
    assert_eq!(magic, format!("device tree: {wrong}{after}"));
}

#[test]
fn a_tree_may_lie_at_any_address() {
    let tree = dtb("good-altra-like");
    for shift in 0..8 {
        let mut bytes = vec![0xff; shift];
        bytes.extend_from_slice(&tree);
        let d = platform::describe(&bytes[shift..], Mpidr::from_register(0x120000)).unwrap();
        assert_eq!(d.machine.topology.len(), 8);
    }
}

/// The tree of a QEMU machine as QEMU itself writes it; `None` without QEMU.
fn from_qemu(machine: &str, cpus: usize) -> Option<Vec<u8>> {
    let file = std::env::temp_dir().join(format!("baton-{}-{cpus}.dtb", std::process::id()));
    let machine = format!("virt,{machine},dumpdtb={}", file.display());
    let (smp, cpu) = (cpus.to_string(), "neoverse-n1");
    let args = ["-M", &machine, "-cpu", cpu, "-smp", &smp, "-m", "1G", "-nic", "none"];
    let run = Command::new("qemu-system-aarch64").args(args).args(["-display", "none"]).output();
    run.ok()?;
    let tree = std::fs::read(&file).expect("QEMU writes its device tree");
    std::fs::remove_file(&file).expect("the dump can be removed");
    Some(tree)
}

#[test]
fn qemu_trees_of_many_cpus() {
    for cpus in [1, 80, 512] {
        let Some(tree) = from_qemu("gic-version=3", cpus) else {
            eprintln!("skipped: qemu-system-aarch64 is not installed");
            return;
        };
        assert_eq!(tree.len(), 1 << 20);
        let d = platform::describe(&tree, Mpidr::from_register(0)).unwrap();
        assert_eq!((d.machine.topology.len(), d.warnings.len()), (cpus, 0), "{:?}", d.warnings);
        assert_eq!(
            (d.machine.virtio.len(), d.machine.rtc.as_ref().map(|rtc| rtc.interrupt)),
            (32, Some(Interrupt::level(34)))
        );
        let Gic::V3 { redistributors, .. } = &d.machine.gic else { panic!("{:?}", d.machine.gic) };
        assert_eq!(redistributors.len(), if cpus > 123 { 2 } else { 1 });
        let compact = fdt::compact(&tree).unwrap();
        assert!(compact.len() < tree.len() / 4, "{} bytes", compact.len());
        let again = platform::describe(&compact, Mpidr::from_register(0)).unwrap();
        assert_eq!(mpidrs(&again), mpidrs(&d));
    }
}
