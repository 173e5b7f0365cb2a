//! `rcu`.

use alloc::format;
use alloc::string::{String, ToString};

use super::Outcome;
use crate::cpu::CpuMask;
use crate::kernel::{Cpus, Reporter};
use crate::rcu::How;

/// A callback that waits for longer than this is called overdue, milliseconds.
const OVERDUE_MS: u64 = 1000;

/// `rcu`: grace periods, callbacks, and the part of each CPU.
pub(super) fn show(out: &Reporter, cpus: &Cpus) -> Outcome {
    let rcu = &cpus.services().rcu;
    let c = rcu.counts();
    out.print(&format!(
        "grace periods  {} waited for, {} of them expedited; {} for callbacks; {} stalls",
        c.synchronized, c.expedited, c.batches, c.stalls
    ));
    out.print(&format!(
        "callbacks      {} run, {} wait; {} taken over from CPUs that left",
        c.run, c.pending, c.spliced
    ));
    cpus_by_state(out, cpus);
    let all = cpus.hotplug().topology().cpus();
    for (cpu, waiting) in all.map(|cpu| (cpu, rcu.pending(cpu))).filter(|&(_, n)| n > 0) {
        out.print(&format!("CPU {cpu} has {waiting} callbacks that wait"));
    }
    let late = rcu.overdue(cpus.seam(), OVERDUE_MS);
    if !late.is_empty() {
        out.print(&format!(
            "stalled: CPU {} keeps callbacks waiting for more than {OVERDUE_MS} ms; \
             `cpus` shows its mark",
            late.ranges()
        ));
    }
    Ok(None)
}

fn cpus_by_state(out: &Reporter, cpus: &Cpus) {
    let hotplug = cpus.hotplug();
    let online = hotplug.online();
    let running = cpus.services().rcu.running().and(&online);
    let offline = CpuMask::first(hotplug.topology().len()).and_not(&online);
    let states = [
        ("running", running, "a grace period waits for them"),
        ("idle", online.and_not(&running), "nobody waits for them"),
        ("offline", offline, "take no part"),
    ];
    for (state, cpus, meaning) in states.iter().filter(|(_, cpus, _)| !cpus.is_empty()) {
        out.print(&format!("{state:<7}  CPUs {}: {meaning}", cpus.ranges()));
    }
}

/// `rcu sync`: waits for a grace period, or for Ctrl-C.
pub(super) fn sync(out: &Reporter, cpus: &Cpus, expedited: bool) -> Outcome {
    let how = if expedited { How::Expedited } else { How::Normal };
    let seam = cpus.seam();
    let begin = seam.now();
    let deadline = begin + seam.ticks_from_ms(cpus.hotplug().timeout_ms());
    let (rcu, boot) = (&cpus.services().rcu, cpus.boot());
    let over = rcu.synchronize_unless(seam, boot, how, deadline, || cpus.interrupted());
    let over = over.map_err(|stall| stall.to_string())?;
    let us: String = super::us(out.ns(seam.now() - begin));
    let state = if over { "over" } else { "not over" };
    out.print(&format!("grace period {state} after {us} us"));
    Ok(None)
}
