//! Physical memory: ranges, and the owner of each page.

mod map;
mod range;

pub use map::{Map, MapError, Owner, Region, Side};
pub use range::Range;
