//! Commands for the devices that interrupt: `devices`, `alarm`, `disk`.

use alloc::format;
use alloc::string::{String, ToString};

use super::Outcome;
use crate::config::TIMEOUT_MS;
use crate::interrupt::Interrupt;
use crate::kernel::{Cpus, Peripherals, Reporter};
use crate::machine::device::{DeviceError, Devices};

/// How often reads that are back are looked for while their interrupts go to other CPUs.
const LOOK_MS: u64 = 1;

/// `devices`.
pub(super) fn list(out: &Reporter, peripherals: &Peripherals) -> Outcome {
    let counts = peripherals.drivers().device_counts();
    let intid = |of: Option<Interrupt>| of.map_or("-".into(), |i| i.intid.to_string());
    let (a, d, found) = (counts.alarm, counts.disk, peripherals.found());
    out.print(&format!(
        "alarm  intid {}: {} set, {} taken, {} replaced, {} armed, {} spurious",
        intid(found.alarm),
        a.set,
        a.taken,
        a.replaced,
        a.armed,
        a.spurious
    ));
    out.print(&format!(
        "disk   intid {}: {} reads, {} good, {} of zeroes, {} bad, {} lost, {} in flight, \
         {} interrupts, {} spurious",
        intid(found.disk),
        d.submitted,
        d.completed,
        d.zeroes,
        d.failed,
        d.dropped,
        d.in_flight,
        d.interrupts,
        d.spurious
    ));
    Ok(None)
}

/// `alarm`.
pub(super) fn alarm(peripherals: &Peripherals, seconds: u32) -> Outcome {
    peripherals.drivers().alarm(seconds).map_err(|why| why.to_string())?;
    Ok(None)
}

/// `disk`. The boot CPU, one of `cpus`, sleeps while it waits for reads. Ctrl-C ends that.
pub(super) fn disk(
    out: &Reporter,
    cpus: &Cpus,
    peripherals: &Peripherals,
    reads: u32,
    wait: bool,
) -> Outcome {
    let (seam, drivers) = (cpus.seam(), peripherals.drivers());
    let deadline = seam.now() + seam.ticks_from_ms(TIMEOUT_MS);
    let mut sent = 0;
    while sent < reads && !cpus.interrupted() {
        sent += u32::from(submit(cpus, drivers, deadline)?);
    }
    while wait && in_flight(drivers) > 0 && !cpus.interrupted() {
        look_again(cpus, drivers, deadline)?;
    }
    if cpus.interrupted() {
        out.print(&format!("{sent} of {reads} reads are sent, {} in flight", in_flight(drivers)));
    }
    Ok(None)
}

/// One read, or a pause if there is no room; true if the read is on its way.
fn submit(cpus: &Cpus, drivers: &dyn Devices, deadline: u64) -> Result<bool, String> {
    match drivers.disk_submit() {
        Ok(_) => Ok(true),
        Err(DeviceError::Full) => look_again(cpus, drivers, deadline).map(|()| false),
        Err(why) => Err(why.to_string()),
    }
}

fn in_flight(drivers: &dyn Devices) -> u64 {
    drivers.device_counts().disk.in_flight
}

fn look_again(cpus: &Cpus, drivers: &dyn Devices, deadline: u64) -> Result<(), String> {
    let seam = cpus.seam();
    let now = seam.now();
    if now >= deadline {
        let away = in_flight(drivers);
        return Err(format!("{away} reads are not back; `irqs` shows where they should go"));
    }
    cpus.rest(deadline.min(now + seam.ticks_from_ms(LOOK_MS)));
    Ok(())
}
