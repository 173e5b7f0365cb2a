//! What an earlier kernel left in memory: the page of facts, and a ring of events.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64 as Word, Ordering::Relaxed};

use baton::config::{MAX_SCRIPT, PAGE};
use baton::cpu::CpuId;
use baton::handover::{Area, HandoverError, bytes_for};
use baton::trace::{Event, Ring, ring_words};

use super::check_message;

const CPUS: usize = 2;
const RING_EVENTS: usize = 16;
const PAGE_WORDS: usize = PAGE as usize / 8;
/// First word of the page that is not fixed, and the seal.
const FIRST: usize = 8;
const SEAL: usize = PAGE_WORDS - 1;

thread_local! {
    static MEMORY: OnceCell<Vec<Word>> = const { OnceCell::new() };
}

/// The page as it comes; then under a valid seal, as only a kernel that is wrong would leave it.
pub fn handover(data: &[u8]) -> bool {
    MEMORY.with(|memory| {
        let words = bytes_for(CPUS) / 8;
        let memory = memory.get_or_init(|| (0..words).map(|_| Word::new(0)).collect());
        let area = Area::new(memory, CPUS, CpuId(1)).expect("the region is large enough");
        check_ring(data);
        fill(&memory[..PAGE_WORDS], data);
        let raw = area.take();
        area.format();
        fill(&memory[FIRST..SEAL], data);
        assert!(raw.is_ok() || area.take() == Err(HandoverError::Unsealed));
        area.seal(99);
        sealed(&area)
    })
}

fn sealed(area: &Area<'_>) -> bool {
    let (farewell, at) = match area.take() {
        Ok(taken) => taken,
        Err(error) => {
            assert_eq!(error, HandoverError::Unsealed);
            check_message(error);
            return false;
        }
    };
    assert_eq!((at, area.take()), (99, Err(HandoverError::Unsealed)), "it is taken once");
    assert!(farewell.script.len() <= MAX_SCRIPT);
    area.prepare(&farewell);
    area.seal(at);
    assert_eq!(area.take(), Ok((farewell, at)));
    true
}

fn fill(words: &[Word], data: &[u8]) {
    let values = data.chunks(8).map(|chunk| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(bytes)
    });
    words
        .iter()
        .zip(values.chain(std::iter::repeat(0)))
        .for_each(|(word, v)| word.store(v, Relaxed));
}

/// Events of a foreign ring are events, and are written as they were read.
fn check_ring(data: &[u8]) {
    let words: Vec<Word> = (0..ring_words(RING_EVENTS)).map(|_| Word::new(0)).collect();
    fill(&words, data);
    let ring = Ring::new(&words).expect("the ring has the right size");
    let events: Vec<Event> = ring.events().collect();
    assert!(events.len() <= RING_EVENTS && ring.lost() <= ring.written());
    for event in events {
        assert_eq!(Event::decode(event.encode()), Some(event));
    }
}
