//! Events that are opened, read and closed in random clusters while their CPUs come and go.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use super::findings::Findings;
use super::random::Random;
use super::{Site, WAIT_MS};
use crate::cpu::CpuMask;
use crate::pmu::events::NAMED;
use crate::pmu::{PmuError, Request};

/// The open events by cluster, and their last totals.
pub(super) struct Monitors {
    site: Site,
    /// Totals of what this trial has opened.
    open: BTreeMap<(usize, u16), u64>,
    /// Events that others had open before the trial, and keep.
    others: BTreeSet<(usize, u16)>,
    pub(super) asked: u64,
}

impl Monitors {
    pub(super) fn new(site: Site) -> Self {
        let clusters = site.services.pmu.info();
        let pairs = clusters.iter().flat_map(|c| c.events.iter().map(|e| (c.number, e.event)));
        Self { site, open: BTreeMap::new(), others: pairs.collect(), asked: 0 }
    }

    /// One request to one cluster. Boot CPU.
    pub(super) fn round(&mut self, random: &mut Random, findings: &Findings) {
        let clusters = self.site.services.pmu.clusters();
        if clusters == 0 {
            return;
        }
        let cluster = random.below(clusters);
        let event = random.one_of(&NAMED).map_or(0, |(event, _)| event);
        match random.below(4) {
            0 if !self.others.contains(&(cluster, event)) => self.open(cluster, event, findings),
            1 => self.close(cluster, event, findings),
            _ => self.read(cluster, findings),
        }
    }

    fn open(&mut self, cluster: usize, event: u16, findings: &Findings) {
        let had = self.open.contains_key(&(cluster, event));
        match self.ask(cluster, Request::Open(event)) {
            Ok(total) if !had => _ = self.open.insert((cluster, event), total),
            Err(PmuError::AlreadyOpen { .. }) if had => {}
            Err(PmuError::NoEvent { .. } | PmuError::Full { .. }) if !had => {}
            other => self.odd(cluster, "open", event, &other, findings),
        }
    }

    fn close(&mut self, cluster: usize, event: u16, findings: &Findings) {
        let had = self.open.get(&(cluster, event)).copied();
        if had.is_none() && self.others.contains(&(cluster, event)) {
            return;
        }
        match (self.ask(cluster, Request::Close(event)), had) {
            (Ok(total), Some(before)) => {
                findings.check(total >= before, || backwards(cluster, event, before, total));
                self.open.remove(&(cluster, event));
            }
            (Err(PmuError::NotOpen { .. }), None) => {}
            (other, _) => self.odd(cluster, "close", event, &other, findings),
        }
    }

    fn read(&mut self, cluster: usize, findings: &Findings) {
        match self.ask(cluster, Request::Read) {
            Ok(_) => self.look(cluster, findings),
            other => self.odd(cluster, "read", 0, &other, findings),
        }
    }

    /// No total goes backwards, and what is open is there.
    fn look(&mut self, cluster: usize, findings: &Findings) {
        let info = self.site.services.pmu.info();
        let events = info.get(cluster).map_or(&[][..], |info| &info.events);
        for ((_, event), before) in self.open.iter_mut().filter(|((c, _), _)| *c == cluster) {
            let Some(now) = events.iter().find(|e| e.event == *event).map(|e| e.total) else {
                findings.add(format!("pmu: cluster {cluster} forgot event {event:#x}"));
                continue;
            };
            findings.check(now >= *before, || backwards(cluster, *event, *before, now));
            *before = now;
        }
    }

    /// Only a cluster without an online CPU may refuse.
    fn odd(
        &self,
        cluster: usize,
        what: &str,
        event: u16,
        result: &Result<u64, PmuError>,
        findings: &Findings,
    ) {
        let online = self.site.hotplug.online();
        let gone =
            matches!(result, Err(PmuError::Stopped { cpus, .. }) if cpus.and(&online).is_empty());
        findings.check(gone, || match result {
            Ok(_) => format!("pmu: cluster {cluster}: {what} {event:#x} should have been refused"),
            Err(why) => format!("pmu: {what} {event:#x}: {why}"),
        });
    }

    fn ask(&mut self, cluster: usize, request: Request) -> Result<u64, PmuError> {
        self.asked += 1;
        ask(self.site, cluster, request)
    }

    /// Closes what this trial has opened. All CPUs are online again.
    pub(super) fn finish(mut self, findings: &Findings) {
        let open: alloc::vec::Vec<(usize, u16)> = self.open.keys().copied().collect();
        open.into_iter().for_each(|(cluster, event)| self.close(cluster, event, findings));
    }
}

/// Asks a cluster and waits for the answer. Boot CPU.
pub(super) fn ask(site: Site, cluster: usize, request: Request) -> Result<u64, PmuError> {
    let deadline = site.in_ms(WAIT_MS);
    let mut pause = |owner| {
        site.board.wake(&CpuMask::from_iter([owner]));
        site.nap(site.in_ms(1));
        site.board.now() < deadline
    };
    site.services.pmu.ask(site.board, site.boot(), cluster, request, &mut pause)
}

fn backwards(cluster: usize, event: u16, before: u64, now: u64) -> alloc::string::String {
    format!("pmu: cluster {cluster} event {event:#x} went from {before} back to {now}")
}
