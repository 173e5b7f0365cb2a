//! Which CPUs there are: the only place where a logical number becomes an affinity and back.

use alloc::vec::Vec;
use core::fmt;

use super::{CpuId, Mpidr};
use crate::config::MAX_CPUS;

/// Why a list of CPUs cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopologyError {
    /// The CPU that runs is not in the list.
    BootCpuMissing(Mpidr),
    /// Two CPUs claim one affinity.
    Duplicate(Mpidr),
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootCpuMissing(m) => write!(f, "the CPU that runs (MPIDR {m}) is not listed"),
            Self::Duplicate(m) => write!(f, "two CPUs have MPIDR {m}"),
        }
    }
}

/// The CPUs of the machine in the order of the device tree, and which of them booted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    mpidrs: Vec<Mpidr>,
    boot: CpuId,
}

impl Topology {
    /// Makes the table; CPUs past [`MAX_CPUS`] are left out, but never the boot CPU.
    ///
    /// # Errors
    /// [`TopologyError`] if an affinity occurs twice or `boot` does not occur.
    pub fn new(cpus: &[Mpidr], boot: Mpidr) -> Result<Self, TopologyError> {
        let mut sorted = cpus.to_vec();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TopologyError::Duplicate(pair[0]));
        }
        let at = cpus.iter().position(|&m| m == boot).ok_or(TopologyError::BootCpuMissing(boot))?;
        let mut mpidrs = cpus[..cpus.len().min(MAX_CPUS)].to_vec();
        let kept = at.min(mpidrs.len() - 1);
        mpidrs[kept] = boot;
        Ok(Self { mpidrs, boot: CpuId(kept as u16) })
    }

    /// How many CPUs there are, the boot CPU included.
    pub fn len(&self) -> usize {
        self.mpidrs.len()
    }

    /// Never true: the boot CPU is always there.
    pub fn is_empty(&self) -> bool {
        self.mpidrs.is_empty()
    }

    /// The CPU that entered first.
    pub fn boot(&self) -> CpuId {
        self.boot
    }

    /// The affinity of the CPU that entered first.
    pub fn boot_mpidr(&self) -> Mpidr {
        self.mpidrs[self.boot.index()]
    }

    /// All CPUs in logical order.
    pub fn cpus(&self) -> impl ExactSizeIterator<Item = CpuId> + use<> {
        (0..self.mpidrs.len() as u16).map(CpuId)
    }

    /// The affinity of a CPU.
    pub fn mpidr(&self, cpu: CpuId) -> Option<Mpidr> {
        self.mpidrs.get(cpu.index()).copied()
    }

    /// The CPU with an affinity.
    pub fn cpu(&self, mpidr: Mpidr) -> Option<CpuId> {
        self.mpidrs.iter().position(|&m| m == mpidr).map(|i| CpuId(i as u16))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn mpidrs(values: &[u64]) -> Vec<Mpidr> {
        values.iter().map(|&v| Mpidr::from_register(v)).collect()
    }

    #[test]
    fn the_boot_cpu_need_not_come_first() {
        let t = Topology::new(&mpidrs(&[0, 0x100, 0x120000]), Mpidr::from_register(0x120000));
        let t = t.unwrap();
        assert_eq!((t.boot(), t.len()), (CpuId(2), 3));
        assert_eq!(t.cpu(t.mpidr(CpuId(1)).unwrap()), Some(CpuId(1)));
    }

    #[test]
    fn twins_and_strangers_are_refused_by_name() {
        let boot = Mpidr::from_register(1);
        let twin = Topology::new(&mpidrs(&[1, 2, 2]), boot).unwrap_err();
        assert_eq!(twin, TopologyError::Duplicate(Mpidr::from_register(2)));
        let stranger = Topology::new(&mpidrs(&[2, 3]), boot).unwrap_err();
        assert_eq!(stranger, TopologyError::BootCpuMissing(boot));
    }

    #[test]
    fn a_boot_cpu_past_the_limit_keeps_its_seat() {
        let all: Vec<Mpidr> = (0..600).map(Mpidr::from_register).collect();
        let t = Topology::new(&all, all[599]).unwrap();
        assert_eq!((t.len(), t.boot()), (MAX_CPUS, CpuId(511)));
        assert_eq!(t.mpidr(t.boot()), Some(all[599]));
    }
}
