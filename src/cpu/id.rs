//! Dense logical numbers and hardware affinities: two types, converted only by [`Topology`].
//!
//! [`Topology`]: super::Topology

use core::fmt;

/// A CPU's dense logical number, `0..MAX_CPUS`. Carries no affinity and no order of power-up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CpuId(pub u16);

impl CpuId {
    /// The number as an index into a table that has one row per CPU.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A CPU's affinity as PSCI and the device tree write it: Aff3 in bits 39:32, Aff2..Aff0 in 23:0
/// (Arm ARM D19.2.101 MPIDR_EL1, without its flag bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mpidr(u64);

impl Mpidr {
    const AFFINITY: u64 = 0xff_00ff_ffff;

    /// Keeps the affinity fields of an MPIDR_EL1 value and drops its flags.
    pub const fn from_register(value: u64) -> Self {
        Self(value & Self::AFFINITY)
    }

    /// The affinity of a device tree `reg`; `None` if bits outside the affinity fields are set.
    pub const fn from_reg(value: u64) -> Option<Self> {
        if value & !Self::AFFINITY == 0 { Some(Self(value)) } else { None }
    }

    /// The value as PSCI's `target_cpu` parameter takes it.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Affinity level `level`, 0 to 3.
    pub const fn aff(self, level: u32) -> u8 {
        let shift = if level == 3 { 32 } else { level * 8 };
        (self.0 >> shift) as u8
    }
}

impl fmt::Display for Mpidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Mpidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mpidr({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_value_loses_its_flags() {
        let m = Mpidr::from_register(0x81_c100_0203);
        assert_eq!((m.aff(3), m.aff(2), m.aff(1), m.aff(0)), (0x81, 0, 2, 3));
        assert_eq!(m.value(), 0x81_0000_0203);
    }

    #[test]
    fn a_reg_with_flag_bits_is_refused() {
        assert_eq!(Mpidr::from_reg(0x8000_0000), None);
        assert_eq!(Mpidr::from_reg(0x1_0000_0f0f).map(Mpidr::value), Some(0x1_0000_0f0f));
    }
}
