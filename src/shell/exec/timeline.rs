//! `timeline`: the traces of this kernel and of its predecessor.

mod tables;

use alloc::format;

use super::Outcome;
use crate::kernel::timeline::{events, records, spans};
use crate::kernel::{Cpus, Reporter};

/// `timeline`, as tables or as records.
pub(super) fn show(out: &Reporter, cpus: &Cpus, json: bool) -> Outcome {
    let events = events(cpus);
    if json {
        let records = records(out, &events);
        records.iter().take_while(|_| !cpus.interrupted()).for_each(|r| out.record(r));
    } else {
        tables::steps(out, &spans(&events));
        tables::phases(out, &spans(&events));
        if let Some(hz) = cpus.hotplug().tick_hz() {
            out.print(&format!("grace is modelled: it ends at ticks of {hz} Hz (rcu.tick)"));
        }
    }
    let lost = lost_events(cpus);
    if lost > 0 {
        out.print(&format!("{lost} events were overwritten: the rings hold the last ones"));
    }
    Ok(None)
}

fn lost_events(cpus: &Cpus) -> u64 {
    let hotplug = cpus.hotplug();
    let (now, all) = (hotplug.generation(), hotplug.topology().cpus());
    all.filter_map(|cpu| cpus.ring(now, cpu)).map(|ring| ring.lost()).sum()
}
