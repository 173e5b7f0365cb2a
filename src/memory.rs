//! Physical memory: ranges, the owner of each page, and pieces: memory as something that is owned.

#[forbid(unsafe_code)]
mod ledger;
#[forbid(unsafe_code)]
mod map;
#[forbid(unsafe_code)]
mod physical;
mod ram;
#[forbid(unsafe_code)]
mod range;

pub use ledger::Ledger;
pub use map::{Map, MapError, Owner, Region, Side};
pub use physical::{Physical, Unreachable};
pub use ram::{Piece, Quiet, Ram};
pub use range::{Range, join};
