//! This kernel's device tree, the next kernel's, which is made from the first, and random seeds.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::cpu::Mpidr;
use crate::fdt::{self, Checked, edit, edit::Changes, edit::QUARANTINE};
use crate::machine::Board;
use crate::memory::{Piece, Range, join};
use crate::platform::{self, Described, LPI_TABLES, PlatformError, Reserved};

/// Bytes of a seed.
const SEED: usize = 32;

/// Overwrites what calls that have returned left on the stack.
#[inline(never)]
fn wipe_stack() {
    core::hint::black_box([0u8; 8 << 10]);
}

/// What the next kernel's tree has beside what this kernel was given.
#[derive(Clone, Copy, Default)]
pub struct Extra<'a> {
    /// Memory in which CPUs are parked.
    pub quarantine: &'a [Range],
    /// What this run has measured.
    pub results: Option<&'a [u8]>,
}

/// This kernel's tree in memory.
pub struct Own {
    /// The tree.
    pub bytes: &'static [u8],
    /// Where it lies.
    pub range: Range,
    /// Its pages, if these are RAM.
    pub piece: Option<Piece>,
}

/// This kernel's tree, and what goes from there into the next kernel's.
pub struct OwnTree {
    board: &'static dyn Board,
    own: Own,
    /// The handover region, which the next kernel finds through its tree.
    handover: Range,
    /// Memory that no later kernel may use either.
    kept: Vec<Range>,
    /// Entropy that came to this kernel.
    seed: Option<Vec<u8>>,
    generation: u32,
}

impl OwnTree {
    /// Of the memory that this kernel's tree reserves, what has to stay reserved is kept.
    pub fn new(
        board: &'static dyn Board,
        own: Own,
        handover: Range,
        reserved: &[Reserved],
        seed: Option<Vec<u8>>,
        generation: u32,
    ) -> Self {
        // A CPU that this or an earlier kernel has parked keeps its memory for good; so do LPI
        // tables that redistributors write to.
        let kept = |r: &&Reserved| r.name.contains(QUARANTINE) || r.name.starts_with(LPI_TABLES);
        let kept = reserved.iter().filter(kept).map(|r| r.range).collect();
        Self { board, own, handover, kept, seed, generation }
    }

    /// What this kernel's tree says.
    ///
    /// # Errors
    /// The tree, or what the tree points to, describes no machine.
    pub fn describe(&self, boot: Mpidr) -> Result<Described, PlatformError> {
        platform::describe_with(&Checked::of(self.own.bytes)?, self.board.firmware(), boot)
    }

    /// The tree, in place.
    pub fn bytes(&self) -> &'static [u8] {
        self.own.bytes
    }

    /// The tree for the next kernel, made from `current`. The next kernel also keeps off what this
    /// kernel keeps off.
    ///
    /// # Errors
    /// What is wrong with `current`, or does not fit.
    pub fn next(
        &self,
        current: &[u8],
        bootargs: &[u8],
        initrd: Option<Range>,
        extra: Extra<'_>,
    ) -> Result<Vec<u8>, String> {
        let Extra { quarantine, results } = extra;
        // There is an LPI table for each CPU, and Linux 6.1 has room for 64 reservations and drops
        // the others: those that touch are one.
        let quarantine = join(self.kept.iter().chain(quarantine).copied().collect());
        let changes = Changes {
            bootargs,
            initrd,
            handover: Some(self.handover),
            results,
            rng_seed: Some([0; SEED]),
            kaslr_seed: Some(0),
            quarantine: &quarantine,
            old_tree: Some(self.own.range),
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

    /// Where the handover region is.
    pub fn handover(&self) -> Range {
        self.handover
    }

    /// Entropy that came to this kernel, and was not known when this was made.
    pub fn adopt_seed(&mut self, seed: Option<Vec<u8>>) {
        self.seed = seed;
    }

    /// Wipes the seeds in the tree, if the tree lies in RAM.
    pub fn forget_seeds(&mut self) {
        let Some(mut piece) = self.own.piece.take() else { return };
        let start = (self.own.range.start - piece.range().start) as usize;
        let bytes = core::mem::take(&mut self.own.bytes);
        for seed in fdt::seeds(bytes) {
            let seed = start + seed.start..start + seed.end;
            self.board.zero(&mut piece, seed.clone());
            self.board.clean(&piece, seed);
        }
        self.own.bytes = &self.board.read_only(piece)[start..start + bytes.len()];
    }

    /// The same for the copy from which the next kernel's seed is made. At the jump: stores only.
    pub fn forget_own_seed(&mut self) {
        if let Some(seed) = &mut self.seed {
            seed.fill(0);
        }
        core::hint::black_box(&self.seed); // the stores count
    }

    /// A seed that a table of firmware has for the next kernel, made from the one that was there.
    pub(super) fn stirred(&self, old: &[u8]) -> [u8; SEED] {
        let mut hash = Sha256::new();
        hash.update(self.fresh_seed());
        hash.update(old);
        hash.finalize().into()
    }

    /// A seed for the next kernel: the hardware's numbers where there are any, stirred with the
    /// seed that came to this kernel and the counter, so that no two kernels get the same.
    fn fresh_seed(&self) -> [u8; SEED] {
        let mut hash = Sha256::new();
        hash.update(self.seed.as_deref().unwrap_or(&[]));
        for _ in 0..4 {
            hash.update(self.board.random().unwrap_or_default().to_le_bytes());
            hash.update(self.board.now().to_le_bytes());
        }
        hash.update(self.generation.to_le_bytes());
        hash.finalize().into() // never the same twice: the counter has moved
    }
}

/// A copy of a tree to make the next one from, without the seeds in the original.
pub(super) fn without_seeds(mut tree: Vec<u8>) -> Vec<u8> {
    for seed in fdt::seeds(&tree) {
        tree[seed].fill(0);
    }
    tree
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
        assert_eq!(join(ranges), wanted);
        assert_eq!(join(Vec::new()), []);
    }
}
