//! What fuzzing has found, one by one: the input is in the corpus, and here is what must become of
//! it.

use std::fs;

use baton::cpu::{CpuId, Mpidr};
use baton::fdt::edit::{Changes, next_tree};
use baton::fdt::{Blocks, Tree};
use baton::kexec::Files;
use baton::memory::Range;
use baton::platform::{self, Described, PlatformError, early};
use baton_fuzz::{home, peak};

fn input(path: &str) -> Vec<u8> {
    let path = home().join("corpus").join(path);
    fs::read(&path).unwrap_or_else(|why| panic!("{path:?}: {why}"))
}

fn describe(tree: &[u8]) -> Result<Described, PlatformError> {
    platform::describe(tree, Mpidr::from_register(0))
}

fn edited(path: &str, changes: &Changes<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    next_tree(&input(path), changes, &mut out).unwrap();
    out
}

/// The second node took the first one's place, and the next kernel had a CPU less.
#[test]
fn two_cpus_of_one_name_both_reach_the_next_kernel() {
    let next = edited("edit/twin-nodes", &Changes::default());
    let description = describe(&next).unwrap();
    assert_eq!(description.machine.topology.mpidr(CpuId(1)), Some(Mpidr::from_register(1)));
    let tree = Tree::read(&next).unwrap();
    let names: Vec<String> = tree.find("/cpus").unwrap().children().map(|n| n.name()).collect();
    assert_eq!(names, ["cpu@0", "cpu@0#1"]);
}

/// This kernel read the first, the next one got the last.
#[test]
fn of_two_properties_of_one_name_the_next_kernel_gets_the_one_that_this_one_read() {
    let before = describe(&input("edit/twin-properties")).unwrap();
    let after = describe(&edited("edit/twin-properties", &Changes::default())).unwrap();
    assert_eq!(before.machine.memory, [Range::new(0x4000_0000, 0x5000_0000)]);
    assert_eq!(after.machine.memory, before.machine.memory);
}

/// A second `/chosen` was made behind it, and readers found the old one.
#[test]
fn chosen_and_reserved_memory_are_found_by_readers_whatever_their_unit_address() {
    let handover = Some(Range::new(0x4500_0000, 0x4510_0000));
    let changes = Changes { bootargs: b"new", handover, ..Changes::default() };
    let description = describe(&edited("edit/chosen-with-address", &changes)).unwrap();
    assert_eq!(description.params.bootargs, "new".into());
    assert_eq!((description.params.initrd, description.params.handover), (None, handover));
    assert!(description.machine.reserved.iter().any(|reserved| Some(reserved.range) == handover));
}

/// Warnings and the machine's name go to the console.
#[test]
fn text_of_a_tree_does_not_steer_the_terminal() {
    let description = describe(&input("fdt/control-characters")).unwrap();
    assert_eq!(description.machine.model, r"a\u{1b}[2Jb");
    assert!(description.warnings.iter().any(|w| w.contains(r"serial1\u{1b}]0;x\u{7}")));
    assert!(!description.warnings.iter().any(|w| w.contains(char::is_control)));
}

/// The kernel would have set it up as its console before it could say anything.
#[test]
fn a_uart_without_room_for_its_registers_is_no_console() {
    let tree = input("fdt/uart-without-size");
    let description = describe(&tree).unwrap();
    let last_resort = early::console(Blocks::of_any(&tree).unwrap());
    assert_eq!((description.machine.console, last_resort), (None, None));
    assert!(description.warnings[0].contains("can't hold"), "{:?}", description.warnings);
}

/// As one without a console the kernel would not have said a word, and would have used that RAM.
#[test]
fn a_uart_in_ram_is_refused_by_that_uart() {
    let tree = input("fdt/uart-in-ram");
    let error = describe(&tree).unwrap_err();
    assert!(matches!(error, PlatformError::InRam { what: "the console", .. }), "{error}");
    assert!(early::console(Blocks::of_any(&tree).unwrap()).is_some());
}

/// No driver here knows the registers of extended interrupts: the first use was out of bounds.
#[test]
fn extended_interrupts_are_not_used() {
    let console = describe(&input("fdt/uart-extended-interrupt")).unwrap().machine.console;
    assert_eq!(console.map(|console| console.interrupt), Some(None));
    let timer = describe(&input("fdt/extended-hyp-timer")).unwrap().machine.timer;
    assert_eq!((timer.virtual_ppi.intid, timer.hypervisor_ppi), (27, None));
    let error = describe(&input("fdt/extended-timer")).unwrap_err();
    assert!(matches!(error, PlatformError::Timer { .. }), "{error}");
}

/// Each part kept 4 KiB at least, or up to the whole limit if the last bytes of the initrd said so.
#[test]
fn many_small_gzip_parts_take_little_memory() {
    let parts = input("initrd/many-gzip-parts").repeat(20);
    let (files, most) = peak::of(|| Files::open(&parts, 1 << 20).map(|files| files.iter().count()));
    assert_eq!(files, Ok(0));
    assert!(most < 200_000, "{most} bytes");
}
