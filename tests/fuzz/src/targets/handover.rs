//! What an earlier kernel left in memory: the page of facts, the rings behind it, and the range that
//! the tree gives for both.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64 as Word, Ordering::Relaxed};

use baton::config::{MAX_CPUS, MAX_SCRIPT, PAGE};
use baton::cpu::{CpuMask, Mpidr, Topology};
use baton::handover::{Area, Farewell, HandoverError, Taken, bytes_for};
use baton::trace::{Event, Ring, ring_words};

use super::check_message;

const RING_EVENTS: usize = 16;
const PAGE_WORDS: usize = PAGE as usize / 8;
/// Words of the page's header: how many words are sealed, the first record. The copier's time,
/// which is not sealed, and the seal.
const SEALED: usize = 4;
const FIRST: usize = 5;
const COPIED: usize = PAGE_WORDS - 2;
const SEAL: usize = PAGE_WORDS - 1;
/// A kind of record that there is not, with two words.
const UNKNOWN: [u64; 3] = [0xfff0 | 1 << 16 | 2 << 32, u64::MAX, 0];
/// When the earlier kernel jumped, and when this one was entered, ticks.
const JUMP: u64 = 1 << 41;
const ENTRY: u64 = JUMP + 1000;

thread_local! {
    static MEMORY: OnceCell<Vec<Word>> = const { OnceCell::new() };
}

/// So many CPUs with the affinities 0, 1, 2 and so on, of which the last boots.
fn topology(cpus: usize) -> Topology {
    let mpidrs: Vec<Mpidr> = (0..cpus as u64).map(Mpidr::from_register).collect();
    Topology::new(&mpidrs, mpidrs[cpus - 1]).expect("the boot CPU is in the list")
}

/// The page as the fuzzer made the bytes; then the records of that page under a valid seal, which
/// only a kernel with a fault, or an enemy, would leave.
pub fn handover(data: &[u8]) -> bool {
    MEMORY.with(|memory| {
        let words = bytes_for(MAX_CPUS) / 8;
        let memory = memory.get_or_init(|| (0..words).map(|_| Word::new(0)).collect());
        let all = topology(MAX_CPUS);
        let area = Area::new(memory, &all).expect("the region is large enough");
        check_ring(data);
        fill(&memory[..PAGE_WORDS], &words_of(data));
        let raw = area.take(memory, &all, ENTRY);
        check_taken(&raw, &all);
        area.format(&all);
        lay(memory, &words_of(data));
        area.seal(JUMP);
        flipped(memory, &area, &all, data);
        sealed(memory, &area, &all, &words_of(data))
    })
}

/// A bit that is not as it was sealed is noticed, wherever.
fn flipped(memory: &[Word], area: &Area<'_>, all: &Topology, data: &[u8]) {
    let page: Vec<u64> = memory[..PAGE_WORDS].iter().map(|word| word.load(Relaxed)).collect();
    let sealed = page[SEALED] as usize;
    let chosen = data.iter().fold(data.len(), |sum, &byte| sum.wrapping_mul(31) + byte as usize);
    let at = Some(chosen / 64 % (sealed + 1)).filter(|&at| at < sealed).unwrap_or(SEAL);
    memory[at].fetch_xor(1 << (chosen % 64), Relaxed);
    let taken = area.take(memory, all, ENTRY);
    assert!(taken.is_err(), "word {at}, bit {}", chosen % 64);
    fill(&memory[..PAGE_WORDS], &page);
}

fn sealed(memory: &[Word], area: &Area<'_>, all: &Topology, records: &[u64]) -> bool {
    let taken = area.take(memory, all, ENTRY);
    check_taken(&taken, all);
    with_unknown(memory, area, all, records, &taken);
    with_other_cpus(memory, area, all, records, &taken);
    let Ok(Taken { farewell, jump_at, .. }) = taken else { return false };
    assert_eq!(jump_at, JUMP);
    let farewell = Farewell { quiesced: true, ..farewell };
    area.prepare(&farewell);
    area.seal(jump_at);
    let again = area.take(memory, all, ENTRY).expect("what was taken can be taken again");
    assert!(again.same_cpus && again.farewell == farewell);
    assert_eq!(area.take(memory, all, ENTRY), Err(HandoverError::Unsealed), "it is taken once");
    true
}

