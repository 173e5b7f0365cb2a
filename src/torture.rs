//! Trials: everything that leaves a CPU is kept busy while random sets of CPUs come and go, and
//! every count is looked at. Boot CPU, from the console.
//!
//! Under all kinds CPUs come and go ([`sets`]); the kind says what goes on besides:
//!
//! - [`readers`]: readers on all CPUs and in handlers, of a value that is poisoned when freed;
//!   callbacks from all CPUs.
//! - [`source`], [`sources`], [`devices`]: interrupts, one outstanding for each source, so that
//!   what was sent must be what was handled.
//! - [`monitors`]: events of the clusters.
//! - [`beat`], [`shots`]: timers and work on all CPUs.
//!
//! What is random comes from a seed; how CPUs interleave does not, so a seed repeats the operations
//! of a trial, not its luck. [`stress`] is made of the same parts and stays on beside other
//! commands.

mod beat;
mod devices;
mod findings;
mod monitors;
mod random;
mod readers;
mod sets;
mod shots;
mod site;
mod source;
mod sources;
pub mod stress;
mod tap;

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;

pub use site::Site;
pub use source::Tally;

use crate::irq::Irq;
pub use crate::report::TortureKind as Kind;
use crate::report::{self, Verdict};
use crate::sync::atomic::{AtomicU32, Ordering};
use beat::Beat;
use devices::Devices;
use findings::Findings;
use monitors::Monitors;
use random::Random;
use readers::Readers;
use sets::Watch;
use shots::Shots;
use sources::{Hook, Sources};

/// How long anything may take that is under way already.
const WAIT_MS: u64 = 10_000;

/// Free interrupts that are asked for.
const SOURCES: usize = 16;

/// Seconds between two words of progress.
const WORD_S: u64 = 2;

impl Kind {
    fn includes(self, other: Self) -> bool {
        self == other || self == Self::All
    }
}

/// Time between two beats of a CPU, so that all together do about 500 a second.
fn period_ms(site: Site) -> u64 {
    (2 * site.cpus() as u64).max(10)
}

/// One trial.
struct Trial {
    site: Site,
    kind: Kind,
    random: Random,
    findings: Arc<Findings>,
    readers: Arc<Readers>,
    sources: Arc<Sources>,
    devices: Devices,
    monitors: Monitors,
    shots: Shots,
    beat: Arc<Beat>,
    watch: Watch,
    /// Nothing is sent any more.
    quiet: Arc<AtomicU32>,
    rounds: u64,
}

/// Runs a trial; `say` prints its progress. Ctrl-C ends it after the present round, with all that it
/// has found. Boot CPU, nothing else under way.
pub fn run(
    site: Site,
    kind: Kind,
    seconds: u32,
    seed: u64,
    say: &mut dyn FnMut(&str),
) -> report::Torture {
    let mut trial = Trial::new(site, kind, seed);
    let begin = site.board.now();
    let end = begin + u64::from(seconds) * site.board.hz();
    let mut word = begin + WORD_S * site.board.hz();
    let goes_on = |trial: &Trial| trial.findings.count() == 0 && !site.board.interrupted();
    while site.board.now() < end && goes_on(&trial) {
        trial.round();
        if site.board.now() >= word {
            word = site.board.now() + WORD_S * site.board.hz();
            say(&trial.progress((site.board.now() - begin) / site.board.hz()));
        }
    }
    let run = ((site.board.now() - begin) / site.board.hz()) as u32;
    trial.finish(if site.board.interrupted() { run.min(seconds) } else { seconds }, seed)
}

impl Trial {
    fn new(site: Site, kind: Kind, seed: u64) -> Self {
        let findings: Arc<Findings> = Arc::default();
        let (readers, quiet) = (Arc::new(Readers::new()), Arc::new(AtomicU32::new(0)));
        let hook = hook(site, kind, &readers);
        let count = if kind.includes(Kind::Irq) { SOURCES } else { 0 };
        let sources = Arc::new(Sources::request(site, count, &hook));
        let beat = Beat::start(site, period_ms(site), body(site, kind, &readers, &sources, &quiet));
        Self {
            site,
            kind,
            random: Random::new(seed),
            watch: Watch::new(site, &findings),
            findings,
            readers,
            sources,
            devices: Devices::new(site),
            monitors: Monitors::new(site),
            shots: Shots::new(site),
            beat,
            quiet,
            rounds: 0,
        }
    }

