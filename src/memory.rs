//! Physical memory: ranges of it, and who uses which.

mod map;
mod range;

pub use map::{Map, MapError, Owner, Region, Side};
pub use range::Range;
