//! What is loaded, and the way to jump there.
//!
//! [`Loaded`] owns the memory of the next kernel: its pieces. As long as it exists no other part of
//! this kernel can write there, and when a kernel is unloaded the pieces are wiped and given back.
//! A [`Departure`] has the three addresses that the jump needs, and is made only from a `Loaded`:
//! so the jump goes to a kernel that was written and verified, never to an address from elsewhere.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::digest::Digest;
use super::packed::Packing;
use super::plan::{Plan, Segment};
use super::signature::Checked;
use crate::machine::Relocation;
use crate::memory::{Piece, Quiet};
use crate::options::CommandLine;

/// A kernel that is loaded: its segments are written and claimed.
#[derive(PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The path of the kernel's file.
    pub name: String,
    /// Its command line.
    pub bootargs: CommandLine,
    /// How its file was packed.
    pub packing: Packing,
    /// It is a baton.
    pub baton: bool,
    /// Where each part of the kernel is.
    pub plan: Plan,
    /// The tree that its own was made from, without seeds: if CPUs are parked, the tree is made
    /// once more, with their memory reserved.
    pub source_tree: Vec<u8>,
    /// Its memory, in the order of [`Plan::ranges`].
    pub pieces: Vec<Piece>,
    /// What of its memory is read-only. Made writable again before it is written or freed.
    pub guarded: Vec<Quiet>,
    /// What an initrd that stays in place hashed to. It is no segment, since nothing was written.
    pub kept: Option<Digest>,
    /// What the check of the signature said.
    pub signature: Checked,
    /// A baton, which is told the machine by what its tree carries.
    pub told: bool,
}

/// Out of the running kernel and into the next one. Made only of a kernel that is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Departure {
    /// Physical address of the first instruction.
    entry: u64,
    /// Physical address of the device tree.
    dtb: u64,
    /// Physical address of the copier's work area, if the kernel has to be moved.
    copier: Option<u64>,
}

impl Departure {
    /// Where the next kernel is entered.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Where its device tree is.
    pub fn dtb(&self) -> u64 {
        self.dtb
    }

    /// Physical address of the prepared copier; `None` if the kernel is in its place already.
    pub fn copier(&self) -> Option<u64> {
        self.copier
    }
}

impl Loaded {
    /// The pieces of the segments, in the order of [`Plan::segments`].
    pub fn segments(&self) -> &[Piece] {
        &self.pieces[..self.plan.segments.len().min(self.pieces.len())]
    }

    /// The way to this kernel.
    pub fn departure(&self) -> Departure {
        let Plan { entry, dtb, copy, .. } = &self.plan;
        Departure { entry: *entry, dtb: dtb.start, copier: copy.map(|copy| copy.work.start) }
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, entry, append) = (&self.name, self.plan.entry, &self.bootargs);
        writeln!(f, "{name}, entry {entry:#x}, append \"{append}\"")?;
        if self.packing != Packing::Flat {
            writeln!(f, "its file is packed: {}", self.packing.name())?;
        }
        for segment in &self.plan.segments {
            let covered = self.guarded.iter().any(|quiet| quiet.range().covers(&segment.dest));
            writeln!(f, "{segment}, {}", if covered { "read-only" } else { "writable" })?;
        }
        if let Some(at) = self.plan.dtb_copy_left_out {
            writeln!(f, "no copy of the dtb at {at:#x}, where RAM begins: that place is not free")?;
        }
        match self.plan.initrd {
            Some(range) if !self.plan.segments.iter().any(|s| s.dest.covers(&range)) => {
                write!(f, "initrd {range} {} bytes, stays in place", range.size())?;
                self.kept.iter().try_for_each(|digest| write!(f, ", sha256 {digest}"))?;
                writeln!(f)?;
            }
            _ => {}
        }
        if let Some(Relocation { from, to, .. }) = self.plan.copy {
            writeln!(f, "{to} is in use: in the jump {from} is copied there")?;
        }
        writeln!(f, "{}", self.signature)?;
        write!(f, "bytes to copy in the jump: {}", self.plan.bytes_copied())
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<6} {} {} bytes, sha256 ", self.what, self.dest, self.bytes)?;
        match &self.digest {
            Some(digest) => digest.fmt(f),
            None => f.write_str("not made yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::kexec::{placement::LoadPart, signature::Standing};
    use crate::memory::Range;

    #[test]
    fn status_shows_each_segment_and_what_stays() {
        let dest = Range::new(0x4020_0000, 0x4030_0000);
        let digest = Some(Digest::of(b"abc"));
        let kernel = Segment { what: LoadPart::Kernel, dest, bytes: 3, zero_to_end: true, digest };
        let plan = Plan {
            entry: dest.start,
            dtb: Range::new(0x4800_0000, 0x4800_1000),
            dtb_copy_left_out: Some(0x4000_0000),
            initrd: Some(Range::new(0x4400_0000, 0x4400_0123)),
            segments: vec![kernel],
            copy: None,
        };
        let loaded = Loaded {
            name: "/baton.Image".into(),
            bootargs: "maxcpus=2".into(),
            plan,
            source_tree: Vec::new(),
            packing: Packing::Gzip,
            baton: false,
            pieces: Vec::new(),
            guarded: Vec::new(),
            kept: digest,
            signature: Checked { standing: Standing::Missing, ns: 1_234_567 },
            told: false,
        };
        let text = loaded.to_string();
        let lines: vec::Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "/baton.Image, entry 0x40200000, append \"maxcpus=2\"");
        assert_eq!(lines[1], "its file is packed: gzip");
        assert!(lines[2].starts_with("kernel 0x40200000..0x40300000 3 bytes, sha256 ba7816bf"));
        assert!(lines[2].ends_with(", writable"));
        assert!(lines[3].starts_with("no copy of the dtb at 0x40000000"));
        assert!(lines[4].starts_with(
            "initrd 0x44000000..0x44000123 291 bytes, stays in place, sha256 ba7816bf"
        ));
        assert_eq!(lines[5], "signature: none; checked in 1.234 ms");
        assert_eq!(lines[6], "bytes to copy in the jump: 0");
    }
}