    /// One operation of each part.
    fn round(&mut self) {
        self.rounds += 1;
        let (random, findings) = (&mut self.random, &*self.findings);
        self.watch.round(random, findings);
        self.shots.round(random);
        if self.kind.includes(Kind::Irq) {
            (0..SOURCES).for_each(|i| self.sources.send(self.site.board, i));
            self.devices.alarm();
        }
        if self.kind.includes(Kind::Rcu) {
            self.readers.update(self.site, random, findings);
            self.readers.call(self.site, self.site.boot());
            if random.one_in(16) {
                self.readers.barrier(self.site, findings);
            }
        }
        if self.kind.includes(Kind::Pmu) {
            (0..4).for_each(|_| self.monitors.round(random, findings));
        }
        let poisoned = self.readers.poisoned();
        findings.check(poisoned == 0, || format!("rcu: {poisoned} reads of freed memory"));
        // A pause in which the other CPUs go on, and this CPU serves its interrupts, timers and
        // work.
        let pause = self.site.board.ticks_from_us(random.below(2000) as u64);
        self.site.nap(self.site.board.now() + pause);
    }

    fn tally(&self) -> Tally {
        [self.sources.tally(), self.devices.tally()].into_iter().sum()
    }

    fn progress(&self, seconds: u64) -> alloc::string::String {
        let t = self.tally();
        let reads = self.readers.reads.load(Ordering::Relaxed);
        let online = self.site.hotplug.online().len();
        format!(
            "{seconds} s: {} rounds, {} of {} interrupts handled, {reads} reads, {online} CPUs online",
            self.rounds, t.handled, t.sent
        )
    }

    /// Everything comes to rest and is counted; the CPUs that were online at the start are online
    /// again.
    fn finish(self, seconds: u32, seed: u64) -> report::Torture {
        let Self { site, findings, .. } = self;
        self.watch.finish(&findings);
        self.quiet.store(1, Ordering::Relaxed);
        if let Err(why) = self.beat.stop(WAIT_MS + period_ms(site)) {
            findings.add(format!("timers and work: {why}"));
        }
        self.shots.finish(WAIT_MS, &findings);
        site.until(WAIT_MS, || self.sources.settled() && self.devices.settled());
        self.sources.outstanding(site).into_iter().for_each(|what| findings.add(what));
        self.sources.twice().into_iter().for_each(|what| findings.add(what));
        self.devices.wrong().into_iter().for_each(|what| findings.add(what));
        let tally = [self.sources.tally(), self.devices.tally()].into_iter().sum::<Tally>();
        findings.check(tally.even(), || format!("irq: {tally:?}"));
        self.sources.release(site).unwrap_or_else(|why| findings.add(why));
        self.monitors.finish(&findings);
        self.readers.finish(site, &findings);
        let get = |count: &crate::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let verdict = if findings.count() == 0 { Verdict::Pass } else { Verdict::Fail };
        report::Torture {
            kind: self.kind.into(),
            seconds,
            seed,
            rounds: self.rounds,
            sent: tally.sent,
            handled: tally.handled,
            reads: get(&self.readers.reads),
            updates: get(&self.readers.updates),
            callbacks: get(&self.readers.ran),
            timers: get(&self.beat.fired) + self.shots.fired(),
            work: get(&self.beat.ran),
            failures: findings.list(),
            verdict: verdict.into(),
        }
    }
}

/// What handlers of the free interrupts do besides.
fn hook(site: Site, kind: Kind, readers: &Arc<Readers>) -> Hook {
    let readers = readers.clone();
    let reads = kind.includes(Kind::Rcu);
    Arc::new(move |irq: &Irq<'_>| {
        if reads {
            readers.read(site, irq.machine, irq.cpu, false);
        }
    })
}

/// What every CPU does at each of its beats.
fn body(
    site: Site,
    kind: Kind,
    readers: &Arc<Readers>,
    sources: &Arc<Sources>,
    quiet: &Arc<AtomicU32>,
) -> beat::Body {
    let (readers, sources, quiet) = (readers.clone(), sources.clone(), quiet.clone());
    Box::new(move |cpu, m| {
        if quiet.load(Ordering::Relaxed) != 0 {
            return;
        }
        if kind.includes(Kind::Rcu) {
            readers.read(site, m, cpu, true);
            readers.call(site, cpu);
        }
        let cluster = site.services.pmu.cluster_of(cpu);
        match (kind, cluster) {
            // Overflows come on the same line there, and a cluster that stops takes its line back.
            (Kind::All, Some(cluster)) => sources.nudge_line(m, cluster),
            (Kind::Irq, Some(cluster)) => sources.send_line(m, cluster),
            _ => {}
        }
        if kind.includes(Kind::Irq) {
            sources.send(m, cpu.index());
            // No disk, or no room: others send.
            let _ = devices::read(site);
        }
    })
}
