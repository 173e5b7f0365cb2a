//! The memory of the loaded kernel: written, read back, made read-only.

use alloc::format;
use alloc::string::{String, ToString};

use crate::kernel::{Level, Reporter};
use crate::kexec::{LoadPart, Loaded, Plan, Segment};
use crate::machine::Memory;
use crate::memory::{Map, Owner, Range};

/// What a level 2 entry of the page tables maps.
const BLOCK: u64 = 2 << 20;

/// Writes every segment to its place and cleans that memory to the point of coherency.
pub(super) fn write<'b>(memory: &dyn Memory, plan: &Plan, contents: impl Fn(LoadPart) -> &'b [u8]) {
    for segment in &plan.segments {
        let bytes = contents(segment.what);
        memory.write(segment.dest.start, bytes);
        let rest = Range::new(segment.dest.start + bytes.len() as u64, segment.dest.end);
        memory.zero(rest);
        memory.clean(segment.dest);
    }
}

/// Hashes what memory holds of every segment.
///
/// # Errors
/// The first segment that memory does not hold as written.
pub(super) fn read_back(memory: &dyn Memory, plan: &Plan) -> Result<(), String> {
    let good = |segment: &Segment| segment.verify(memory.bytes(segment.dest));
    plan.segments.iter().try_for_each(good).map_err(|e| e.to_string())
}

/// Makes memory of the loaded kernel read-only; `None` if that can't be done at this place. Where
/// memory is mapped in blocks of 2 MiB, only whole blocks can be protected: a block qualifies if no
/// part belongs to an owner that writes.
pub(super) fn guard(
    out: &mut Reporter,
    memory: &dyn Memory,
    map: &Map,
    range: Range,
) -> Option<Range> {
    let idle = |r: &Range| only_loaded(map, *r);
    let whole = range.grow_to(BLOCK).filter(idle);
    let inner = range.shrink_to(BLOCK);
    let choices = [whole, Some(range), Some(inner)].into_iter().flatten();
    let found = choices.filter(|r| !r.is_empty()).find(|r| memory.protect(*r, true));
    if !found.is_some_and(|found| found.covers(&range)) {
        let kept = found.map_or(String::from("none"), |r| r.to_string());
        let text = format!("of {range}, where it is loaded, {kept} is read-only");
        out.say(Level::Warning, &text);
    }
    found
}

/// Makes what is read-only of a loaded kernel's memory writable again.
pub(super) fn unguard(memory: &dyn Memory, loaded: &Loaded) {
    for &range in &loaded.guarded {
        memory.protect(range, false);
    }
}

/// True if no part of the range is written as long as a kernel is loaded. The running kernel's tree
/// and initrd are only read, and free memory is given only to another load, which ends the present
/// one.
fn only_loaded(map: &Map, range: Range) -> bool {
    let here = map.regions().filter(|region| region.range.overlaps(&range));
    let idle = |o| matches!(o, Owner::Segment | Owner::Free | Owner::Dtb | Owner::Initrd);
    here.clone().count() > 0 && here.into_iter().all(|region| idle(region.owner))
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use std::sync::Mutex;
    use std::vec::Vec;

    use super::*;
    use crate::sync::words::Word;

    /// Memory that can be protected in the units of its page tables: `unit` bytes.
    struct Blocks {
        unit: u64,
        protected: Mutex<Vec<(Range, bool)>>,
    }

    impl Memory for Blocks {
        fn bytes(&self, _: Range) -> &'static [u8] {
            &[]
        }

        fn words(&self, _: Range) -> &'static [Word] {
            &[]
        }

        fn write(&self, _: u64, _: &[u8]) {}

        fn zero(&self, _: Range) {}

        fn clean(&self, _: Range) {}

        fn protect(&self, range: Range, on: bool) -> bool {
            let whole = [range.start, range.end].iter().all(|at| at.is_multiple_of(self.unit));
            if whole {
                self.protected.lock().unwrap().push((range, on));
            }
            whole
        }

        fn prepare_copy(
            &self,
            _: &crate::machine::Relocation,
            _: u64,
            _: u64,
        ) -> Result<(), String> {
            Ok(())
        }
    }

    const RAM: Range = Range::new(0x4000_0000, 0x4800_0000);
    const SEGMENT: Range = Range::new(0x4200_0000, 0x4251_0000);

    /// What of [`SEGMENT`] becomes read-only, and what is said; `heap` is also in use.
    fn guarded(unit: u64, heap: Option<Range>) -> (Option<Range>, String) {
        let mut map = Map::new(&[RAM]);
        map.claim(SEGMENT, Owner::Segment).unwrap();
        heap.iter().for_each(|&range| map.claim(range, Owner::Heap).unwrap());
        let memory = Blocks { unit, protected: Mutex::default() };
        let (mut out, paper) = Reporter::on_paper(6);
        let found = guard(&mut out, &memory, &map, SEGMENT);
        let calls: Vec<_> = found.map(|range| (range, true)).into_iter().collect();
        assert_eq!(*memory.protected.lock().unwrap(), calls);
        (found, paper.read())
    }

    #[test]
    fn whole_blocks_are_read_only_where_no_owner_writes() {
        let whole = Range::new(0x4200_0000, 0x4260_0000);
        assert_eq!(guarded(BLOCK, None), (Some(whole), String::new()));
    }

    #[test]
    fn a_block_that_the_heap_shares_stays_writable_and_is_named() {
        let heap = Range::new(0x4258_0000, 0x4300_0000);
        let (found, said) = guarded(BLOCK, Some(heap));
        assert_eq!(found, Some(Range::new(0x4200_0000, 0x4240_0000)));
        let wanted =
            format!("warning: of {SEGMENT}, where it is loaded, {} is read-only\n", found.unwrap());
        assert_eq!(said, wanted);
        // Where memory is mapped in pages, the segment alone is protected.
        assert_eq!(guarded(0x1000, Some(heap)), (Some(SEGMENT), String::new()));
    }

    #[test]
    fn what_can_not_be_protected_is_named() {
        let (found, said) = guarded(1 << 30, None);
        assert_eq!(found, None);
        assert!(said.ends_with("where it is loaded, none is read-only\n"), "{said}");
    }
}
