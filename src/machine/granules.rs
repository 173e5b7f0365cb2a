//! Page sizes.

/// Which page sizes the CPUs can translate (ID_AA64MMFR0_EL1.TGran*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granules {
    /// 4 KiB.
    pub k4: bool,
    /// 16 KiB.
    pub k16: bool,
    /// 64 KiB.
    pub k64: bool,
}

impl Granules {
    /// 4 KiB only: what this kernel itself needs, so what is there for certain.
    pub const FOUR_K: Self = Self { k4: true, k16: false, k64: false };
}

impl Default for Granules {
    fn default() -> Self {
        Self::FOUR_K
    }
}
