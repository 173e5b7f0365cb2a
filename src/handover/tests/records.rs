use std::format;
use std::vec;

use super::*;
use crate::cpu::CpuMask;

/// A record as it is on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
struct RawRecord {
    kind: u16,
    version: u16,
    words: Vec<u64>,
}

impl RawRecord {
    fn header(&self) -> u64 {
        u64::from(self.kind) | u64::from(self.version) << 16 | (self.words.len() as u64) << 32
    }
}

/// The records of [`farewell`].
fn said() -> Vec<RawRecord> {
    let memory = memory(4);
    let (area, _) = region(&memory, 4);
    area.prepare(&farewell("mem"));
    let sealed = memory[field::SEALED].load(Relaxed) as usize;
    let words: Vec<u64> = memory[field::RECORDS..sealed].iter().map(|w| w.load(Relaxed)).collect();
    let (mut records, mut rest) = (vec![], &words[..]);
    while let [header, after @ ..] = rest {
        let (words, next) = after.split_at((header >> 32) as usize);
        records.push(RawRecord {
            kind: *header as u16,
            version: (header >> 16) as u16,
            words: words.into(),
        });
        rest = next;
    }
    assert_eq!(records.pop().map(|end| end.header()), Some(0));
    records
}

/// Puts words on the page as records, and seals the page.
fn seal_words(memory: &[Word], words: &[u64]) {
    let page = Page::new(memory);
    page.write_header(4, field::RECORDS + words.len());
    let records = memory[field::RECORDS..].iter().zip(words);
    records.for_each(|(word, &value)| word.store(value, Relaxed));
    page.seal(JUMP);
}

/// What the next kernel takes from a page with these words.
fn taken_words(words: &[u64]) -> Result<Farewell, HandoverError> {
    let memory = memory(4);
    region(&memory, 4);
    seal_words(&memory, words);
    taken_farewell(&memory, 4)
}

fn words(records: &[RawRecord]) -> Vec<u64> {
    records.iter().flat_map(|raw| [vec![raw.header()], raw.words.clone()].concat()).collect()
}

fn taken(records: &[RawRecord]) -> Result<Farewell, HandoverError> {
    taken_words(&words(records))
}

fn without(kind: FactKind) -> Vec<RawRecord> {
    said().into_iter().filter(|raw| raw.kind != kind as u16).collect()
}

#[test]
fn every_kind_is_written_once_with_version_1() {
    let kinds: Vec<(u16, u16)> = said().iter().map(|raw| (raw.kind, raw.version)).collect();
    assert_eq!(kinds, FactKind::ALL.map(|kind| (kind as u16, 1)));
    assert_eq!(taken(&said()), Ok(farewell("mem")));
}

#[test]
fn records_come_in_any_order() {
    let reversed: Vec<RawRecord> = said().into_iter().rev().collect();
    assert_eq!(taken(&reversed), Ok(farewell("mem")));
}

#[test]
fn unknown_kinds_are_skipped_wherever() {
    for kind in [12, 0x8000, u16::MAX] {
        for at in 0..=said().len() {
            let mut records = said();
            records.insert(at, RawRecord { kind, version: 0, words: vec![u64::MAX; 9] });
            records.insert(at, RawRecord { kind, version: 7, words: vec![] });
            assert_eq!(taken(&records), Ok(farewell("mem")), "kind {kind} at {at}");
        }
    }
}

#[test]
fn of_a_later_version_the_front_is_read() {
    for at in 0..said().len() {
        let mut records = said();
        records[at].version = 2;
        records[at].words.push(u64::MAX);
        assert_eq!(taken(&records), Ok(farewell("mem")), "{:?}", records[at]);
    }
}

#[test]
fn a_payload_of_another_length_is_malformed() {
    for (at, kind) in FactKind::ALL.into_iter().enumerate().filter(|(_, k)| *k != FactKind::Rings) {
        let malformed = Err(HandoverError::Malformed(kind));
        let mut longer = said();
        longer[at].words.push(0);
        let seen = taken(&longer);
        // No word of this record is ever read.
        assert!(seen == malformed || kind == FactKind::Quiesced, "{kind} longer: {seen:?}");
        for version in [1, 2] {
            let mut shorter = said();
            shorter[at].version = version;
            let cut = shorter[at].words.pop().is_some();
            assert!(!cut || taken(&shorter) == malformed, "{kind} shorter");
        }
        let mut none = said();
        none[at].version = 0;
        assert_eq!(taken(&none), malformed, "{kind} of version 0");
    }
}

#[test]
fn values_that_no_kernel_writes_are_malformed() {
    let wrong = [
        (FactKind::Jump, 0, 1 << 32),
        (FactKind::Teardown, 0, 2),
        (FactKind::Teardown, 1, 1 << 32),
        (FactKind::Cycle, 1, 1 << 32),
        (FactKind::Grace, 0, 2),
        (FactKind::Grace, 1, 1 << 32),
        (FactKind::Stress, 0, 2),
        (FactKind::Script, 0, crate::config::MAX_SCRIPT as u64 + 1),
        (FactKind::Script, 1, 0xff),
        (FactKind::Names, 0, u64::MAX),
    ];
    for (kind, word, value) in wrong {
        let mut records = said();
        records[kind as usize - 1].words[word] = value;
        assert_eq!(taken(&records), Err(HandoverError::Malformed(kind)), "{kind} {word}");
    }
}

