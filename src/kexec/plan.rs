//! The plan of a load: what is written where, checked in full before anything changes.
//!
//! A plan goes through these states, in this order:
//!
//! 1. [`plan`]: every part has a place and, but for the device tree, a digest. The tree has room
//!    only: the tree names initrd and command line, and is made when the places of both are known.
//! 2. [`Plan::seal_dtb`]: the tree is made; the plan has its length and digest.
//! 3. [`Plan::claim`] on a copy of the map: shows that nothing can refuse any more.
//! 4. [`Plan::take`]: the memory is claimed, one piece for each range.
//! 5. Written, read back, verified by the digests, and made read-only: a
//!    [`Loaded`](super::Loaded).
//!
//! The digests are of the bytes that were to be written, not of what memory held afterwards. So
//! verification compares memory with the source, at load and again before the jump.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;

pub use super::placement::LoadPart;
use super::{
    digest::Digest,
    error::LoadError,
    image::Header,
    placement::{self, Ask, Initrd, Placement},
};
use crate::{
    config::MAX_BOOTARGS,
    machine::{Granules, Relocation},
    memory::{Map, MapError, Owner, Piece, Ram, Range},
    report::is_forbidden,
};

/// How the kernel file is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// An arm64 Image with its header.
    #[default]
    Image,
    /// A flat binary, entered at its first byte.
    Raw,
}

impl Kind {
    /// The name on the console and in signatures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Raw => "raw",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which initrd the next kernel gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InitrdChoice<'a> {
    /// None.
    None,
    /// The running kernel's initrd, which stays in place. The range is exact, in bytes.
    Keep(Range),
    /// These bytes.
    Bytes(&'a [u8]),
}

/// What is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadRequest<'a> {
    /// The kernel file.
    pub image: &'a [u8],
    /// How to read the kernel file.
    pub kind: Kind,
    /// The initrd.
    pub initrd: InitrdChoice<'a>,
    /// The kernel's command line.
    pub bootargs: &'a [u8],
    /// The kernel's 2 MiB-aligned base; `None` to choose.
    pub at: Option<u64>,
    /// The page sizes that the CPUs can translate.
    pub granules: Granules,
}

/// One range that is written at load time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The part of the load that this segment holds.
    pub what: LoadPart,
    /// Where the segment is written, in whole pages: exactly what is claimed for this segment. The
    /// next kernel uses the segment there, except for a kernel that the copier moves in the jump.
    pub dest: Range,
    /// Bytes of contents, from the start of `dest`.
    pub bytes: usize,
    /// True if the rest of `dest` has to be zeros: the kernel's bss.
    pub zero_to_end: bool,
    /// SHA-256 of the contents; `None` as long as the contents are unknown (a device tree before
    /// [`Plan::seal_dtb`]).
    pub digest: Option<Digest>,
}

impl Segment {
    /// Checks what was written: `written` is what memory at `dest` holds.
    ///
    /// # Errors
    /// [`LoadError::Corrupt`] if memory differs from the plan.
    pub fn verify(&self, written: &[u8]) -> Result<(), LoadError> {
        // A segment without a digest never verifies: its contents were never told.
        let corrupt = LoadError::Corrupt { what: self.what, dest: self.dest };
        if written.len() as u64 != self.dest.size() {
            return Err(corrupt);
        }
        let (contents, rest) = written.split_at_checked(self.bytes).ok_or(corrupt)?;
        let same = self.digest == Some(Digest::of(contents));
        let zeros = !self.zero_to_end || rest.iter().all(|byte| *byte == 0);
        if same && zeros { Ok(()) } else { Err(corrupt) }
    }
}

