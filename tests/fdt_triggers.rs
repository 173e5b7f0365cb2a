//! Trigger modes in the device trees under `dts/fixtures`.
#![cfg(not(loom))]

mod fdt_support;

use baton::cpu::Mpidr;
use baton::interrupt::Interrupt;
use baton::platform::{self, Described};
use fdt_support::dtb;

fn describe(name: &str) -> Described {
    platform::describe(&dtb(name), Mpidr::from_register(0)).unwrap()
}

#[test]
fn each_device_has_the_trigger_of_its_line() {
    let d = describe("good-triggers");
    assert_eq!(d.warnings, [] as [&str; 0]);
    let (edge, level) = (Interrupt::edge, Interrupt::level);
    assert_eq!(d.machine.console.and_then(|console| console.interrupt), Some(level(33)));
    assert_eq!(d.machine.rtc.map(|rtc| rtc.interrupt), Some(level(34)));
    let virtio: Vec<Interrupt> = d.machine.virtio.iter().map(|device| device.interrupt).collect();
    assert_eq!(virtio, [edge(48), edge(49), level(50), level(51), edge(52), level(53), edge(54)]);
}

/// QEMU's flags of private interrupts of a GICv2 carry its CPUs too.
#[test]
fn timers_are_levels_on_every_machine_here() {
    for name in ["good-virt-gicv3-4", "good-virt-gicv2-2", "good-bus", "good-triggers"] {
        let timer = describe(name).machine.timer;
        assert_eq!(timer.virtual_ppi, Interrupt::level(27), "{name}");
        assert_eq!(timer.physical_ppi, Interrupt::level(30), "{name}");
    }
}
