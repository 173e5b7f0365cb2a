//! Loading the next kernel: which files, where each part goes, and the checks of both.
//!
//! This module plans and checks; no function here writes memory that the next kernel will use. All
//! writing is done by the callers, in `kernel/loader/segments.rs` and `kernel/reboot.rs`.
//!
//! # The order of a load
//!
//! 1. Find the files in the running initrd ([`Files`]).
//! 2. Check the signature ([`signature`]): first the key, then each part by a digest of the bytes that
//!    are used, which may be in one of the steps below.
//! 3. Unpack the kernel ([`packed`]) and read its header ([`Header`]).
//! 4. Find a place for every part ([`placement`]) and hash the parts ([`Digest`]): a [`Plan`]. The
//!    plan's digests are those that are compared with the signature.
//! 5. Make the next kernel's tree and seal the plan with that tree's hash ([`Plan::seal_dtb`]).
//! 6. Claim the memory of all segments ([`Plan::claim`]). Up to here any step may refuse, and
//!    nothing has changed. After this step the previously loaded kernel, if there is one, is wiped.
//! 7. Write every segment to its place and clean it to the point of coherency.
//! 8. Read every segment back and compare hashes ([`Segment::verify`]). A difference frees the
//!    memory again: nothing is loaded then.
//! 9. Make the segments read-only. The result is a [`Loaded`].
//!
//! So the jump copies nothing, with one exception: a kernel whose place is in use until the jump is
//! moved there by the copier (`Plan::copy`).
//!
//! # What holds while a kernel is loaded
//!
//! - Its segments belong to the [`Loaded`], as pieces: no other part of this kernel can be given
//!   the same memory.
//! - Memory holds what the plan's digests say; that was read back from the point of coherency,
//!   since cleaning has dropped the lines.
//! - An initrd that stays in place has its digest in the `Loaded` too. This kernel only reads it.
//! - At most one kernel is loaded. The old one is wiped when all places of the new one are known to
//!   be free, counting those of the old one.
//! - Seeds are in the next kernel's tree alone: every other copy that was made on the way is wiped.
//!
//! # The order of the jump
//!
//! 1. Check all that can be checked before a CPU leaves, and make the farewell.
//! 2. Stop the devices.
//! 3. Take every other CPU down. If a CPU had to be parked, write the next kernel's tree again,
//!    with the memory of that CPU reserved. The CPUs can still be started again.
//! 4. On request, hash the loaded segments again ([`Loaded::recheck`]).
//! 5. Write the farewell into the handover area.
//! 6. **Point of no return.** From here on nothing may fail, allocate or print.
//! 7. Quiesce: the boot CPU's performance monitors, console, timer, interrupt controller, and the
//!    boot CPU's registers.
//! 8. Seal the handover area, and jump: to the next kernel's entry, or to the copier.

pub mod cpio;
pub mod digest;
pub mod files;
pub mod gzip;
pub mod image;
pub mod packed;
pub mod placement;
pub mod plan;
pub mod recheck;
pub mod script;
pub mod signature;
pub mod state;
pub mod zboot;
pub mod zstd;

mod error;

use alloc::string::String;

pub use digest::Digest;
pub use error::LoadError;
pub use files::{Files, FilesError, NoFile};
pub use image::{BatonMark, Header, ImageError};
pub use packed::{PackedError, Packing};
pub use placement::{PlaceError, Placement};
pub use plan::{InitrdChoice, Kind, LoadPart, LoadRequest, Plan, Segment, check_bootargs, plan};
pub use state::{Departure, Loaded};

use crate::options::CommandLine;

/// What `kexec load` was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KexecLoad {
    /// The kernel image.
    pub path: String,
    /// How the image is to be read.
    pub kind: Kind,
    /// The initrd.
    pub initrd: Option<InitrdAsk>,
    /// The command line.
    pub append: Option<CommandLine>,
    /// The device tree.
    pub dtb: Option<String>,
    /// The signature.
    pub sig: Option<String>,
    /// Physical address for the image.
    pub at: Option<u64>,
}

/// The initrd of the next kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InitrdAsk {
    /// The one of this kernel.
    Keep,
    /// None.
    None,
    /// A file.
    File(String),
}
