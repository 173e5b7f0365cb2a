//! The traces of this kernel and of its predecessor, as records.

use alloc::vec::Vec;

use super::{Cpus, Reporter};
use crate::hotplug::steps;
use crate::report::{MarkAt, PhaseSpan, Record, Step};
use crate::trace::{Dir, Edge, Event, Mark, What};

/// The events of both kernels, CPU by CPU, in the order of recording.
pub(crate) fn events(cpus: &Cpus) -> Vec<Event> {
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

/// The records of these events: marks, then steps and phases.
pub(crate) fn records(out: &Reporter, events: &[Event]) -> Vec<Record> {
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
pub(crate) fn spans(events: &[Event]) -> Vec<(Event, Event)> {
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

/// How long each CPU was away over the jump to generation `now`, ticks: from its first step down after
/// `exec_at` in the kernel before to ONLINE. CPUs whose events are not all there are left out.
pub(super) fn outages(events: &[Event], now: u32, exec_at: u64) -> Vec<u64> {
    let of = |generation: u32| move |e: &&Event| e.generation == generation & 0xff_ffff;
    let old = now.wrapping_sub(1);
    let down = |e: &&Event| {
        let step = matches!(e.what, What::Step(_));
        step && e.dir == Dir::Down && e.edge == Edge::Begin && e.at >= exec_at
    };
    let ups = events.iter().filter(of(now)).filter(|e| e.what == What::Mark(Mark::Online));
    let away = |up: &Event| {
        let downs = events.iter().filter(|e| e.cpu == up.cpu).filter(of(old)).filter(down);
        up.at.checked_sub(downs.map(|e| e.at).min()?)
    };
    ups.filter_map(away).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cpu::CpuId;
    use crate::trace::StepId;

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

    #[test]
    fn a_cpu_is_away_from_its_first_step_down_until_it_is_online() {
        let down =
            |at, cpu| Event { dir: Dir::Down, generation: 4, ..event(at, cpu, 3, Edge::Begin) };
        let online = |at, cpu, generation| {
            let what = What::Mark(Mark::Online);
            Event { what, generation, ..event(at, cpu, 0, Edge::Point) }
        };
        // CPU 0 never left; steps before the order are of another teardown; CPU 3 has no step left.
        let events = [
            online(90, 0, 5),
            down(5, 1),
            down(12, 1),
            down(15, 1),
            online(40, 1, 5),
            down(13, 2),
            online(3, 2, 4),
            online(70, 2, 5),
            online(60, 3, 5),
        ];
        assert_eq!(outages(&events, 5, 10), [28, 57]);
    }
}
