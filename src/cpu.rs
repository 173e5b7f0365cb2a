//! CPUs: their two kinds of number, sets of them, and which there are.

mod id;
mod mask;
mod survivors;
mod topology;

pub use id::{CpuId, Mpidr};
pub use mask::{CpuMask, Ranges};
pub use survivors::{Survivors, Target};
pub use topology::{Topology, TopologyError};
