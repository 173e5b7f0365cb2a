//! The results of a run go from kernel to kernel.

use super::*;
use crate::results::{Document, Entry, Kind, ResultsError};

fn results(lines: &str) -> Document {
    let mut document = Document::default();
    document.push(Entry::new(Kind::Records, 0, 7, lines), 1 << 20);
    document
}

/// A kernel with `old` CPUs keeps results and jumps.
fn left(old: u64, results: &Document) -> Vec<Word> {
    let memory = memory(old as usize);
    let (area, _) = region(&memory, old);
    area.keep_results(&mut results.clone());
    area.prepare(&farewell("mem"));
    area.seal(JUMP);
    memory
}

#[test]
fn results_cross_to_the_same_to_fewer_and_to_more_cpus() {
    let results = results("@baton a\n@baton b\n");
    for new in [4, 2] {
        let memory = left(4, &results);
        let topology = topology(new);
        let area = Area::new(&memory, &topology).unwrap();
        area.take(&memory, &topology, LATER).unwrap();
        assert_eq!(area.results().as_ref(), Ok(&results), "{new} CPUs");
    }
    // More CPUs than the region has room for: another region.
    let (old, fresh) = (left(4, &results), memory(9));
    let topology = topology(9);
    let area = Area::new(&fresh, &topology).unwrap();
    area.take(&old, &topology, LATER).unwrap();
    assert_eq!(area.results().as_ref(), Ok(&results));
}

#[test]
fn more_than_there_is_room_for_goes_without_the_oldest() {
    let memory = memory(2);
    let (area, _) = region(&memory, 2);
    area.forget_results();
    let mut document = Document::default();
    // What does not pack: the texts of a generator.
    let mut word = 1u32;
    let mut noise = || {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b' ' + (word >> 24) as u8 % 90)
    };
    for generation in 0..9 {
        let text: String = (0..10_000).map(|_| noise()).collect();
        document.push(Entry::new(Kind::Records, 0, generation, &text), 1 << 20);
    }
    area.keep_results(&mut document);
    assert!(document.dropped() > 0 && document.bytes() as u64 <= store::bytes_for(2));
    assert_eq!(area.results(), Ok(document));
}

#[test]
fn an_earlier_kernel_whose_region_has_no_place_for_results_is_taken_over() {
    let memory = left(4, &results("a"));
    let rings = (rings_for(4) / 8) as usize;
    let old: Vec<Word> = memory[..rings].iter().map(|w| Word::new(w.load(Relaxed))).collect();
    let (fresh, topology) = (self::memory(4), topology(4));
    let area = Area::new(&fresh, &topology).unwrap();
    assert_eq!(area.take(&old, &topology, LATER).unwrap().farewell.generation, 7);
    assert_eq!(area.results(), Err(ResultsError::Foreign));
}

#[test]
fn a_clean_slate_has_no_results_and_damaged_ones_are_named() {
    let memory = left(3, &results("a"));
    memory[SEAL].store(0, Relaxed);
    let topology = topology(3);
    let area = Area::new(&memory, &topology).unwrap();
    assert!(area.results().is_ok());
    area.take(&memory, &topology, LATER).unwrap_err();
    assert_eq!(area.results(), Err(ResultsError::Foreign));
    area.keep_results(&mut results("a"));
    let at = memory.len() - store::bytes_for(3) as usize / 8 + 3;
    memory[at].store(memory[at].load(Relaxed) ^ 1, Relaxed);
    assert_eq!(area.results(), Err(ResultsError::Crc));
}
