//! Timers that the boot CPU arms on random CPUs: each fires once, not before its deadline, unless
//! cancelled.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::Arc;

use super::Site;
use super::findings::Findings;
use super::random::Random;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::timer::{Fired, TimerId};

/// Timers that may be cancelled yet.
const REMEMBERED: usize = 32;

/// Longest time until one fires.
const LONGEST_US: usize = 20_000;

/// Counts over all shots.
#[derive(Default)]
struct ShotCounts {
    fired: AtomicU64,
    early: AtomicU64,
}

/// What was armed.
pub(super) struct Shots {
    site: Site,
    counts: Arc<ShotCounts>,
    ids: VecDeque<TimerId>,
    armed: u64,
    cancelled: u64,
}

impl Shots {
    pub(super) fn new(site: Site) -> Self {
        Self { site, counts: Arc::default(), ids: VecDeque::new(), armed: 0, cancelled: 0 }
    }

    /// Arms a few, and perhaps cancels one. Boot CPU.
    pub(super) fn round(&mut self, random: &mut Random) {
        for _ in 0..random.below(4) {
            self.arm(random);
        }
        if random.one_in(4)
            && let Some(id) = self.ids.pop_front()
        {
            self.cancelled += u64::from(self.site.services.timers.cancel(id));
        }
    }

    fn arm(&mut self, random: &mut Random) {
        let (site, counts) = (self.site, self.counts.clone());
        let action = Box::new(move |fired: &Fired<'_>| {
            let early = fired.now < fired.deadline || fired.machine.now() < fired.deadline;
            counts.early.fetch_add(u64::from(early), Ordering::Relaxed);
            counts.fired.fetch_add(1, Ordering::Release);
        });
        let at = site.board.now() + site.board.ticks_from_us(random.below(LONGEST_US) as u64);
        let added = site.services.timers.add(random.cpu(site.cpus()), at, action);
        if added.earliest {
            site.wake(site.boot(), added.cpu);
        }
        self.armed += 1;
        self.ids.push_back(added.id);
        if self.ids.len() > REMEMBERED {
            self.ids.pop_front();
        }
    }

    /// How many have fired.
    pub(super) fn fired(&self) -> u64 {
        self.counts.fired.load(Ordering::Acquire)
    }

    /// Waits for those that are still to come. Boot CPU.
    pub(super) fn finish(&self, ms: u64, findings: &Findings) {
        let wanted = self.armed - self.cancelled;
        self.site.until(ms, || self.fired() >= wanted);
        let (fired, early) = (self.fired(), self.counts.early.load(Ordering::Relaxed));
        findings.check(fired == wanted, || {
            format!("timers: {fired} of {} fired, {} cancelled", self.armed, self.cancelled)
        });
        findings.check(early == 0, || format!("timers: {early} fired before their deadline"));
    }
}
