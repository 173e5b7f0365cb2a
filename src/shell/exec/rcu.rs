//! `rcu`.

use alloc::format;
use alloc::string::{String, ToString};

use super::Outcome;
use crate::cpu::CpuMask;
use crate::kernel::{Cpus, Reporter};
use crate::rcu::How;
use crate::torture::Site;

/// A callback that waits for longer than this is called overdue, milliseconds.
const OVERDUE_MS: u64 = 1000;

pub(super) fn show(out: &Reporter, cpus: &Cpus) -> Outcome {
    let Site { board, hotplug, services } = cpus.site();
    let rcu = &services.rcu;
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
    let all = hotplug.topology().cpus();
    for (cpu, waiting) in all.map(|cpu| (cpu, rcu.pending(cpu))).filter(|&(_, n)| n > 0) {
        out.print(&format!("CPU {cpu} has {waiting} callbacks that wait"));
    }
    let late = rcu.overdue(board, OVERDUE_MS);
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
    let Site { hotplug, services, .. } = cpus.site();
    let online = hotplug.online();
    let running = services.rcu.running().and(&online);
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

pub(super) fn sync(out: &Reporter, cpus: &Cpus, expedited: bool) -> Outcome {
    let how = if expedited { How::Expedited } else { How::Normal };
    let Site { board, hotplug, services } = cpus.site();
    let begin = board.now();
    let deadline = begin + board.ticks_from_ms(hotplug.timeout_ms());
    let done = services.rcu.synchronize(board, hotplug.topology().boot(), how, deadline);
    done.map_err(|stall| stall.to_string())?;
    let us: String = super::us(out.ns(board.now() - begin));
    out.print(&format!("grace period over after {us} us"));
    Ok(None)
}
