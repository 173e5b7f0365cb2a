//! The CPUs that stay. The set is frozen before the first CPU leaves, and is the only place from
//! which a target of a migration can be had: code that picks "any online CPU" has no [`Target`] to pass on.

use super::{CpuId, CpuMask};

/// The CPUs that stay while others leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Survivors {
    stay: CpuMask,
    leaving: CpuMask,
}

/// A CPU that is known to stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target(CpuId);

impl Survivors {
    /// Those of `online` that are not leaving.
    pub fn freeze(online: &CpuMask, leaving: &CpuMask) -> Self {
        Self { stay: online.and_not(leaving), leaving: *leaving }
    }

    /// `preferred` if that CPU stays, else the lowest CPU that does; `None` if no CPU stays.
    pub fn target(&self, preferred: CpuId) -> Option<Target> {
        self.stays(preferred).or_else(|| self.stay.iter().next().map(Target))
    }

    /// This CPU, if it stays.
    pub fn stays(&self, cpu: CpuId) -> Option<Target> {
        self.stay.contains(cpu).then_some(Target(cpu))
    }

    /// The lowest CPU of `among` that stays.
    pub fn one_of(&self, among: &CpuMask) -> Option<Target> {
        self.stay.and(among).iter().next().map(Target)
    }

    /// This CPU, if it is not leaving. For a CPU that is up and came after the freeze: such a CPU
    /// stays until the operation is over, because the next operation begins only then.
    pub fn newcomer(&self, cpu: CpuId) -> Option<Target> {
        (!self.leaving.contains(cpu)).then_some(Target(cpu))
    }

    /// The set.
    pub fn mask(&self) -> &CpuMask {
        &self.stay
    }

    /// Those that leave.
    pub fn leaving(&self) -> &CpuMask {
        &self.leaving
    }
}

impl Target {
    /// Its number.
    pub fn cpu(self) -> CpuId {
        self.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_never_a_leaving_cpu() {
        let leaving = CpuMask::from_iter([CpuId(0), CpuId(2)]);
        let s = Survivors::freeze(&CpuMask::first(4), &leaving);
        assert_eq!(s.target(CpuId(3)).map(Target::cpu), Some(CpuId(3)));
        assert_eq!(s.target(CpuId(2)).map(Target::cpu), Some(CpuId(1)));
        assert_eq!(Survivors::freeze(&leaving, &leaving).target(CpuId(0)), None);
        assert_eq!((s.stays(CpuId(2)), s.newcomer(CpuId(2))), (None, None));
        assert_eq!(s.stays(CpuId(7)), None, "it is not up yet");
        assert_eq!(s.newcomer(CpuId(7)).map(Target::cpu), Some(CpuId(7)));
        let cluster = CpuMask::from_iter([CpuId(2), CpuId(3)]);
        assert_eq!(s.one_of(&cluster).map(Target::cpu), Some(CpuId(3)));
        assert_eq!(s.one_of(&leaving), None, "nobody of them stays: a normal answer");
    }
}