/// What is taken can be counted with and printed; what is not has a reason.
fn check_taken(taken: &Result<Taken, HandoverError>, topology: &Topology) {
    let taken = match taken {
        Ok(taken) => taken,
        Err(error) => return check_message(error),
    };
    let Farewell { generation, exec_at, spans, stress, .. } = taken.farewell;
    assert!(generation.checked_add(1).is_some());
    assert!(exec_at <= taken.jump_at && taken.jump_at <= ENTRY);
    assert!(taken.copied_at.is_none_or(|at| (taken.jump_at..=ENTRY).contains(&at)));
    let spans = [spans.migrate, spans.online_down, spans.grace, spans.stop, spans.off, spans.dead];
    let times = spans.into_iter().chain([taken.farewell.teardown_total]);
    let times = times.chain(taken.farewell.verify);
    assert!(times.max() <= Some(taken.jump_at - exec_at), "{taken:?}");
    assert!(stress.sent.checked_mul(2).is_some() && stress.handled.checked_mul(2).is_some());
    assert!(taken.farewell.bytes_copied.checked_mul(1000).is_some());
    assert!(taken.farewell.parked.and_not(&CpuMask::first(topology.len())).is_empty());
    let Farewell { script, from, to, .. } = &taken.farewell;
    assert!(script.len() <= MAX_SCRIPT);
    assert!(
        ![from, to].iter().any(|text| text.contains(char::is_control))
            && !script.contains('\u{1b}')
    );
}

/// A record of an unknown kind in front changes nothing.
fn with_unknown(
    memory: &[Word],
    area: &Area<'_>,
    all: &Topology,
    records: &[u64],
    taken: &Result<Taken, HandoverError>,
) {
    if FIRST + UNKNOWN.len() + records.len() <= COPIED {
        lay(memory, &[&UNKNOWN, records].concat());
        area.seal(JUMP);
        assert_eq!(area.take(memory, all, ENTRY), *taken);
    }
}

/// A kernel with two of the CPUs takes the same, but for CPUs that it does not have. The header of
/// the boot CPU's ring, and its first events, are what the fuzzer made.
fn with_other_cpus(
    memory: &[Word],
    area: &Area<'_>,
    all: &Topology,
    records: &[u64],
    taken: &Result<Taken, HandoverError>,
) {
    area.format(all);
    lay(memory, records);
    area.seal(JUMP);
    fill(&memory[PAGE_WORDS..][..64], records);
    let two = topology(2);
    let small = Area::new(memory, &two).expect("the region is large enough");
    let other = small.take(memory, &two, ENTRY);
    check_taken(&other, &two);
    match (other, taken) {
        (Ok(other), Ok(taken)) => {
            assert!(!other.same_cpus && other.farewell.generation == taken.farewell.generation);
            assert_eq!(other.farewell.script, taken.farewell.script);
            let events = two.cpus().flat_map(|cpu| {
                let ring = small.ring(taken.farewell.generation, cpu).expect("a CPU of the two");
                ring.events().collect::<Vec<Event>>()
            });
            events.for_each(|event| assert!(event.cpu.index() < two.len(), "{event:?}"));
        }
        (other, taken) => assert_eq!(other.map(|_| ()), taken.clone().map(|_| ())),
    }
    area.format(all);
}

/// Words as the records of a page that is to be sealed.
fn lay(memory: &[Word], records: &[u64]) {
    fill(&memory[FIRST..COPIED], records);
    memory[SEALED].store((FIRST + records.len()).min(COPIED) as u64, Relaxed);
}

fn words_of(data: &[u8]) -> Vec<u64> {
    let words = data.chunks(8).map(|chunk| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(bytes)
    });
    words.collect()
}

fn fill(words: &[Word], values: &[u64]) {
    let values = values.iter().copied().chain(std::iter::repeat(0));
    words.iter().zip(values).for_each(|(word, value)| word.store(value, Relaxed));
}

/// Events of a foreign ring are events, and are written as they were read.
fn check_ring(data: &[u8]) {
    let words: Vec<Word> = (0..ring_words(RING_EVENTS)).map(|_| Word::new(0)).collect();
    fill(&words, &words_of(data));
    let ring = Ring::new(&words).expect("the ring has the right size");
    let events: Vec<Event> = ring.events().collect();
    assert!(events.len() <= RING_EVENTS && ring.lost() <= ring.written());
    for event in events {
        assert_eq!(Event::decode(event.encode()), Some(event));
    }
}
