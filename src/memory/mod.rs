//! Physical memory: ranges of it, and who uses which.

mod range;

pub use range::Range;
