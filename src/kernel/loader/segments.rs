//! The memory of the loaded kernel: written, read back, made read-only.

use alloc::format;
use alloc::string::{String, ToString};

use crate::kernel::{Level, Reporter};
use crate::kexec::{LoadPart, Loaded, Plan, Segment};
use crate::machine::Memory;
use crate::memory::{Piece, Quiet, Ram, Range};

/// What a level 2 entry of the page tables maps.
const BLOCK: u64 = 2 << 20;

/// Writes every segment to its piece, zeros the rest, and cleans that memory to the point of
/// coherency.
pub(super) fn write<'b>(
    memory: &dyn Memory,
    plan: &Plan,
    pieces: &mut [Piece],
    contents: impl Fn(LoadPart) -> &'b [u8],
) {
    for (segment, piece) in plan.segments.iter().zip(pieces) {
        fill(memory, piece, contents(segment.what));
    }
}

/// Writes the tree of a loaded kernel anew, and its copy if there is one.
pub(super) fn write_tree(memory: &dyn Memory, loaded: &mut Loaded, tree: &[u8]) {
    let segments = loaded.plan.segments.iter().zip(&mut loaded.pieces);
    let of_tree = segments.filter(|(segment, _)| segment.what.is_tree());
    of_tree.for_each(|(_, piece)| fill(memory, piece, tree));
}

fn fill(memory: &dyn Memory, piece: &mut Piece, bytes: &[u8]) {
    memory.write(piece, bytes);
    let rest = bytes.len()..piece.len();
    memory.zero(piece, rest);
    memory.clean(piece, 0..piece.len());
}

/// Hashes what memory holds of every segment.
///
/// # Errors
/// The first segment that memory does not hold as written.
pub(super) fn read_back(memory: &dyn Memory, loaded: &Loaded) -> Result<(), String> {
    let mut segments = loaded.plan.segments.iter().zip(loaded.segments());
    let good = |(segment, piece): (&Segment, &Piece)| segment.verify(memory.bytes(piece));
    segments.try_for_each(good).map_err(|e| e.to_string())
}

/// Writes what the jump needs to move a kernel whose place is in use; nothing for another kernel.
///
/// # Errors
/// What does not fit.
pub(super) fn prepare_copy(memory: &dyn Memory, loaded: &mut Loaded) -> Result<(), String> {
    let Loaded { plan, pieces, .. } = loaded;
    match (&plan.copy, pieces.last_mut()) {
        // The work area is the last of the plan's ranges.
        (Some(copy), Some(work)) => memory.prepare_copy(work, copy, plan.entry, plan.dtb.start),
        _ => Ok(()),
    }
}

/// Makes memory of the loaded kernel read-only; `None` if that can't be done at this place. Where
/// memory is mapped in blocks of 2 MiB, only whole blocks can be protected: a block qualifies if no
/// part belongs to an owner that writes.
pub(super) fn guard(
    out: &mut Reporter,
    memory: &dyn Memory,
    ram: &Ram,
    range: Range,
) -> Option<Quiet> {
    let choices = [range.grow_to(BLOCK), Some(range), Some(range.shrink_to(BLOCK))];
    let choices = choices.into_iter().flatten().filter(|choice| !choice.is_empty());
    let mut quiet = choices.filter_map(|choice| ram.quiet(choice));
    let found = quiet.find(|quiet| memory.protect(quiet, true));
    if !found.as_ref().is_some_and(|found| found.range().covers(&range)) {
        let kept = found.as_ref().map_or(String::from("none"), |quiet| quiet.range().to_string());
        let text = format!("of {range}, where it is loaded, {kept} is read-only");
        out.say(Level::Warning, &text);
    }
    found
}

