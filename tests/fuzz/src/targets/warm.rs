//! What a kernel tells the next one of the machine, under a valid seal: only a kernel with a fault, or
//! an enemy, would leave another one than a kernel writes.

use baton::cpu::Mpidr;
use baton::handover::{Entered, Warm};
use baton::memory::Range;

use super::check_message;

/// Words before the machine, and the word of the seal.
const FIXED: usize = 11;
const SEAL: usize = 3;

const IMAGE: Range = Range::new(0x4020_0000, 0x4034_1000);
const DTB: Range = Range::new(0x4800_0000, 0x4800_8000);
const HEAP: Range = Range::new(0x7800_0000, 0x8000_0000);

/// The bytes as they are, and as the machine of a record whose other words are right.
pub fn warm(data: &[u8]) -> bool {
    let entered = Entered { boot: Mpidr::from_register(0), image: IMAGE, dtb: DTB };
    if let Err(why) = Warm::open(data, &entered) {
        check_message(why);
    }
    let record = sealed(data);
    let warm = Warm::open(&record, &entered).expect("the fixed words are right");
    match warm.read() {
        Ok((machine, params)) => {
            machine.apart_from(&machine.memory).expect("checked by the reader");
            let inside = |range: Range| machine.memory.iter().any(|bank| bank.covers(&range));
            assert!(inside(HEAP) && machine.memory.is_sorted());
            assert!([params.initrd, params.handover].into_iter().flatten().all(inside));
            true
        }
        Err(why) => {
            check_message(why);
            false
        }
    }
}

fn sealed(data: &[u8]) -> Vec<u8> {
    let words = data.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    let count = (FIXED + data.len() / 8) as u64;
    let fixed = [u64::from_le_bytes(*b"batonwrm"), 1, count, 0, 0];
    let ranges = [IMAGE, DTB, HEAP].into_iter().flat_map(|range| [range.start, range.end]);
    let mut all: Vec<u64> = fixed.into_iter().chain(ranges).chain(words).collect();
    let fold = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(32);
    let counted = all.iter().enumerate().filter(|(at, _)| *at != SEAL).map(|(_, word)| *word);
    all[SEAL] = counted.fold(0xcbf2_9ce4_8422_2325, fold).max(1);
    all.iter().flat_map(|word| word.to_le_bytes()).collect()
}
