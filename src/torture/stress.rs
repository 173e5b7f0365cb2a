//! Stress that stays on while other commands run: the clusters count cycles, every CPU has a timer
//! and a work item under way, reads and pended interrupts are in flight. The stress survives CPUs
//! that come and go, and the counts cross a kexec.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::beat::Beat;
use super::devices::{self, Devices};
use super::source::Tally;
use super::sources::Sources;
use super::tap::{Flow, Tap};
use super::{Site, WAIT_MS, monitors, period_ms};
use crate::cpu::CpuId;
use crate::machine::Seam;
use crate::pmu::events::CYCLES;
use crate::pmu::{PmuError, Request};
use crate::sync::atomic::Ordering;

/// Free interrupts that are asked for.
const SOURCES: usize = 8;

/// The stress, while switched on.
pub struct Stress {
    site: Site,
    sources: Arc<Sources>,
    devices: Devices,
    beat: Arc<Beat>,
    tap: Arc<Tap>,
    /// Clusters that count for this stress.
    clusters: Vec<usize>,
}

impl Stress {
    /// Switches the stress on. Boot CPU.
    ///
    /// # Errors
    /// A cluster that does not answer. Nothing is on then.
    pub fn on(site: Site) -> Result<Self, String> {
        let mut clusters = Vec::new();
        for cluster in 0..site.services.pmu.clusters() {
            match monitors::ask(site, cluster, Request::Open(CYCLES)) {
                Ok(_) => clusters.push(cluster),
                Err(PmuError::AlreadyOpen { .. } | PmuError::Stopped { .. }) => {}
                Err(why) => {
                    close(site, &clusters);
                    return Err(why.to_string());
                }
            }
        }
        let hook: super::sources::Hook = Arc::new(|_| {});
        let sources = Arc::new(Sources::request(site, SOURCES, &hook));
        let (tap, devices) = (Arc::new(Tap::new()), Devices::new(site));
        let beat = begin(site, &sources, &tap);
        Ok(Self { site, sources, devices, beat, tap, clusters })
    }

    /// Switches the stress off and returns the interrupts sent and handled. Boot CPU.
    ///
    /// # Errors
    /// What was lost. The stress is off all the same.
    pub fn off(self) -> (Tally, Result<(), String>) {
        let mut lost = self.drain();
        lost.extend(self.beat.stop(WAIT_MS + period_ms(self.site)).err());
        lost.extend(self.sources.release(self.site).err());
        close(self.site, &self.clusters);
        let result = if lost.is_empty() { Ok(()) } else { Err(lost.join("; ")) };
        (self.tally(), result)
    }

    /// Interrupts sent and handled since [`Self::on`].
    pub fn tally(&self) -> Tally {
        [self.sources.tally(), self.devices.tally()].into_iter().sum()
    }

    /// Timers fired and work items run since [`Self::on`].
    pub fn beats(&self) -> (u64, u64) {
        let beat = &self.beat;
        (beat.fired.load(Ordering::Relaxed), beat.ran.load(Ordering::Relaxed))
    }

    /// Before CPUs leave for good: interrupts that only a leaving CPU can take are not sent any
    /// more. When this returns, those already sent have been taken, or are lost. Everything else
    /// goes on. Boot CPU.
    pub fn rest_lines(&self) {
        self.tap.set(Flow::NoLines);
        self.site.until(WAIT_MS, || self.tap.is_still() && self.sources.lines_settled());
    }

    /// Nothing is sent any more, and all that was sent is handled, or named. Boot CPU.
    pub fn drain(&self) -> Vec<String> {
        self.tap.set(Flow::Nothing);
        let settled = || self.tap.is_still() && self.sources.settled() && self.devices.reads_back();
        if self.site.until(WAIT_MS, settled) {
            return self.sources.twice();
        }
        let reads = (!self.devices.reads_back()).then(|| "reads are not back".into());
        let inside = self.tap.inside();
        let lost = (!inside.is_empty()).then(|| format!("CPUs {} still send", inside.ranges()));
        self.sources.outstanding(self.site).into_iter().chain(reads).chain(lost).collect()
    }

    /// Goes on after [`Self::rest_lines`] or [`Self::drain`].
    pub fn resume(&self) {
        self.tap.set(Flow::All);
    }

    /// For people.
    pub fn describe(&self) -> String {
        let (t, (timers, work)) = (self.tally(), self.beats());
        format!(
            "{} interrupts sent, {} handled, {timers} timers, {work} work items",
            t.sent, t.handled
        )
    }
}

/// The beats of all CPUs.
fn begin(site: Site, sources: &Arc<Sources>, tap: &Arc<Tap>) -> Arc<Beat> {
    let (sources, tap) = (sources.clone(), tap.clone());
    let body = move |cpu, m: &dyn Seam| tap.with(cpu, |flow| send(site, &sources, cpu, m, flow));
    Beat::start(site, period_ms(site), Box::new(body))
}

fn send(site: Site, sources: &Sources, cpu: CpuId, m: &dyn Seam, flow: Flow) {
    if flow == Flow::Nothing {
        return;
    }
    sources.send(m, cpu.index());
    // No disk, or no room: others send.
    let _ = devices::read(site);
    if let (Flow::All, Some(cluster)) = (flow, site.services.pmu.cluster_of(cpu)) {
        sources.send_line(m, cluster);
    }
}

/// A cluster whose CPUs are all off keeps its event until closed explicitly.
fn close(site: Site, clusters: &[usize]) {
    for &cluster in clusters {
        let _ = monitors::ask(site, cluster, Request::Close(CYCLES));
    }
}