/// Makes what is read-only of a loaded kernel's memory writable again.
pub(super) fn unguard(memory: &dyn Memory, loaded: &Loaded) {
    for quiet in &loaded.guarded {
        memory.protect(quiet, false);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::vec::Vec;

    use super::*;
    use crate::kexec::signature::{Checked, Standing};
    use crate::kexec::{self, InitrdChoice, Kind, LoadRequest, Packing};
    use crate::machine::Granules;
    use crate::memory::Owner;

    /// Memory that can be protected in the units of its page tables: `unit` bytes.
    struct Blocks {
        unit: u64,
        protected: Mutex<Vec<(Range, bool)>>,
    }

    impl Memory for Blocks {
        fn bytes<'p>(&self, _: &'p Piece) -> &'p [u8] {
            &[]
        }

        fn read_only(&self, _: Piece) -> &'static [u8] {
            &[]
        }

        fn write(&self, _: &mut Piece, _: &[u8]) {}

        fn zero(&self, _: &mut Piece, _: core::ops::Range<usize>) {}

        fn clean(&self, _: &Piece, _: core::ops::Range<usize>) {}

        fn protect(&self, quiet: &Quiet, on: bool) -> bool {
            let range = quiet.range();
            let whole = [range.start, range.end].iter().all(|at| at.is_multiple_of(self.unit));
            if whole {
                self.protected.lock().unwrap().push((range, on));
            }
            whole
        }

        fn prepare_copy(
            &self,
            _: &mut Piece,
            _: &crate::machine::Relocation,
            _: u64,
            _: u64,
        ) -> Result<(), String> {
            Ok(())
        }
    }

    /// Memory that keeps what is written, by the start of each piece.
    #[derive(Default)]
    struct Store(Mutex<BTreeMap<u64, Vec<u8>>>);

    impl Store {
        fn change(&self, piece: &Piece, act: impl FnOnce(&mut [u8])) {
            let mut pieces = self.0.lock().unwrap();
            act(pieces.entry(piece.range().start).or_insert_with(|| std::vec![0xee; piece.len()]));
        }
    }

    impl Memory for Store {
        fn bytes<'p>(&self, piece: &'p Piece) -> &'p [u8] {
            Vec::leak(self.0.lock().unwrap()[&piece.range().start].clone())
        }

        fn read_only(&self, _: Piece) -> &'static [u8] {
            &[]
        }

        fn write(&self, piece: &mut Piece, bytes: &[u8]) {
            self.change(piece, |memory| memory[..bytes.len()].copy_from_slice(bytes));
        }

        fn zero(&self, piece: &mut Piece, range: core::ops::Range<usize>) {
            self.change(piece, |memory| memory[range].fill(0));
        }

        fn clean(&self, _: &Piece, _: core::ops::Range<usize>) {}

        fn protect(&self, _: &Quiet, _: bool) -> bool {
            true
        }

        fn prepare_copy(
            &self,
            _: &mut Piece,
            _: &crate::machine::Relocation,
            _: u64,
            _: u64,
        ) -> Result<(), String> {
            Ok(())
        }
    }

    /// The source is read twice, for the plan's digests and for writing. What was written has to
    /// have the digests of the first reading.
    #[test]
    fn what_changes_between_planning_and_writing_is_noticed() {
        let mut ram = Ram::of_tests(&[RAM]);
        let (mut code, tree) = (std::vec![7; 3000], [1; 100]);
        let granules = Granules::FOUR_K;
        let (kind, initrd) = (Kind::Raw, InitrdChoice::None);
        let request = LoadRequest { image: &code, kind, initrd, bootargs: b"", at: None, granules };
        let mut plan = kexec::plan(&request, ram.map(), 4096).unwrap();
        plan.seal_dtb(&tree).unwrap();
        let store = Store::default();
        let mut loaded = Loaded {
            name: "code".into(),
            bootargs: "".into(),
            packing: Packing::Flat,
            baton: true,
            pieces: plan.take(&mut ram).unwrap(),
            plan,
            source_tree: Vec::new(),
            guarded: Vec::new(),
            kept: None,
            signature: Checked { standing: Standing::NotLookedAt, ns: 0 },
            told: false,
        };
        for changed in [false, true] {
            code[1000] ^= u8::from(changed);
            let Loaded { plan, pieces, .. } = &mut loaded;
            write(&store, plan, pieces, |what| match what {
                LoadPart::Dtb => &tree,
                _ => &code,
            });
            let said = read_back(&store, &loaded).err().unwrap_or_default();
            assert_eq!(said.contains("kernel at 0x40080000"), changed, "{said}");
        }
    }

    const RAM: Range = Range::new(0x4000_0000, 0x4800_0000);
    const SEGMENT: Range = Range::new(0x4200_0000, 0x4251_0000);

    /// What of [`SEGMENT`] becomes read-only, and what is said; `heap` is also in use.
    fn guarded(unit: u64, heap: Option<Range>) -> (Option<Range>, String) {
        let mut ram = Ram::of_tests(&[RAM]);
        ram.claim(SEGMENT, Owner::Segment).unwrap();
        heap.iter().for_each(|&range| assert!(ram.claim(range, Owner::Heap).is_ok()));
        let memory = Blocks { unit, protected: Mutex::default() };
        let (mut out, paper) = Reporter::on_paper(6);
        let found = guard(&mut out, &memory, &ram, SEGMENT).map(|quiet| quiet.range());
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
