//! What an earlier kernel left in memory: the page of facts, and a ring of events.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64 as Word, Ordering::Relaxed};

use baton::config::{MAX_SCRIPT, PAGE};
use baton::cpu::CpuId;
use baton::handover::{Area, Farewell, HandoverError, bytes_for};
use baton::trace::{Event, Ring, ring_words};

use super::check_message;

const CPUS: usize = 2;
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

thread_local! {
    static MEMORY: OnceCell<Vec<Word>> = const { OnceCell::new() };
}

/// The page as the fuzzer made the bytes; then the records of that page under a valid seal, which
/// only a kernel with a fault would leave.
pub fn handover(data: &[u8]) -> bool {
    MEMORY.with(|memory| {
        let words = bytes_for(CPUS) / 8;
        let memory = memory.get_or_init(|| (0..words).map(|_| Word::new(0)).collect());
        let area = Area::new(memory, CPUS, CpuId(1)).expect("the region is large enough");
        check_ring(data);
        fill(&memory[..PAGE_WORDS], &words_of(data));
        let raw = area.take();
        area.format();
        lay(memory, &words_of(data));
        assert!(raw.is_ok() || area.take() == Err(HandoverError::Unsealed));
        area.seal(99);
        flipped(memory, &area, data);
        sealed(memory, &area, &words_of(data))
    })
}

/// A bit that is not as it was sealed is noticed, wherever.
fn flipped(memory: &[Word], area: &Area<'_>, data: &[u8]) {
    let sealed = memory[SEALED].load(Relaxed) as usize;
    let chosen = data.iter().fold(data.len(), |sum, &byte| sum.wrapping_mul(31) + byte as usize);
    let at = Some(chosen / 64 % (sealed + 1)).filter(|&at| at < sealed).unwrap_or(SEAL);
    memory[at].fetch_xor(1 << (chosen % 64), Relaxed);
    assert!(!area.is_sealed() && area.take().is_err(), "word {at}, bit {}", chosen % 64);
    memory[at].fetch_xor(1 << (chosen % 64), Relaxed);
}

fn sealed(memory: &[Word], area: &Area<'_>, records: &[u64]) -> bool {
    let taken = area.take();
    with_unknown(memory, area, records, &taken);
    let (farewell, at) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            assert!(!matches!(error, HandoverError::Small | HandoverError::Foreign), "{error}");
            check_message(error);
            return false;
        }
    };
    assert_eq!(at, 99);
    assert!(farewell.script.len() <= MAX_SCRIPT);
    area.prepare(&farewell);
    area.seal(at);
    assert_eq!(area.take(), Ok((farewell, at)));
    assert_eq!(area.take(), Err(HandoverError::Unsealed), "it is taken once");
    true
}

/// A record of an unknown kind in front changes nothing.
fn with_unknown(
    memory: &[Word],
    area: &Area<'_>,
    records: &[u64],
    taken: &Result<(Farewell, u64), HandoverError>,
) {
    if FIRST + UNKNOWN.len() + records.len() <= COPIED {
        lay(memory, &[&UNKNOWN, records].concat());
        area.seal(99);
        assert_eq!(area.take(), *taken);
    }
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
