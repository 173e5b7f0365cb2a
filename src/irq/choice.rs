//! Which CPU takes an interrupt: a pure choice, the same whenever it is made under the same
//! conditions.

use alloc::boxed::Box;
use alloc::vec;

use super::AffinityKind;
use super::descriptor::IrqEntry;
use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, CpuMask, Survivors, Target};

/// The CPU to route to, and whether the interrupt is enabled there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub(super) to: Target,
    pub(super) enable: bool,
}

/// How many interrupts each CPU takes.
pub(super) struct Loads(Box<[u16]>);

impl Loads {
    pub(super) fn none() -> Self {
        Self(vec![0; MAX_CPUS].into_boxed_slice())
    }

    pub(super) fn of(entries: &[IrqEntry]) -> Self {
        let mut loads = Self::none();
        entries.iter().filter_map(IrqEntry::effective).for_each(|cpu| loads.add(cpu));
        loads
    }

    pub(super) fn add(&mut self, cpu: CpuId) {
        if let Some(load) = self.0.get_mut(cpu.index()) {
            *load += 1;
        }
    }

    /// The survivor among these CPUs with the fewest interrupts; of several, the lowest number.
    fn least(&self, among: &CpuMask, survivors: &Survivors) -> Option<Target> {
        let stay = survivors.mask().and(among);
        let load = |cpu: &CpuId| self.0.get(cpu.index()).copied();
        stay.iter().min_by_key(load).and_then(|cpu| survivors.stays(cpu))
    }
}

/// The choice that needs no loads: the home CPU if that stays, or else the CPU of the present
/// route, if that is in the affinity and stays.
pub(super) fn settled(entry: &IrqEntry, survivors: &Survivors) -> Option<Target> {
    let stays_here = || entry.requested.contains(entry.at).then(|| survivors.stays(entry.at));
    entry.home.and_then(|home| survivors.stays(home)).or_else(|| stays_here().flatten())
}

/// `at` if that CPU is one of `cpus` and stays, or else the survivor of `cpus` with the least load.
pub(super) fn among(
    at: CpuId,
    cpus: &CpuMask,
    survivors: &Survivors,
    loads: &Loads,
) -> Option<Target> {
    let here = cpus.contains(at).then(|| survivors.stays(at)).flatten();
    here.or_else(|| loads.least(cpus, survivors))
}

/// The choice for an interrupt without a route.
pub(super) fn anew(
    requested: &CpuMask,
    kind: AffinityKind,
    survivors: &Survivors,
    loads: &Loads,
) -> Option<Choice> {
    match loads.least(requested, survivors) {
        Some(to) => Some(Choice { to, enable: true }),
        None => abroad(None, kind, survivors, loads),
    }
}

/// The choice for an interrupt whose affinity has no survivor. Masked or not, the route goes to a
/// CPU that stays.
fn abroad(
    at: Option<CpuId>,
    kind: AffinityKind,
    survivors: &Survivors,
    loads: &Loads,
) -> Option<Choice> {
    let here = at.and_then(|at| survivors.stays(at));
    let to = here.or_else(|| loads.least(survivors.mask(), survivors))?;
    Some(Choice { to, enable: kind == AffinityKind::Balanced })
}

/// The choice for an interrupt that is not [`settled`].
pub(super) fn moved(entry: &IrqEntry, survivors: &Survivors, loads: &Loads) -> Option<Choice> {
    match loads.least(&entry.requested, survivors) {
        Some(to) => Some(Choice { to, enable: true }),
        None => abroad(Some(entry.at), entry.kind(), survivors, loads),
    }
}