/// Where everything goes. Nothing is written or claimed yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Where the next kernel is entered.
    pub entry: u64,
    /// Where its device tree goes: x0 is its start.
    pub dtb: Range,
    /// Where a flat binary may look for a copy of the tree, if that place is not free and no copy
    /// is made.
    pub dtb_copy_left_out: Option<u64>,
    /// Its initrd, exact in bytes: what `linux,initrd-start` and `-end` say.
    pub initrd: Option<Range>,
    /// What is written. An initrd that stays in place is not among the segments.
    pub segments: Vec<Segment>,
    /// Set if the kernel's place is in use until the jump, so that the copier must move the kernel
    /// there; `None` in the usual case, in which every segment is written to its final place.
    pub copy: Option<Relocation>,
}

/// Plans a load. `dtb_len` is the most that the next device tree may take.
///
/// # Errors
/// [`LoadError`] says what cannot be loaded and why.
pub fn plan(request: &LoadRequest<'_>, map: &Map, dtb_len: usize) -> Result<Plan, LoadError> {
    check_bootargs(request.bootargs)?;
    let memory = map.total_bytes();
    let header = match request.kind {
        Kind::Image => Header::parse(request.image, request.granules, memory)?,
        Kind::Raw => Header::raw(request.image, memory)?,
    };
    let initrd = match request.initrd {
        InitrdChoice::None => Initrd::None,
        InitrdChoice::Keep(range) => Initrd::Keep(range),
        InitrdChoice::Bytes(bytes) => Initrd::Place(bytes.len() as u64),
    };
    // A flat binary gets its tree in x0 and above itself, as QEMU's -kernel does it. Some ignore
    // x0 and look at the start of RAM, as U-Boot for QEMU: the tree is there a second time.
    let raw = request.kind == Kind::Raw;
    let start = map.regions().next().map(|region| region.range.start);
    let ask = Ask {
        header: &header,
        initrd,
        dtb: dtb_len as u64,
        dtb_above: raw,
        dtb_copy_at: start.filter(|_| raw),
        at: request.at,
    };
    let layout = placement::place(map, &ask)?;
    let left_out = ask.dtb_copy_at.filter(|_| layout.dtb_copy.is_none());
    Ok(Plan { dtb_copy_left_out: left_out, ..assemble(request, &layout, dtb_len) })
}

/// The plan for a placement: a segment for each part that is written, in the order of
/// [`Plan::ranges`], and the hashes of all contents that are known.
fn assemble(request: &LoadRequest<'_>, layout: &Placement, dtb_len: usize) -> Plan {
    let written = |what, dest, bytes: &[u8]| Segment {
        what,
        dest,
        bytes: bytes.len(),
        zero_to_end: what == LoadPart::Kernel,
        digest: Some(Digest::of(bytes)),
    };
    // A kernel that is copied in the jump is written to its staging place now.
    let waits = layout.copy.map_or(layout.kernel, |copy| copy.from);
    let mut segments = Vec::from([written(LoadPart::Kernel, waits, request.image)]);
    let initrd = match (request.initrd, layout.initrd) {
        (InitrdChoice::Keep(range), _) => Some(range),
        (InitrdChoice::Bytes(bytes), Some(dest)) => {
            segments.push(written(LoadPart::Initrd, dest, bytes));
            Range::sized(dest.start, bytes.len() as u64)
        }
        _ => None,
    };
    let tree =
        |what, dest| Segment { what, dest, bytes: dtb_len, zero_to_end: false, digest: None };
    segments.push(tree(LoadPart::Dtb, layout.dtb));
    segments.extend(layout.dtb_copy.map(|dest| tree(LoadPart::DtbCopy, dest)));
    Plan {
        entry: layout.kernel.start,
        dtb: layout.dtb,
        dtb_copy_left_out: None,
        initrd,
        segments,
        copy: layout.copy,
    }
}

