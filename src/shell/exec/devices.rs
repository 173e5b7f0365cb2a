//! Commands for the devices that interrupt: `devices`, `alarm`, `disk`.

use alloc::format;
use alloc::string::{String, ToString};

use super::Outcome;
use crate::config::TIMEOUT_MS;
use crate::interrupt::Interrupt;
use crate::kernel::{Cpus, Peripherals, Reporter};
use crate::machine::device::{DeviceError, Devices};
use crate::torture::Site;

/// How often reads that are back are looked for while their interrupts go to other CPUs.
const LOOK_MS: u64 = 1;

pub(super) fn list(out: &Reporter, peripherals: &Peripherals, board: &dyn Devices) -> Outcome {
    let counts = board.device_counts();
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

pub(super) fn alarm(board: &dyn Devices, seconds: u32) -> Outcome {
    board.alarm(seconds).map_err(|why| why.to_string())?;
    Ok(None)
}

/// The boot CPU, one of `cpus`, sleeps while it waits for reads.
pub(super) fn disk(cpus: &Cpus, reads: u32, wait: bool) -> Outcome {
    let site = cpus.site();
    let deadline = site.board.now() + site.board.ticks_from_ms(TIMEOUT_MS);
    for _ in 0..reads {
        submit(site, deadline)?;
    }
    while wait && site.board.device_counts().disk.in_flight > 0 {
        look_again(site, deadline)?;
    }
    Ok(None)
}

/// One read, as soon as there is room.
fn submit(site: Site, deadline: u64) -> Result<(), String> {
    loop {
        match site.board.disk_submit() {
            Ok(_) => return Ok(()),
            Err(DeviceError::Full) => look_again(site, deadline)?,
            Err(why) => return Err(why.to_string()),
        }
    }
}

fn look_again(site: Site, deadline: u64) -> Result<(), String> {
    let Site { board, hotplug, services } = site;
    let now = board.now();
    if now >= deadline {
        let away = board.device_counts().disk.in_flight;
        return Err(format!("{away} reads are not back; `irqs` shows where they should go"));
    }
    let until = deadline.min(now + board.ticks_from_ms(LOOK_MS));
    services.idle(board, hotplug.topology().boot(), Some(until));
    Ok(())
}
