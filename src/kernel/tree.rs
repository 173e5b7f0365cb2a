//! The next kernel's device tree, and its random seeds.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::Kernel;
use crate::fdt::{self, edit, edit::Changes, edit::QUARANTINE};
use crate::memory::{Owner, Range};
use crate::platform::{LPI_TABLES, Reserved};

/// Bytes of a seed.
const SEED: usize = 32;

/// Overwrites what calls that have returned left on the stack.
#[inline(never)]
fn wipe_stack() {
    core::hint::black_box([0u8; 8 << 10]);
}

/// Ranges that touch or overlap as one: there is a table for each CPU, and Linux 6.1 has room for
/// 64 reservations and drops the others.
fn joined(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let touch = next.start <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
    ranges
}

impl Kernel {
    /// The tree for the next kernel.
    pub(super) fn next_tree(
        &self,
        current: &[u8],
        bootargs: &str,
        initrd: Option<Range>,
        quarantine: &[Range],
    ) -> Result<Vec<u8>, String> {
        // A CPU that this or an earlier kernel has parked keeps its memory for good; so do LPI
        // tables that redistributors write to.
        let kept = |r: &&Reserved| r.name.contains(QUARANTINE) || r.name.starts_with(LPI_TABLES);
        let inherited = self.boot.machine.reserved.iter().filter(kept).map(|r| r.range);
        let quarantine = joined(inherited.chain(quarantine.iter().copied()).collect());
        let changes = Changes {
            bootargs,
            initrd,
            handover: Some(self.boot.claims.handover),
            rng_seed: Some([0; SEED]),
            kaslr_seed: Some(0),
            quarantine: &quarantine,
            old_tree: Some(self.boot.dtb_range),
        };
        let mut out = Vec::new();
        edit::next_tree(current, &changes, &mut out).map_err(|e| e.to_string())?;
        // Last of all, so that the only copy of the seeds is this one, which the caller wipes.
        for at in fdt::seeds(&out) {
            let seed = self.fresh_seed();
            let bytes = at.len().min(SEED);
            out[at][..bytes].copy_from_slice(&seed[..bytes]);
        }
        wipe_stack();
        Ok(out)
    }

    /// Writes the loaded kernel's tree again, with memory reserved in which CPUs are parked.
    ///
    /// # Errors
    /// What was wrong; the tree is unchanged.
    pub(super) fn reserve_quarantine(&mut self, quarantine: &[Range]) -> Result<(), String> {
        let Some(mut loaded) = self.loaded.take() else { return Ok(()) };
        let result = self
            .next_tree(&loaded.source_tree, &loaded.bootargs, loaded.plan.initrd, quarantine)
            .and_then(|mut tree| {
                loaded.plan.seal_dtb(&tree).map_err(|e| e.to_string())?;
                loaded.guarded.iter().for_each(|&range| self.unguard(range));
                self.board.write(loaded.plan.dtb.start, &tree);
                tree.fill(0);
                core::hint::black_box(&tree);
                self.board.clean(loaded.plan.dtb);
                Ok(())
            });
        self.loaded = Some(loaded);
        result
    }

    /// A copy of the tree to make the next one from, without the seeds in the original.
    pub(super) fn without_seeds(mut tree: Vec<u8>) -> Vec<u8> {
        for seed in fdt::seeds(&tree) {
            tree[seed].fill(0);
        }
        tree
    }

    /// Wipes the seeds in this kernel's own tree, which stays in memory across the jump. The seeds
    /// have been read by now.
    pub(super) fn forget_tree_seeds(&mut self) {
        let range = self.boot.dtb_range;
        if self.boot.map.owner_of(range.start) != Some(Owner::Dtb) {
            return; // in no RAM of ours
        }
        let seeds = fdt::seeds(core::mem::take(&mut self.boot.dtb));
        for at in seeds {
            let seed = Range::new(range.start + at.start as u64, range.start + at.end as u64);
            self.board.zero(seed);
            self.board.clean(seed);
        }
        self.boot.dtb = self.board.bytes(range);
    }

    /// The same for the copy from which the next kernel's seed is made. At the jump: stores only.
    pub(super) fn forget_own_seed(&mut self) {
        if let Some(seed) = &mut self.boot.params.rng_seed {
            seed.fill(0);
        }
        core::hint::black_box(&self.boot.params.rng_seed); // the stores count
    }

    /// A seed for the next kernel: the hardware's numbers where there are any, stirred with the
    /// seed that came to us and the counter, so that no kernel gets the one before's.
    fn fresh_seed(&self) -> [u8; SEED] {
        let mut hash = Sha256::new();
        hash.update(self.boot.params.rng_seed.as_deref().unwrap_or(&[]));
        for _ in 0..4 {
            hash.update(self.board.random().unwrap_or_default().to_le_bytes());
            hash.update(self.board.now().to_le_bytes());
        }
        hash.update(self.hotplug.generation().to_le_bytes());
        hash.finalize().into() // never the same twice: the counter has moved
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn tables_side_by_side_are_one_reservation() {
        let table = |i: u64| Range::new(i << 16, (i + 1) << 16);
        let mut ranges: Vec<Range> = (0..80).rev().map(table).collect();
        ranges.extend([table(90), table(3), Range::new(91 << 16, 95 << 16), table(92)]);
        let wanted = [Range::new(0, 80 << 16), Range::new(90 << 16, 95 << 16)];
        assert_eq!(joined(ranges), wanted);
        assert_eq!(joined(Vec::new()), []);
    }
}
