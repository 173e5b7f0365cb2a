//! What crosses the jump: a region of RAM that the next kernel finds through its device tree
//! (`/chosen` `baton,handover`) and leaves in place.
//!
//! The region starts with one page of facts about the last jump, followed by two banks of trace
//! rings; its end has the results of the run (`store.rs`). A kernel writes to the bank of its generation's parity, so that the next kernel can read
//! its predecessor's teardown while recording its own bring-up.
//!
//! The whole region consists of plain 64-bit words. The page is closed by a seal. Without a valid
//! seal, or if a value is out of the range that a kernel writes, the next kernel starts with a clean
//! slate and says why.
//!
//! The next kernel may have other CPUs, or other numbers for the same CPUs. So each ring is labelled
//! with the affinity of its CPU, and what the next kernel takes over is told by affinity: events and
//! parked CPUs get the next kernel's numbers, and those of CPUs that it does not have are left out.
//!
//! | word of the page | contents |
//! | --- | --- |
//! | 0 | magic |
//! | 1 | layout of this table; not that of the records |
//! | 2 | CPUs of the machine |
//! | 3 | time of the jump, ticks |
//! | 4 | how many words are under the seal, this header included |
//! | 5 and on | records, one after the other; an end record, or the end of what is sealed |
//! | 510 | when the copier was done, ticks; 0 if there was nothing to copy. Not under the seal |
//! | 511 | the seal: a checksum of the words before |
//!
//! A record is a header word and its payload:
//!
//! | bits of the header word | contents |
//! | --- | --- |
//! | 0..16 | kind; 0 is the end |
//! | 16..32 | version of the kind, from 1 |
//! | 32..64 | words of the payload |
//!
//! | kind | payload, by word | missing |
//! | --- | --- | --- |
//! | 1 jump | generation, time of exec, bytes that the jump moves | refused |
//! | 2 quiesced | none: the machine is left quiet | no promise |
//! | 3 parked | 8 words: a bit for each CPU that is parked for good | refused |
//! | 4 teardown | mode (0 serial, 1 parallel), CPUs, total; the six spans, in order | refused |
//! | 5 verify | ticks of the second look | no second look |
//! | 6 cycle | jumps done, jumps asked for | no cycle |
//! | 7 stress | on (0, 1), interrupts sent, interrupts handled | off |
//! | 8 script | text | no commands |
//! | 9 names | text of the kernel that jumps, text of the next | empty |
//! | 10 rings | layout of an event, sum of the names, events in the boot ring, in others | no events |
//! | 11 grace | once (or each), modelled ticks a second; only if not those of the mode | those of the mode, no ticks |
//!
//! The spans are those of [`Spans`](crate::trace::Spans). A text is its length in bytes, then its
//! bytes, eight to a word.
//!
//! The values of each record have ranges, which `range.rs` lists. A reader skips kinds that it does
//! not know. A later version of a kind only appends words, so a
//! reader takes the front that it knows. Two records of one kind, and a length that runs past what
//! is sealed, make the page unusable. So what must survive can be added, as another kind or at the
//! end of one, and an earlier kernel still reads what it knows.

mod banks;
mod error;
mod facts;
mod farewell;
mod page;
mod range;
mod record;
mod store;
mod take;
mod warm;

pub use error::HandoverError;
pub use facts::{CycleCount, StressCount};
pub use farewell::Farewell;
pub use page::COPIED_AT;
pub use record::FactKind;
pub use store::bytes_for as results_bytes;
pub use take::Taken;
pub use warm::{Entered, LpisLeftOn, Warm, WarmError, record as warm_record};

use banks::{Banks, bank_words};
use page::{PAGE_WORDS, Page};

use crate::config::{MAX_CPUS, MAX_HANDOVER, PAGE};
use crate::cpu::{CpuId, Topology};
use crate::results::{Document, ResultsError};
use crate::sync::words::Word;
use crate::trace::Ring;

const _: () = assert!(bytes_for(MAX_CPUS) <= MAX_HANDOVER);

/// Bytes that the region needs for `cpus` CPUs, in whole pages.
pub const fn bytes_for(cpus: usize) -> u64 {
    rings_for(cpus) + store::bytes_for(cpus)
}

/// Of these, the page and the banks.
const fn rings_for(cpus: usize) -> u64 {
    let words = PAGE_WORDS + 2 * bank_words(cpus);
    (words as u64 * 8).next_multiple_of(PAGE)
}

/// This kernel's region.
#[derive(Clone, Copy)]
pub struct Area<'a> {
    words: &'a [Word],
    cpus: usize,
    boot: CpuId,
}

impl<'a> Area<'a> {
    /// Over `words`, for the CPUs of `topology`.
    ///
    /// # Errors
    /// [`HandoverError::Small`].
    pub fn new(words: &'a [Word], topology: &Topology) -> Result<Self, HandoverError> {
        let cpus = topology.len();
        let enough = words.len() as u64 * 8 >= bytes_for(cpus);
        enough.then_some(Self { words, cpus, boot: topology.boot() }).ok_or(HandoverError::Small)
    }

    /// Clears the region: no farewell, no events. The rings are labelled for `topology`.
    pub fn format(&self, topology: &Topology) {
        self.page().clear(self.cpus);
        (0..2).for_each(|generation| self.banks().label(generation, topology));
    }

    /// The results of the run that kernels before this one have kept.
    ///
    /// # Errors
    /// Why there are none.
    pub fn results(&self) -> Result<Document, ResultsError> {
        store::read(self.words)
    }

    /// Keeps the results of the run; if there is no room for all, without the oldest. Not while
    /// anything is timed.
    pub fn keep_results(&self, document: &mut Document) {
        store::lay(self.words, rings_for(self.cpus), self.cpus);
        let room = store::room(self.words);
        document.shrink(room);
        if document.bytes() <= room {
            store::write(self.words, document);
        }
    }

    /// There are no results: a new run begins.
    pub fn forget_results(&self) {
        store::forget(self.words);
    }

    /// Lays the farewell down. May be done again until the jump.
    pub fn prepare(&self, farewell: &Farewell) {
        self.page().prepare(self.cpus, farewell);
    }

    /// Writes the time of the jump and closes the page. Loads and stores only: this is after the
    /// point of no return. A page on which nothing was prepared stays open.
    pub fn seal(&self, jump_at: u64) {
        self.page().seal(jump_at);
    }

    /// The ring of a CPU in the bank of a generation; `None` past the number of CPUs.
    pub fn ring(&self, generation: u32, cpu: CpuId) -> Option<Ring<'a>> {
        if cpu == self.boot {
            return self.banks().boot_ring(generation);
        }
        self.banks().row(generation, cpu.index())
    }

    /// Empties the bank of a generation, which is that of the kernel before the last.
    pub fn clear_rings(&self, generation: u32) {
        self.rings(generation).for_each(|ring| ring.clear());
    }

    /// The rings of all CPUs in the bank of a generation, by CPU.
    pub fn rings(&self, generation: u32) -> impl Iterator<Item = Ring<'a>> + use<'a> {
        self.banks().by_cpu(generation, self.boot)
    }

    fn page(&self) -> Page<'a> {
        Page::new(self.words)
    }

    fn banks(&self) -> Banks<'a> {
        Banks::new(self.words, self.cpus)
    }
}

#[cfg(test)]
mod tests;
