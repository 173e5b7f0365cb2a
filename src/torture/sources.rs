//! All sources of a trial: free shared interrupts, and the lines of the clusters' monitors.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::Site;
use super::source::{IrqLine, Source, Tally};
use crate::cpu::CpuMask;
use crate::interrupt::{Interrupt, Trigger};
use crate::irq::{AffinityKind, Here, Irq, Wanted};
use crate::machine::Seam;

/// What handlers of the free interrupts do besides.
pub(super) type Hook = Arc<dyn Fn(&Irq<'_>) + Send + Sync>;

/// The sources.
pub(super) struct Sources {
    free: Vec<Arc<Source>>,
    /// By cluster.
    lines: Vec<IrqLine>,
}

impl Sources {
    /// Requests up to `count` interrupts that have no owner, from the last one down: devices have
    /// low numbers. Boot CPU.
    pub(super) fn request(site: Site, count: usize, hook: &Hook) -> Self {
        let taken: Vec<u32> = site.services.irqs.rows().iter().map(|r| r.intid).collect();
        let mut free = vec![];
        for intid in (32..site.board.shared_end()).rev().filter(|intid| !taken.contains(intid)) {
            if free.len() == count {
                break;
            }
            free.extend(one(site, intid, hook));
        }
        let clusters = site.services.pmu.info();
        let irqs = &site.services.irqs;
        let line = |intid| irqs.counter(intid).map(|counter| IrqLine::new(intid, counter));
        let lines = clusters.iter().filter_map(|cluster| line(cluster.intid)).collect();
        Self { free, lines }
    }

    /// Frees the interrupts; none is outstanding any more, or else is lost. Boot CPU.
    pub(super) fn release(&self, site: Site) -> Result<(), String> {
        let irqs = &site.services.irqs;
        let result = |source: &Arc<Source>| irqs.free(&here(site, &everybody(site)), source.intid);
        self.free.iter().try_for_each(result).map_err(|why| why.to_string())
    }

    /// Sends the free one of this number, counted round. Any CPU, ordinary context.
    pub(super) fn send(&self, m: &dyn Seam, number: usize) {
        if let Some(source) = self.free.get(number % self.free.len().max(1)) {
            source.send(m);
        }
    }

    /// Sends a cluster's line. Any CPU, ordinary context.
    pub(super) fn send_line(&self, m: &dyn Seam, cluster: usize) {
        self.lines.get(cluster).into_iter().for_each(|line| line.send(m));
    }

    /// Makes a cluster's line pending without counting the interrupt.
    pub(super) fn nudge_line(&self, m: &dyn Seam, cluster: usize) {
        self.lines.get(cluster).into_iter().for_each(|line| m.pend(line.intid));
    }

    pub(super) fn lines_settled(&self) -> bool {
        self.lines.iter().all(IrqLine::settled)
    }

    pub(super) fn settled(&self) -> bool {
        self.lines_settled() && self.free.iter().all(|source| source.settled())
    }

    pub(super) fn tally(&self) -> Tally {
        let lines = self.lines.iter().map(IrqLine::tally);
        self.free.iter().map(|source| source.tally()).chain(lines).sum()
    }

    /// Names every outstanding interrupt, and the CPU that it is routed to.
    pub(super) fn outstanding(&self, site: Site) -> Vec<String> {
        let free = self.free.iter().filter(|s| !s.settled()).map(|s| s.intid);
        let lines = self.lines.iter().filter(|l| !l.settled()).map(|l| l.intid);
        free.chain(lines).map(|intid| describe(site, intid)).collect()
    }

    /// Those that were taken though nothing was sent.
    pub(super) fn twice(&self) -> Vec<String> {
        let twice = self.free.iter().filter(|s| s.tally().twice > 0);
        twice.map(|s| format!("interrupt {}: {} taken twice", s.intid, s.tally().twice)).collect()
    }
}

fn describe(site: Site, intid: u32) -> String {
    let (irqs, board) = (&site.services.irqs, site.board);
    let cpu = |cpu: Option<crate::cpu::CpuId>| cpu.map_or("nobody".into(), |c| c.to_string());
    format!(
        "interrupt {intid} was sent and not handled: taken by {}, routed to {}, {}",
        cpu(irqs.effective(intid)),
        cpu(board.route_of(intid)),
        board.status_of(intid),
    )
}

fn everybody(site: Site) -> crate::cpu::Survivors {
    site.hotplug.everybody_stays()
}

fn here<'a>(site: Site, online: &'a crate::cpu::Survivors) -> Here<'a> {
    let rcu = &site.services.rcu;
    Here { machine: site.board, cpu: site.boot(), rcu, online }
}

/// One free interrupt, if the distributor can make that interrupt an edge: the trigger of an
/// interrupt that does not exist reads as 0, and some are a level for good. Software pends this
/// interrupt, so only an edge will do: a level that is pended again after the handler has begun may
/// be lost (KVM, doc/gic-under-kvm.md). To try to pend the interrupt proves nothing: before the first
/// route QEMU's GICv2 lets no interrupt become pending.
fn one(site: Site, intid: u32, hook: &Hook) -> Option<Arc<Source>> {
    if site.board.pending(intid) {
        return None;
    }
    let interrupt = Interrupt::edge(intid);
    site.board.configure(interrupt);
    if site.board.status_of(intid).trigger != Trigger::Edge {
        return None;
    }
    let source = Arc::new(Source::new(intid));
    let (mine, hook) = (source.clone(), hook.clone());
    let action = move |irq: &Irq<'_>| {
        hook(irq);
        mine.taken()
    };
    let affinity = CpuMask::first(site.cpus());
    let (name, action) = ("torture".into(), Box::new(action));
    let wanted = Wanted { interrupt, name, affinity, kind: AffinityKind::Balanced, action };
    let irqs = &site.services.irqs;
    irqs.request(&here(site, &everybody(site)), wanted).ok().map(|()| source)
}
