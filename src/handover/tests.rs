extern crate std;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::report::TeardownMode;
use crate::trace::{Dir, Edge, Event, Mark, Spans, What};

mod records;

fn memory(cpus: usize) -> Vec<Word> {
    (0..bytes_for(cpus) / 8).map(|i| Word::new(i.wrapping_mul(0x9e37_79b9))).collect()
}

fn farewell(script: &str) -> Farewell {
    Farewell {
        generation: 7,
        exec_at: 1 << 40,
        bytes_copied: 0,
        verify: Some(13),
        teardown: TeardownMode::Parallel,
        cpus: 79,
        spans: Spans { migrate: 5, grace: 6, online_down: 1, stop: 2, off: 3, dead: 4 },
        teardown_total: 10,
        cycle: CycleCount { done: 3, asked: 5 },
        stress: StressCount { on: true, sent: 11, handled: 12 },
        parked: [CpuId(2), CpuId(511)].into_iter().collect(),
        script: script.into(),
        from: "baton 0.1.0".into(),
        to: "/baton.Image".into(),
    }
}

fn event(generation: u32) -> Event {
    let what = What::Mark(Mark::Online);
    Event { at: 5, cpu: CpuId(1), generation, dir: Dir::Up, edge: Edge::Point, what }
}

#[test]
fn a_farewell_is_taken_once() {
    let memory = memory(4);
    let area = Area::new(&memory, 4, CpuId(0)).unwrap();
    area.format();
    assert_eq!(area.take(), Err(HandoverError::Unsealed));
    let said = farewell("cycle 3; poweroff; ä");
    area.prepare(&said);
    area.seal(99);
    assert_eq!(area.take(), Ok((said.clone(), 99)));
    assert_eq!(area.take(), Err(HandoverError::Unsealed));
    let said = Farewell { verify: None, ..said };
    area.prepare(&said);
    area.seal(100);
    assert_eq!(area.take(), Ok((said, 100)));
}

#[test]
fn the_longest_script_fits_and_a_longer_one_is_cut() {
    let memory = memory(1);
    let area = Area::new(&memory, 1, CpuId(0)).unwrap();
    area.format();
    let long: String = "é".repeat(crate::config::MAX_SCRIPT);
    area.prepare(&farewell(&long));
    area.seal(0);
    let (read, _) = area.take().unwrap();
    assert_eq!(read.script.len(), crate::config::MAX_SCRIPT);
    assert_eq!((read.from.as_str(), read.to.as_str()), ("baton 0.1.0", "/baton.Image"));
}

#[test]
fn every_flipped_bit_under_the_seal_is_noticed() {
    let memory = memory(1);
    let area = Area::new(&memory, 1, CpuId(0)).unwrap();
    area.format();
    area.prepare(&farewell("mem"));
    area.seal(5);
    let sealed = memory[field::SEALED].load(Relaxed) as usize;
    for at in (0..sealed).chain([SEAL]) {
        for bit in 0..64 {
            memory[at].fetch_xor(1 << bit, Relaxed);
            assert!(!area.is_sealed() && area.take().is_err(), "word {at} bit {bit}");
            memory[at].fetch_xor(1 << bit, Relaxed);
        }
    }
    assert!(area.is_sealed() && area.take().is_ok());
}

#[test]
fn what_is_not_under_the_seal_changes_nothing() {
    let memory = memory(1);
    let area = Area::new(&memory, 1, CpuId(0)).unwrap();
    area.format();
    area.prepare(&farewell("mem"));
    area.seal(5);
    let sealed = memory[field::SEALED].load(Relaxed) as usize;
    assert!(sealed < 100, "{sealed} words");
    memory[sealed..COPIED].iter().for_each(|word| word.store(u64::MAX, Relaxed));
    memory[COPIED].store(7, Relaxed); // as the jump does, after the seal
    assert_eq!(area.take(), Ok((farewell("mem"), 5)));
    assert_eq!(area.copied_at(), Some(7));
    area.prepare(&farewell("mem"));
    assert_eq!(area.copied_at(), None);
}

#[test]
fn a_page_that_nothing_was_prepared_on_stays_open() {
    let memory = memory(1);
    let area = Area::new(&memory, 1, CpuId(0)).unwrap();
    area.format();
    area.seal(5);
    assert_eq!((area.is_sealed(), area.take()), (false, Err(HandoverError::Unsealed)));
}

#[test]
fn garbage_small_regions_and_other_machines_are_refused() {
    let memory = memory(8);
    assert_eq!(Area::new(&memory, 9, CpuId(0)).err(), Some(HandoverError::Small));
    assert_eq!(Area::new(&memory, 8, CpuId(0)).unwrap().take(), Err(HandoverError::Foreign));
    Area::new(&memory, 8, CpuId(0)).unwrap().format();
    assert_eq!(Area::new(&memory, 7, CpuId(0)).unwrap().take(), Err(HandoverError::Foreign));
}

#[test]
fn two_generations_use_two_banks() {
    let memory = memory(2);
    let area = Area::new(&memory, 2, CpuId(0)).unwrap();
    area.format();
    for generation in [4, 5] {
        area.ring(generation, CpuId(1)).unwrap().record(&event(generation));
    }
    let generations: Vec<u32> = [4, 5]
        .iter()
        .flat_map(|&g| area.ring(g, CpuId(1)).unwrap().events())
        .map(|e| e.generation)
        .collect();
    assert_eq!(generations, [4, 5]);
    area.clear_rings(6);
    assert_eq!(area.ring(4, CpuId(1)).unwrap().written(), 0);
    assert_eq!(area.ring(5, CpuId(1)).unwrap().written(), 1);
    assert!(area.ring(4, CpuId(2)).is_none());
}
