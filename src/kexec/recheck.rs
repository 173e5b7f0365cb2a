//! Hashes the loaded kernel a second time, right before the jump.
//!
//! The first time was at load (`Segment::verify`). Since then the segments are read-only for all
//! CPUs where whole blocks could be protected; a device may still have written there, and so may a
//! CPU where memory is writable. What the copier's work area holds is not hashed: it is no segment.

use super::Digest;
use super::error::LoadError;
use super::plan::LoadPart;
use super::state::Loaded;

impl Loaded {
    /// Hashes again all that the next kernel gets. `written` is what memory holds of each segment,
    /// in order, and `initrd` of this kernel's initrd, which may stay in place.
    ///
    /// # Errors
    /// [`LoadError::Corrupt`] names the first part that differs from what was loaded.
    pub fn recheck<'m>(
        &self,
        written: impl Iterator<Item = &'m [u8]>,
        initrd: &[u8],
    ) -> Result<(), LoadError> {
        let mut written = written.fuse();
        for segment in &self.plan.segments {
            segment.verify(written.next().unwrap_or_default())?; // what is missing is not good
        }
        match (self.kept, self.plan.initrd) {
            (Some(digest), Some(dest)) if Digest::of(initrd) != digest => {
                Err(LoadError::Corrupt { what: LoadPart::Initrd, dest })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::kexec::Packing;
    use crate::kexec::plan::{Plan, Segment};
    use crate::kexec::signature::{Checked, Standing};
    use crate::memory::Range;

    const KERNEL: Range = Range::new(0x1000, 0x3000);
    const DTB: Range = Range::new(0x4000, 0x5000);
    const INITRD: Range = Range::new(0x6000, 0x6123);

    /// Memory from address 0 on, with something everywhere but in the kernel's bss.
    fn memory() -> Vec<u8> {
        let mut memory: Vec<u8> = (0..0x7000_u32).map(|i| (i * 7 + 1) as u8).collect();
        memory[0x2100..0x3000].fill(0);
        memory
    }

    fn part(memory: &[u8], range: Range) -> &[u8] {
        &memory[range.start as usize..range.end as usize]
    }

    fn loaded(memory: &[u8]) -> Loaded {
        let segment = |what, dest, bytes: usize| Segment {
            what,
            dest,
            bytes,
            zero_to_end: what == LoadPart::Kernel,
            digest: Some(Digest::of(&part(memory, dest)[..bytes])),
        };
        let plan = Plan {
            entry: KERNEL.start,
            dtb: DTB,
            dtb_copy_left_out: None,
            initrd: Some(INITRD),
            segments: [
                segment(LoadPart::Kernel, KERNEL, 0x1100),
                segment(LoadPart::Dtb, DTB, 0x800),
            ]
            .into(),
            copy: None,
        };
        Loaded {
            name: "next".into(),
            bootargs: "".into(),
            packing: Packing::Flat,
            baton: true,
            plan,
            source_tree: Vec::new(),
            pieces: Vec::new(),
            guarded: Vec::new(),
            kept: Some(Digest::of(part(memory, INITRD))),
            signature: Checked { standing: Standing::NotLookedAt, ns: 0 },
            told: false,
        }
    }

    fn recheck(loaded: &Loaded, memory: &[u8]) -> Result<(), LoadError> {
        let written = loaded.plan.segments.iter().map(|segment| part(memory, segment.dest));
        loaded.recheck(written, part(memory, INITRD))
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_the_next_kernel_reads() {
        let good = memory();
        let loaded = loaded(&good);
        assert_eq!(recheck(&loaded, &good), Ok(()));
        let cases = [
            (0x1000, LoadPart::Kernel, KERNEL),
            (0x20ff, LoadPart::Kernel, KERNEL),
            (0x2100, LoadPart::Kernel, KERNEL),
            (0x2fff, LoadPart::Kernel, KERNEL),
            (0x47ff, LoadPart::Dtb, DTB),
            (0x6000, LoadPart::Initrd, INITRD),
            (0x6122, LoadPart::Initrd, INITRD),
        ];
        for (at, what, dest) in cases {
            let mut changed = good.clone();
            changed[at] ^= 1;
            let corrupt = Err(LoadError::Corrupt { what, dest });
            assert_eq!(recheck(&loaded, &changed), corrupt, "{at:#x}");
        }
    }

    #[test]
    fn a_segment_that_is_not_there_is_not_good() {
        let good = memory();
        let loaded = loaded(&good);
        let first = loaded.plan.segments.iter().map(|s| part(&good, s.dest)).take(1);
        assert!(loaded.recheck(first, part(&good, INITRD)).is_err());
    }

    #[test]
    fn what_the_next_kernel_does_not_get_may_change() {
        let good = memory();
        let loaded = loaded(&good);
        for at in [0xfff, 0x3000, 0x4800, 0x6123] {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert_eq!(recheck(&loaded, &changed), Ok(()), "{at:#x}");
        }
    }
}
