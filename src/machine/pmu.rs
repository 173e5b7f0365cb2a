//! The DSU's performance monitors: system registers of a cluster (Arm DSU TRM, chapter "PMU").

pub mod instruction;

/// A CLUSTERPM* system register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PmuReg {
    /// CLUSTERPMCR_EL1, S3_0_C15_C5_0: E bit 0, P bit 1, C bit 2, N bits 15:11.
    Control,
    /// CLUSTERPMCNTENSET_EL1, S3_0_C15_C5_1.
    CountersOn,
    /// CLUSTERPMCNTENCLR_EL1, S3_0_C15_C5_2.
    CountersOff,
    /// CLUSTERPMOVSSET_EL1, S3_0_C15_C5_3.
    OverflowSet,
    /// CLUSTERPMOVSCLR_EL1, S3_0_C15_C5_4.
    OverflowClear,
    /// CLUSTERPMSELR_EL1, S3_0_C15_C5_5: which counter the next two are about.
    Select,
    /// CLUSTERPMINTENSET_EL1, S3_0_C15_C5_6.
    InterruptsOn,
    /// CLUSTERPMINTENCLR_EL1, S3_0_C15_C5_7.
    InterruptsOff,
    /// CLUSTERPMCCNTR_EL1, S3_0_C15_C6_0: 64-bit cycles.
    Cycles,
    /// CLUSTERPMXEVTYPER_EL1, S3_0_C15_C6_1.
    EventType,
    /// CLUSTERPMXEVCNTR_EL1, S3_0_C15_C6_2: 32 bits.
    EventCount,
    /// CLUSTERPMCEID0_EL1, S3_0_C15_C6_4.
    Events0,
    /// CLUSTERPMCEID1_EL1, S3_0_C15_C6_5.
    Events1,
}

impl PmuReg {
    /// Every register.
    pub const ALL: [Self; 13] = [
        Self::Control,
        Self::CountersOn,
        Self::CountersOff,
        Self::OverflowSet,
        Self::OverflowClear,
        Self::Select,
        Self::InterruptsOn,
        Self::InterruptsOff,
        Self::Cycles,
        Self::EventType,
        Self::EventCount,
        Self::Events0,
        Self::Events1,
    ];
}

/// The registers of the cluster that the calling CPU belongs to. Any CPU of a cluster to which the
/// device tree gives a DSU PMU; the caller holds the cluster's lock, since the registers belong to
/// all its CPUs and [`PmuReg::Select`] is one register.
pub trait ClusterPmu {
    /// MRS, behind an ISB: the read is not ahead of earlier instructions.
    fn pmu_read(&self, register: PmuReg) -> u64;

    /// MSR, and an ISB: what follows sees its effect.
    fn pmu_write(&self, register: PmuReg, value: u64);

    /// True if this CPU has no such registers and the kernel emulates accesses.
    fn pmu_emulated(&self) -> bool;
}
