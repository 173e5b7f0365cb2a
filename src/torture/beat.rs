//! A beat for each CPU: a timer that queues a work item that arms the timer again. Timer and item
//! are always bound to that CPU: while the CPU is offline a survivor has both, and both return with
//! the CPU. Hotplug must neither lose such a timer or item nor run one twice.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use super::Site;
use crate::cpu::CpuId;
use crate::machine::Seam;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::timer::Fired;
use crate::work::{Running, WorkItem};

/// What is done at each beat, on the CPU that runs the item: ordinary context.
pub(super) type Body = Box<dyn Fn(CpuId, &dyn Seam) + Send + Sync>;

/// The beats of all CPUs.
pub(super) struct Beat {
    site: Site,
    period: u64,
    stopped: AtomicU32,
    pub(super) armed: AtomicU64,
    pub(super) fired: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) ran: AtomicU64,
    early: AtomicU64,
    ended: AtomicU64,
    body: Body,
}

impl Beat {
    /// Begins. Boot CPU.
    pub(super) fn start(site: Site, period_ms: u64, body: Body) -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        let beat = Arc::new(Self {
            site,
            period: site.board.ticks_from_ms(period_ms),
            stopped: AtomicU32::new(0),
            armed: zero(),
            fired: zero(),
            queued: zero(),
            ran: zero(),
            early: zero(),
            ended: zero(),
            body,
        });
        (0..site.cpus()).for_each(|i| Self::arm(&beat, site.boot(), CpuId(i as u16)));
        beat
    }

    /// Ends all beats, within `ms`. Boot CPU.
    ///
    /// # Errors
    /// What is missing, or came too early.
    pub(super) fn stop(&self, ms: u64) -> Result<(), String> {
        self.stopped.store(1, Ordering::Relaxed);
        // Acquire: with the last one, all that was done in the beats is seen.
        let all = self.site.until(ms, || self.left() == 0);
        let early = self.early.load(Ordering::Relaxed);
        if early > 0 {
            return Err(format!("{early} timers fired before their deadline"));
        }
        if all { Ok(()) } else { Err(self.missing()) }
    }

    fn left(&self) -> u64 {
        self.site.cpus() as u64 - self.ended.load(Ordering::Acquire)
    }

    fn missing(&self) -> String {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "{} beats did not end: {} of {} timers fired, {} of {} work items ran",
            self.left(),
            get(&self.fired),
            get(&self.armed),
            get(&self.ran),
            get(&self.queued)
        )
    }

    fn arm(beat: &Arc<Self>, me: CpuId, home: CpuId) {
        let site = beat.site;
        beat.armed.fetch_add(1, Ordering::Relaxed);
        let next = beat.clone();
        let action = Box::new(move |fired: &Fired<'_>| Self::fire(&next, fired, home));
        let at = site.board.now() + beat.period;
        let added = site.services.timers.add(home, at, action);
        if added.earliest {
            site.wake(me, added.cpu);
        }
    }

    fn fire(beat: &Arc<Self>, fired: &Fired<'_>, home: CpuId) {
        beat.fired.fetch_add(1, Ordering::Relaxed);
        beat.early.fetch_add(u64::from(fired.now < fired.deadline), Ordering::Relaxed);
        beat.queued.fetch_add(1, Ordering::Relaxed);
        let next = beat.clone();
        let run = Box::new(move |running: &Running<'_>| Self::run(&next, running, home));
        let at = beat.site.services.work.queue(home, WorkItem { pinned: false, run });
        beat.site.wake(fired.cpu, at);
    }

    fn run(beat: &Arc<Self>, running: &Running<'_>, home: CpuId) {
        beat.ran.fetch_add(1, Ordering::Relaxed);
        if beat.stopped.load(Ordering::Relaxed) == 0 {
            (beat.body)(running.cpu, running.machine);
            Self::arm(beat, running.cpu, home);
        } else {
            beat.ended.fetch_add(1, Ordering::Release);
        }
    }
}
