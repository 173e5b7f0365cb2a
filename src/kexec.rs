//! Loading the next kernel: what it is, where it goes, and that it is what it should be.
//!
//! Everything here plans and checks; nothing here writes memory. A load goes: find the files
//! ([`Files`]), read the kernel's header ([`Header`]), find room ([`placement`]), hash ([`Digest`]),
//! and the result is one [`Plan`]. The caller writes its segments where they belong at once, so that
//! the jump itself copies nothing.

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

mod ask;
mod error;

pub use ask::{InitrdAsk, KexecLoad};
pub use digest::Digest;
pub use error::LoadError;
pub use files::{Files, FilesError};
pub use image::{Header, ImageError};
pub use packed::{PackedError, Packing};
pub use placement::{Layout, PlaceError};
pub use plan::{InitrdChoice, Kind, Plan, Request, Segment, What, plan};
pub use state::Loaded;