#[test]
fn a_missing_record_is_an_error_or_its_default() {
    let all = farewell("mem");
    let expect = |kind| match kind {
        FactKind::Jump | FactKind::Parked | FactKind::Teardown => Err(HandoverError::Missing(kind)),
        FactKind::Verify => Ok(Farewell { verify: None, ..all.clone() }),
        FactKind::Grace => Ok(Farewell { grace: Grace::Once, tick_hz: None, ..all.clone() }),
        FactKind::Cycle => Ok(Farewell { cycle: CycleCount::default(), ..all.clone() }),
        FactKind::Stress => Ok(Farewell { stress: StressCount::default(), ..all.clone() }),
        FactKind::Script => Ok(Farewell { script: String::new(), ..all.clone() }),
        FactKind::Names => Ok(Farewell { from: String::new(), to: String::new(), ..all.clone() }),
        FactKind::Quiesced => Ok(Farewell { quiesced: false, ..all.clone() }),
        // Without the rings it is not known which CPU had which number.
        FactKind::Rings => Ok(Farewell { parked: CpuMask::EMPTY, ..all.clone() }),
    };
    for kind in FactKind::ALL {
        assert_eq!(taken(&without(kind)), expect(kind), "{kind}");
    }
}

#[test]
fn twins_are_refused() {
    for (at, kind) in FactKind::ALL.into_iter().enumerate() {
        let mut records = said();
        records.push(records[at].clone());
        assert_eq!(taken(&records), Err(HandoverError::Twice(kind)));
    }
}

#[test]
fn a_length_past_what_is_sealed_is_no_sealed_page() {
    for length in [1, 400, u64::from(u32::MAX)] {
        let mut words = words(&said());
        words.push(12 | 1 << 16 | length << 32);
        assert_eq!(taken_words(&words), Err(HandoverError::Unsealed), "{length} words");
    }
}

/// Wherever the page is cut: a parked CPU is told if its number is known. If not, the next kernel
/// asks firmware, which says that the CPU is on.
#[test]
fn a_page_cut_short_never_tells_a_parked_cpu_by_an_unknown_number() {
    let words = words(&said());
    let plain = Farewell { grace: Grace::Once, tick_hz: None, ..farewell("mem") };
    for end in 0..=words.len() {
        match taken_words(&words[..end]) {
            Ok(taken) if end == words.len() => assert_eq!(taken, farewell("mem")),
            // The grace periods come last, behind the rings, which have the numbers.
            Ok(taken) if taken == plain => {}
            Ok(taken) => assert!(taken.parked.is_empty(), "cut at {end}"),
            Err(why) => assert!(!matches!(why, HandoverError::Foreign), "cut at {end}"),
        }
    }
}

#[test]
fn after_an_end_record_nothing_is_read() {
    let mut words = words(&said());
    words.extend([0, 1 | 1 << 16 | 400 << 32]);
    assert_eq!(taken_words(&words), Ok(farewell("mem")));
}

#[test]
fn a_number_of_sealed_words_that_cannot_be_is_not_sealed() {
    for sealed in [0, field::RECORDS - 1, COPIED + 1, usize::MAX] {
        let memory = memory(4);
        let (area, _) = region(&memory, 4);
        area.prepare(&farewell("mem"));
        memory[field::SEALED].store(sealed as u64, Relaxed);
        area.seal(JUMP);
        assert_eq!(taken_farewell(&memory, 4), Err(HandoverError::Unsealed), "{sealed} words");
    }
}

/// Lays the records down with an event in the bank of generation 7; returns what is taken, and how
/// many events there are then.
fn taken_and_events(records: &[RawRecord]) -> (Taken, usize) {
    let memory = memory(4);
    let (area, topology) = region(&memory, 4);
    let ring = area.ring(7, CpuId(2)).unwrap();
    ring.record(&event(7));
    seal_words(&memory, &words(records));
    let taken = area.take(&memory, &topology, LATER).unwrap();
    (taken, ring.events().count())
}

#[test]
fn events_that_mean_something_else_are_not_read_and_the_facts_are() {
    let (whole, events) = taken_and_events(&said());
    assert_eq!((&whole.farewell, events), (&farewell("mem"), 1));
    for meaning in [0, 1] {
        let mut records = said();
        records[FactKind::Rings as usize - 1].words[meaning] ^= 1;
        assert_eq!(taken_and_events(&records), (whole.clone(), 0), "word {meaning}");
    }
}

#[test]
fn of_rings_that_lie_elsewhere_no_label_is_read() {
    let mut cases: Vec<Vec<RawRecord>> = [2, 3].map(|_| said()).into();
    for (case, word) in cases.iter_mut().zip([2, 3]) {
        case[FactKind::Rings as usize - 1].words[word] ^= 1;
    }
    let mut short = said();
    short[FactKind::Rings as usize - 1].words.pop();
    cases.extend([short, without(FactKind::Rings)]);
    for records in cases {
        let (taken, events) = taken_and_events(&records);
        let farewell = Farewell { parked: CpuMask::EMPTY, ..farewell("mem") };
        assert_eq!((taken.farewell, taken.same_cpus, events), (farewell, false, 0));
    }
}

#[test]
fn without_the_promise_the_machine_is_not_taken_for_quiet() {
    let (taken, events) = taken_and_events(&without(FactKind::Quiesced));
    assert_eq!((taken.farewell.quiesced, taken.same_cpus, events), (false, true, 1));
}

#[test]
fn each_error_names_the_record() {
    for kind in FactKind::ALL {
        for error in [HandoverError::Missing, HandoverError::Twice, HandoverError::Malformed] {
            assert!(format!("{}", error(kind)).contains(kind.name()));
        }
    }
}
