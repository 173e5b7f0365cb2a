//! The next kernel has other CPUs than the one that jumps, or other numbers for them.

use super::*;

/// A topology of these affinities; the one at `boot` boots.
fn of(mpidrs: &[u64], boot: usize) -> Topology {
    let mpidrs: Vec<Mpidr> = mpidrs.iter().map(|&value| Mpidr::from_register(value)).collect();
    Topology::new(&mpidrs, mpidrs[boot]).unwrap()
}

/// A kernel with the CPUs of `old` jumps: CPU 2 is parked, and each CPU has an event about itself;
/// the boot CPU has one about each other CPU as well. A kernel with the CPUs of `new` takes over,
/// in the same region if that is large enough.
fn crossed(old: &Topology, new: &Topology) -> (Taken, Vec<(u16, Vec<u16>)>) {
    let left = memory(old.len());
    let area = Area::new(&left, old).unwrap();
    area.format(old);
    for cpu in old.cpus() {
        let own = Event { cpu, ..event(7) };
        area.ring(7, cpu).unwrap().record(&own);
        if cpu != old.boot() {
            area.ring(7, old.boot()).unwrap().record(&own);
        }
    }
    area.prepare(&farewell("cpus"));
    area.seal(JUMP);
    let fresh = memory(new.len());
    let words = if left.len() >= fresh.len() { &left } else { &fresh };
    let area = Area::new(words, new).unwrap();
    let taken = area.take(&left, new, LATER).unwrap();
    assert_eq!(Page::new(&left).facts().err(), Some(HandoverError::Unsealed), "it is taken once");
    let events = |cpu| area.ring(7, cpu).unwrap().events().map(|event| event.cpu.0).collect();
    let rings = new.cpus().map(|cpu| (cpu.0, events(cpu))).collect();
    assert!(new.cpus().all(|cpu| area.ring(8, cpu).unwrap().written() == 0));
    (taken, rings)
}

fn with_parked(parked: &[u16]) -> Farewell {
    let parked = parked.iter().map(|&cpu| CpuId(cpu)).collect();
    Farewell { parked, ..farewell("cpus") }
}

#[test]
fn a_cpu_that_is_gone_takes_its_events_and_nothing_else() {
    let (taken, rings) = crossed(&of(&[0, 1, 2, 3], 0), &of(&[0, 1, 3], 0));
    assert_eq!(taken.farewell, with_parked(&[]));
    assert!(!taken.same_cpus);
    assert_eq!(rings, [(0, [0, 1, 2].into()), (1, [1].into()), (2, [2].into())]);
}

#[test]
fn new_cpus_have_no_events_and_the_others_keep_theirs() {
    let old = of(&[0, 1, 2, 3], 0);
    for more in [5, 60] {
        let new: Vec<u64> = (0..more).collect();
        let (taken, rings) = crossed(&old, &of(&new, 0));
        assert_eq!(taken.farewell, with_parked(&[2]));
        assert!(!taken.same_cpus);
        assert_eq!(
            rings[..4],
            [(0, [0, 1, 2, 3].into()), (1, [1].into()), (2, [2].into()), (3, [3].into())]
        );
        assert!(rings[4..].iter().all(|(_, events)| events.is_empty()));
    }
}

#[test]
fn cpus_are_told_by_affinity_and_not_by_number() {
    let (taken, rings) =
        crossed(&of(&[0, 0x100, 0x200, 0x300], 0), &of(&[0x300, 0x200, 0x100, 0], 3));
    assert_eq!(taken.farewell, with_parked(&[1]));
    assert!(!taken.same_cpus, "as many CPUs, with other numbers");
    assert_eq!(
        rings,
        [(0, [0].into()), (1, [1].into()), (2, [2].into()), (3, [3, 2, 1, 0].into())]
    );
}

#[test]
fn another_boot_cpu_finds_the_events_of_all() {
    let (taken, rings) = crossed(&of(&[0, 1, 2, 3], 0), &of(&[0, 1, 2, 3], 1));
    assert_eq!(taken.farewell, with_parked(&[2]));
    assert_eq!(
        rings,
        [(0, [0, 1, 2, 3].into()), (1, [1].into()), (2, [2].into()), (3, [3].into())]
    );
}

#[test]
fn of_a_ring_without_a_label_nothing_is_read() {
    let left = memory(4);
    let (area, topology) = region(&left, 4);
    for number in 0..4 {
        area.ring(7, CpuId(number)).unwrap().record(&event(7));
    }
    area.prepare(&farewell("cpus"));
    area.seal(JUMP);
    // The label of the ring of CPU 1: the second word of its header.
    let label = PAGE_WORDS
        + bank_words(4)
        + crate::trace::ring_words(crate::config::BOOT_TRACE_EVENTS)
        + crate::trace::ring_words(crate::config::TRACE_EVENTS)
        + 1;
    assert_eq!(left[label].swap(0, Relaxed), 1 << 63 | 1);
    let taken = area.take(&left, &topology, LATER).unwrap();
    assert!(!taken.same_cpus);
    assert_eq!(taken.farewell, with_parked(&[2]));
    let written = |number| area.ring(7, CpuId(number)).unwrap().written();
    assert_eq!([0, 1, 2, 3].map(written), [0, 0, 0, 0], "every event was about CPU 1");
}
