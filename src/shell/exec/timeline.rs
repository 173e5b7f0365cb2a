//! `timeline`: the traces of this kernel and of its predecessor.

mod tables;

use alloc::format;
use alloc::vec::Vec;

use super::Outcome;
use crate::hotplug::steps;
use crate::kernel::{Cpus, Reporter};
use crate::report::{MarkAt, PhaseSpan, Record, Step};
use crate::trace::{Edge, Event, What};

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

/// The events of both kernels, CPU by CPU, in the order of recording.
fn events(cpus: &Cpus) -> Vec<Event> {
    let hotplug = cpus.hotplug();
    let (now, all) = (hotplug.generation(), hotplug.topology().cpus());
    let rings = all.flat_map(|cpu| [now.wrapping_sub(1), now].map(|g| (g, cpus.ring(g, cpu))));
    let mut events = Vec::new();
    for (generation, ring) in rings {
        let known = |e: &Event| e.generation == generation & 0xff_ffff;
        events.extend(ring.into_iter().flat_map(|r| r.events()).filter(known));
    }
    events
}

fn lost_events(cpus: &Cpus) -> u64 {
    let hotplug = cpus.hotplug();
    let (now, all) = (hotplug.generation(), hotplug.topology().cpus());
    all.filter_map(|cpu| cpus.ring(now, cpu)).map(|ring| ring.lost()).sum()
}

fn records(out: &Reporter, events: &[Event]) -> Vec<Record> {
    let marks = events.iter().filter_map(|e| mark_record(out, e));
    let spans = spans(events);
    let spans = spans.iter().filter_map(|(begin, end)| span_record(out, begin, end));
    marks.chain(spans).collect()
}

fn mark_record(out: &Reporter, e: &Event) -> Option<Record> {
    let What::Mark(mark) = e.what else { return None };
    Some(Record::Mark(MarkAt {
        cpu: e.cpu.0.into(),
        mark: mark.into(),
        dir: e.dir.into(),
        at_ns: out.ns(e.at),
        generation: e.generation,
    }))
}

fn span_record(out: &Reporter, begin: &Event, end: &Event) -> Option<Record> {
    let (cpu, dir) = (u32::from(begin.cpu.0), begin.dir.into());
    let (begin_ns, end_ns) = (out.ns(begin.at), out.ns(end.at));
    let generation = begin.generation;
    match begin.what {
        What::Step(id) => {
            // A step that only the kernel before this one has is not in this one's table.
            let known = steps::get(id).map(|step| step.name.into());
            let step = known.unwrap_or_else(|| steps::name(id).into());
            Some(Record::Step(Step { cpu, step, dir, begin_ns, end_ns, generation }))
        }
        What::Phase(phase) => {
            let phase = phase.into();
            Some(Record::Phase(PhaseSpan { cpu, phase, dir, begin_ns, end_ns, generation }))
        }
        What::Mark(_) => None,
    }
}

/// Pairs each begin with the next end of the same thing; what has no partner any more is left out.
fn spans(events: &[Event]) -> Vec<(Event, Event)> {
    let mut open: Vec<Event> = Vec::new();
    let mut spans = Vec::new();
    for event in events {
        match event.edge {
            Edge::Begin => open.push(*event),
            Edge::End => {
                let same = |b: &Event| {
                    (b.cpu, b.what, b.dir, b.generation)
                        == (event.cpu, event.what, event.dir, event.generation)
                };
                if let Some(at) = open.iter().rposition(same) {
                    spans.push((open.swap_remove(at), *event));
                }
            }
            Edge::Point => {}
        }
    }
    spans
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cpu::CpuId;
    use crate::trace::{Dir, StepId};

    fn event(at: u64, cpu: u16, step: u8, edge: Edge) -> Event {
        let what = What::Step(StepId(step));
        Event { at, cpu: CpuId(cpu), generation: 1, dir: Dir::Up, edge, what }
    }

    #[test]
    fn begins_and_ends_find_each_other_and_orphans_are_left_out() {
        let events = [
            event(1, 0, 9, Edge::End),
            event(2, 0, 1, Edge::Begin),
            event(3, 1, 1, Edge::Begin),
            event(4, 0, 1, Edge::End),
            event(5, 1, 1, Edge::End),
            event(6, 1, 2, Edge::Begin),
        ];
        let found: Vec<(u64, u64)> = spans(&events).iter().map(|(b, e)| (b.at, e.at)).collect();
        assert_eq!(found, [(2, 4), (3, 5)]);
    }
}