/// Checks a command line for a kernel that is loaded. The command line of a running kernel is asked
/// the same at boot, so that a warning comes before a kexec is refused for it. White space that
/// separates words at boot is permitted; other control characters would go to consoles.
///
/// # Errors
/// What is wrong with it.
pub fn check_bootargs(bootargs: &[u8]) -> Result<(), LoadError> {
    let bytes = bootargs.len();
    if bytes > MAX_BOOTARGS {
        return Err(LoadError::BootargsTooLong { bytes });
    }
    let mut begin = 0;
    for chunk in bootargs.utf8_chunks() {
        if let Some((at, c)) = chunk.valid().char_indices().find(|(_, c)| is_forbidden(*c)) {
            return Err(LoadError::BootargsControl { at: begin + at, c });
        }
        begin += chunk.valid().len() + chunk.invalid().len();
    }
    Ok(())
}

impl Plan {
    /// Bytes that the jump itself has to copy.
    pub fn bytes_copied(&self) -> u64 {
        self.copy.map_or(0, |copy| copy.to.size())
    }

    /// Where the next kernel runs, bss included.
    pub fn kernel(&self) -> Range {
        let written = self.segments.iter().find(|segment| segment.what == LoadPart::Kernel);
        let waits = written.map_or(Range::new(self.entry, self.entry), |segment| segment.dest);
        self.copy.map_or(waits, |copy| copy.to)
    }

    /// All memory that the plan takes: the segments, then the copier's work area if there is one.
    pub fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        let segments = self.segments.iter().map(|segment| segment.dest);
        segments.chain(self.copy.map(|copy| copy.work))
    }

    /// Notes the finished device tree, for its copy as well: its length and digest.
    ///
    /// # Errors
    /// [`LoadError::DtbTooLong`] if the tree is empty or larger than the room planned.
    pub fn seal_dtb(&mut self, dtb: &[u8]) -> Result<(), LoadError> {
        let room = self.dtb.size();
        if dtb.is_empty() || dtb.len() as u64 > room {
            return Err(LoadError::DtbTooLong { bytes: dtb.len(), room });
        }
        for segment in self.segments.iter_mut().filter(|segment| segment.what.is_tree()) {
            segment.bytes = dtb.len();
            segment.digest = Some(Digest::of(dtb));
        }
        Ok(())
    }

    /// Takes the memory of all segments, or of none.
    ///
    /// # Errors
    /// [`LoadError::Memory`] if the place of a segment is not free.
    pub fn claim(&self, map: &mut Map) -> Result<(), LoadError> {
        self.hand_over(map, Owner::Free, |map, range| map.claim(range, Owner::Segment))
    }

    /// Takes the memory of all segments as pieces, in the order of [`Plan::ranges`]. What has been
    /// taken when one is refused is given back.
    ///
    /// # Errors
    /// [`LoadError::Memory`] if the place of a segment is not free.
    pub fn take(&self, ram: &mut Ram) -> Result<Vec<Piece>, LoadError> {
        let mut pieces = Vec::new();
        for range in self.ranges() {
            match ram.claim(range, Owner::Segment) {
                Ok(piece) => pieces.push(piece),
                Err(why) => {
                    pieces.into_iter().try_for_each(|piece| ram.free(piece))?;
                    return Err(why.into());
                }
            }
        }
        Ok(pieces)
    }

    /// Gives the memory of all segments back, or of none.
    ///
    /// # Errors
    /// [`LoadError::Memory`] if the place of a segment is not claimed for a segment.
    pub fn release(&self, map: &mut Map) -> Result<(), LoadError> {
        self.hand_over(map, Owner::Segment, Map::free)
    }

    /// Applies `act` to each range of the plan, on a copy of the map that replaces the map only if
    /// all have succeeded.
    fn hand_over(
        &self,
        map: &mut Map,
        from: Owner,
        act: impl Fn(&mut Map, Range) -> Result<(), MapError>,
    ) -> Result<(), LoadError> {
        let mut after = map.clone();
        for range in self.ranges() {
            after.require(range, from)?;
            act(&mut after, range)?;
        }
        *map = after;
        Ok(())
    }
}
