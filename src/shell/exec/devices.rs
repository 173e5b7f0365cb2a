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

/// `disk`. The boot CPU, one of `cpus`, sleeps while it waits for reads.
pub(super) fn disk(cpus: &Cpus, peripherals: &Peripherals, reads: u32, wait: bool) -> Outcome {
    let (seam, drivers) = (cpus.seam(), peripherals.drivers());
    let deadline = seam.now() + seam.ticks_from_ms(TIMEOUT_MS);
    for _ in 0..reads {
        submit(cpus, drivers, deadline)?;
    }
    while wait && drivers.device_counts().disk.in_flight > 0 {
        look_again(cpus, drivers, deadline)?;
    }
    Ok(None)
}

/// One read, as soon as there is room.
fn submit(cpus: &Cpus, drivers: &dyn Devices, deadline: u64) -> Result<(), String> {
    loop {
        match drivers.disk_submit() {
            Ok(_) => return Ok(()),
            Err(DeviceError::Full) => look_again(cpus, drivers, deadline)?,
            Err(why) => return Err(why.to_string()),
        }
    }
}

fn look_again(cpus: &Cpus, drivers: &dyn Devices, deadline: u64) -> Result<(), String> {
    let seam = cpus.seam();
    let now = seam.now();
    if now >= deadline {
        let away = drivers.device_counts().disk.in_flight;
        return Err(format!("{away} reads are not back; `irqs` shows where they should go"));
    }
    cpus.rest(deadline.min(now + seam.ticks_from_ms(LOOK_MS)));
    Ok(())
}
