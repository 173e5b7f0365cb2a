//! From samples to figures: of all CPUs, of each socket, of each cluster.

use alloc::vec::Vec;

use super::{Measured, Round, Sample};
use crate::cpu::{CpuId, Mpidr, Topology};
use crate::report::{Psci, PsciMode, PsciScope, Quantiles};

/// CPUs whose figures stand together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Group {
    /// What they share.
    pub scope: PsciScope,
    /// The affinity fields that they share, as a number; 0 for all.
    pub number: u64,
}

/// What all figures have in common.
#[derive(Clone, Copy)]
pub struct Figures<'a> {
    /// Which CPU is where.
    pub topology: &'a Topology,
    /// Affinity level 0 counts threads.
    pub threads: bool,
    /// Kexecs behind this kernel.
    pub generation: u32,
    /// Ticks as nanoseconds.
    pub ns: &'a dyn Fn(u64) -> u64,
}

impl Figures<'_> {
    /// The groups that this CPU belongs to.
    fn groups(&self, cpu: CpuId) -> [Group; 3] {
        let mpidr = self.topology.mpidr(cpu).map_or(0, Mpidr::value);
        let cluster = mpidr >> if self.threads { 16 } else { 8 };
        [(PsciScope::All, 0), (PsciScope::Socket, mpidr >> 32), (PsciScope::Cluster, cluster)]
            .map(|(scope, number)| Group { scope, number })
    }

    /// The groups of these CPUs; a socket or a cluster that is the only one is left out, since it is
    /// all.
    fn all_groups(&self, cpus: &[CpuId]) -> Vec<Group> {
        let mut groups: Vec<Group> = cpus.iter().flat_map(|&cpu| self.groups(cpu)).collect();
        groups.sort_unstable();
        groups.dedup();
        let several = |scope| groups.iter().filter(|group| group.scope == scope).count() > 1;
        let kept = |group: &&Group| group.scope == PsciScope::All || several(group.scope);
        groups.iter().filter(kept).copied().collect()
    }

    fn record(&self, group: Group, cpus: &[CpuId], measured: &Measured) -> Option<Psci> {
        let members: Vec<CpuId> =
            cpus.iter().copied().filter(|&cpu| self.groups(cpu).contains(&group)).collect();
        let all = group.scope == PsciScope::All;
        let (serial, parallel) =
            (self.mode(&measured.serial, &members)?, self.mode(&measured.parallel, &members)?);
        Some(Psci {
            generation: self.generation,
            scope: group.scope.into(),
            number: group.number,
            cpus: members.len() as u32,
            rounds: measured.parallel.len() as u32,
            version_ns: all.then(|| self.quantiles(measured.calls.iter().copied())).flatten(),
            up_ns: all.then(|| self.whole(measured, |round| round.up)).flatten(),
            down_ns: all.then(|| self.whole(measured, |round| round.down)).flatten(),
            serial,
            parallel,
        })
    }

    /// The medians of whole rounds, serial and parallel.
    fn whole(&self, measured: &Measured, of: fn(&Round) -> u64) -> Option<[u64; 2]> {
        let median = |rounds: &[Round]| Some(self.quantiles(rounds.iter().map(of))?.p50);
        Some([median(&measured.serial)?, median(&measured.parallel)?])
    }

    fn mode(&self, rounds: &[Round], members: &[CpuId]) -> Option<PsciMode> {
        let samples: Vec<&Sample> = rounds
            .iter()
            .flat_map(|round| &round.samples)
            .filter(|sample| members.contains(&sample.cpu))
            .collect();
        let of = |what: fn(&Sample) -> u64| self.quantiles(samples.iter().map(|s| what(s)));
        Some(PsciMode {
            call_ns: of(|s| s.call)?,
            first_ns: of(|s| s.first)?,
            off_ns: of(|s| s.off)?,
        })
    }

    fn quantiles(&self, ticks: impl Iterator<Item = u64>) -> Option<Quantiles> {
        Quantiles::of(ticks.map(self.ns))
    }
}

/// A record for all CPUs, then one for each socket and for each cluster, if there are several. Empty
/// if no round was finished.
pub fn figures(shared: &Figures<'_>, cpus: &[CpuId], measured: &Measured) -> Vec<Psci> {
    let groups = shared.all_groups(cpus);
    groups.into_iter().filter_map(|group| shared.record(group, cpus, measured)).collect()
}
