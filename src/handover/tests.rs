extern crate std;
use std::string::String;
use std::vec::Vec;

use super::page::{COPIED, SEAL, field};
use super::*;
use crate::cpu::Mpidr;
use crate::report::{Grace, TeardownMode};
use crate::sync::words::Relaxed;
use crate::trace::{Dir, Edge, Event, Mark, Spans, What};

mod other_cpus;
mod ranges;
mod records;
mod results;

/// When the kernels of these tests jump, and when the next one is entered, ticks.
const JUMP: u64 = 199;
const LATER: u64 = 200;

fn memory(cpus: usize) -> Vec<Word> {
    (0..bytes_for(cpus) / 8).map(|i| Word::new(i.wrapping_mul(0x9e37_79b9))).collect()
}

/// So many CPUs, of which the first boots; affinities are their numbers.
fn topology(cpus: u64) -> Topology {
    let mpidrs: Vec<Mpidr> = (0..cpus).map(Mpidr::from_register).collect();
    Topology::new(&mpidrs, mpidrs[0]).unwrap()
}

/// A region for so many CPUs, formatted.
fn region(memory: &[Word], cpus: u64) -> (Area<'_>, Topology) {
    let topology = topology(cpus);
    let area = Area::new(memory, &topology).unwrap();
    area.format(&topology);
    (area, topology)
}

/// What is taken from a region by a kernel with the same CPUs, later.
fn taken(memory: &[Word], cpus: u64) -> Result<Taken, HandoverError> {
    let topology = topology(cpus);
    Area::new(memory, &topology).unwrap().take(memory, &topology, LATER)
}

/// The same; the farewell alone.
fn taken_farewell(memory: &[Word], cpus: u64) -> Result<Farewell, HandoverError> {
    taken(memory, cpus).map(|taken| taken.farewell)
}

fn farewell(script: &str) -> Farewell {
    Farewell {
        generation: 7,
        exec_at: 100,
        bytes_copied: 0,
        verify: Some(13),
        teardown: TeardownMode::Parallel,
        grace: Grace::Each,
        tick_hz: Some(250),
        cpus: 3,
        spans: Spans { migrate: 5, grace: 6, online_down: 1, stop: 2, off: 3, dead: 4 },
        teardown_total: 10,
        cycle: CycleCount { done: 3, asked: 5 },
        stress: StressCount { on: true, sent: 11, handled: 12 },
        parked: [CpuId(2)].into_iter().collect(),
        quiesced: true,
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
    let (area, _) = region(&memory, 4);
    assert_eq!(taken(&memory, 4), Err(HandoverError::Unsealed));
    for verify in [Some(13), None] {
        let said = Farewell { verify, ..farewell("cycle 3; poweroff; ä") };
        area.prepare(&said);
        area.seal(JUMP);
        let whole = Taken { farewell: said, jump_at: JUMP, copied_at: None, same_cpus: true };
        assert_eq!(taken(&memory, 4), Ok(whole));
        assert_eq!(taken(&memory, 4), Err(HandoverError::Unsealed));
    }
}

#[test]
fn the_longest_script_fits_and_a_longer_one_is_cut() {
    let memory = memory(4);
    let (area, _) = region(&memory, 4);
    let long: String = "é".repeat(crate::config::MAX_SCRIPT);
    area.prepare(&farewell(&long));
    area.seal(JUMP);
    let read = taken_farewell(&memory, 4).unwrap();
    assert_eq!(read.script.len(), crate::config::MAX_SCRIPT);
    assert_eq!((read.from.as_str(), read.to.as_str()), ("baton 0.1.0", "/baton.Image"));
}

#[test]
fn every_flipped_bit_under_the_seal_is_noticed() {
    let memory = memory(4);
    let (area, topology) = region(&memory, 4);
    area.prepare(&farewell("mem"));
    area.seal(JUMP);
    let sealed = memory[field::SEALED].load(Relaxed) as usize;
    let page = Page::new(&memory);
    for at in (0..sealed).chain([SEAL]) {
        for bit in 0..64 {
            memory[at].fetch_xor(1 << bit, Relaxed);
            assert!(page.facts().is_err(), "word {at} bit {bit}");
            memory[at].fetch_xor(1 << bit, Relaxed);
        }
    }
    assert!(area.take(&memory, &topology, LATER).is_ok());
}

#[test]
fn what_is_not_under_the_seal_changes_nothing() {
    let memory = memory(4);
    let (area, _) = region(&memory, 4);
    area.prepare(&farewell("mem"));
    area.seal(JUMP);
    let sealed = memory[field::SEALED].load(Relaxed) as usize;
    assert!(sealed < 100, "{sealed} words");
    memory[sealed..COPIED].iter().for_each(|word| word.store(u64::MAX, Relaxed));
    assert_eq!(taken_farewell(&memory, 4), Ok(farewell("mem")));
}

#[test]
fn a_copy_counts_only_if_its_time_lies_in_the_jump() {
    let memory = memory(4);
    let (area, _) = region(&memory, 4);
    for (said, counts) in [(JUMP - 1, false), (JUMP, true), (LATER, true), (LATER + 1, false)] {
        area.prepare(&farewell("mem"));
        area.seal(JUMP);
        memory[COPIED].store(said, Relaxed); // as the jump does, after the seal
        assert_eq!(taken(&memory, 4).unwrap().copied_at, counts.then_some(said));
    }
    area.prepare(&farewell("mem"));
    area.seal(JUMP);
    assert_eq!(taken(&memory, 4).unwrap().copied_at, None);
}

#[test]
fn a_page_that_nothing_was_prepared_on_stays_open() {
    let memory = memory(1);
    let (area, _) = region(&memory, 1);
    area.seal(5);
    assert_eq!(taken(&memory, 1), Err(HandoverError::Unsealed));
}

#[test]
fn garbage_and_small_regions_are_refused() {
    let memory = memory(8);
    assert_eq!(Area::new(&memory, &topology(9)).err(), Some(HandoverError::Small));
    assert_eq!(taken(&memory, 8), Err(HandoverError::Foreign));
    let (area, topology) = region(&memory, 8);
    let rings = (rings_for(8) / 8) as usize;
    for short in [&memory[..0], &memory[..PAGE_WORDS - 1], &memory[..rings - 1]] {
        area.prepare(&farewell("mem"));
        area.seal(JUMP);
        assert_eq!(area.take(short, &topology, LATER), Err(HandoverError::Small));
    }
}

#[test]
fn what_is_refused_leaves_a_clean_slate() {
    let memory = memory(2);
    let (area, topology) = region(&memory, 2);
    area.ring(7, CpuId(1)).unwrap().record(&event(7));
    memory[field::MAGIC].store(1, Relaxed);
    assert_eq!(area.take(&memory, &topology, LATER), Err(HandoverError::Foreign));
    assert_eq!(taken(&memory, 2), Err(HandoverError::Unsealed));
    assert_eq!(area.ring(7, CpuId(1)).unwrap().written(), 0);
}

#[test]
fn two_generations_use_two_banks() {
    let memory = memory(2);
    let (area, _) = region(&memory, 2);
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
