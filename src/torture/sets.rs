//! Random sets of CPUs leave and come; marks, view, interrupts and clusters are checked afterwards.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use super::Site;
use super::findings::Findings;
use super::random::Random;
use crate::cpu::{CpuId, CpuMask};
use crate::hotplug::ObserverId;
use crate::report::{BringupPolicy, TeardownMode};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::trace::Mark;

/// One round in so many brings all CPUs up or takes all away.
const ALL: usize = 8;

/// Watches the marks of all CPUs.
pub(super) struct Watch {
    id: ObserverId,
    site: Site,
    /// The online CPUs at the start, to be restored at the end.
    online: CpuMask,
}

/// The marks that observers are told of, in the order of a life.
fn legal(from: Mark, to: Mark) -> bool {
    matches!(
        (from, to),
        (Mark::Offline, Mark::Online)
            | (Mark::Online, Mark::TeardownCpu)
            | (Mark::TeardownCpu, Mark::Dead | Mark::Online)
            | (Mark::Dead, Mark::Offline)
    )
}

fn number(mark: Mark) -> u32 {
    Mark::ALL.iter().position(|&m| m == mark).unwrap_or(0) as u32
}

impl Watch {
    /// Begins. Boot CPU.
    pub(super) fn new(site: Site, findings: &Arc<Findings>) -> Self {
        let hp = site.hotplug;
        let marks = hp.topology().cpus().map(|cpu| AtomicU32::new(number(hp.mark(cpu))));
        let (marks, findings): (Box<[_]>, _) = (marks.collect(), findings.clone());
        let observer = Arc::new(move |cpu: CpuId, to: Mark| {
            // Relaxed, because a CPU's marks are reported one after another: the CPU that reports
            // the next mark has synchronised with the CPU that reported the last.
            let from = marks[cpu.index()].swap(number(to), Ordering::Relaxed) as usize;
            let from = Mark::ALL[from];
            findings.check(legal(from, to), || format!("hotplug: CPU {cpu} from {from} to {to}"));
        });
        Self { id: hp.observe(site.boot(), observer), site, online: hp.online() }
    }

    /// One operation on a random set, in a random way, and all checks.
    pub(super) fn round(&self, random: &mut Random, findings: &Findings) {
        let hp = self.site.hotplug;
        let online = hp.online();
        let others: CpuMask = online.iter().filter(|&cpu| cpu != self.site.boot()).collect();
        let offline = hp.offline();
        let down = offline.is_empty() || !others.is_empty() && random.one_in(2);
        let from = if down { others } else { offline };
        let set = if random.one_in(ALL) { from } else { random.some_of(&from) };
        if down {
            self.offline(random, &set, findings)
        } else {
            self.online(random, &set, findings)
        }
    }

    fn offline(&self, random: &mut Random, set: &CpuMask, findings: &Findings) {
        let modes = [TeardownMode::Serial, TeardownMode::Parallel, TeardownMode::Parallel];
        let mode = modes[random.below(modes.len())];
        let (hp, m) = (self.site.hotplug, self.site.board);
        let stay = hp.online().and_not(set);
        let outcome = hp.tear_down(m, set, mode);
        let what = format!("offline {} {mode}", set.ranges());
        for failure in outcome.stuck.iter().chain(&outcome.noted) {
            findings.add(format!("hotplug: {what}: {failure}"));
        }
        findings.check(outcome.off == *set, || {
            format!("hotplug: {what}: only {} are off", outcome.off.ranges())
        });
        self.agree(&stay, &what, findings);
        if let Some((intid, cpu)) = self.site.services.irqs.stray(m, set) {
            findings.add(format!("hotplug: {what}: interrupt {intid} still goes to CPU {cpu}"));
        }
    }

    fn online(&self, random: &mut Random, set: &CpuMask, findings: &Findings) {
        let policies = [BringupPolicy::Serial, BringupPolicy::Parallel, BringupPolicy::Fanout];
        let policy = policies[random.below(policies.len())];
        let (hp, m) = (self.site.hotplug, self.site.board);
        let stay = hp.online().or(set);
        let outcome = hp.bring_up(m, set, policy);
        let what = format!("online {} {policy}", set.ranges());
        for failure in &outcome.failed {
            findings.add(format!("hotplug: {what}: {failure}"));
        }
        self.agree(&stay, &what, findings);
    }

    /// Marks, view, interrupts and clusters agree with the CPUs that should be online.
    fn agree(&self, wanted: &CpuMask, what: &str, findings: &Findings) {
        let (hp, boot) = (self.site.hotplug, self.site.boot());
        let marks = hp.online();
        let guard = self.site.services.rcu.read(boot);
        let view = *hp.online_view(&guard);
        drop(guard);
        findings.check(marks == *wanted && view == *wanted, || {
            let (w, m, v) = (wanted.ranges(), marks.ranges(), view.ranges());
            format!("hotplug: {what}: {w} should be online, marks say {m}, the view {v}")
        });
        for row in self.site.services.irqs.rows() {
            let fine = row.effective.is_none_or(|cpu| wanted.contains(cpu));
            findings
                .check(fine, || format!("irq: {what}: {} goes to a CPU that is off", row.intid));
        }
        owners(self.site, wanted, what, findings);
    }

    /// Restores the online CPUs of the start. Boot CPU.
    pub(super) fn finish(self, findings: &Findings) {
        let (hp, m) = (self.site.hotplug, self.site.board);
        let (all, back) = (hp.online(), self.online);
        let too_few = back.and_not(&all);
        for failure in hp.bring_up(m, &too_few, BringupPolicy::Parallel).failed {
            findings.add(format!("hotplug: back online: {failure}"));
        }
        for failure in hp.tear_down(m, &all.and_not(&back), TeardownMode::Parallel).stuck {
            findings.add(format!("hotplug: back offline: {failure}"));
        }
        self.agree(&back, "as it was", findings);
        hp.forget(self.site.boot(), self.id);
    }
}

/// The owner of each cluster is an online CPU of that cluster; a cluster with an online CPU has an
/// owner.
fn owners(site: Site, online: &CpuMask, what: &str, findings: &Findings) {
    for info in site.services.pmu.info() {
        let here = info.cpus.and(online);
        let fine = match info.owner {
            Some(owner) => here.contains(owner),
            None => here.is_empty(),
        };
        findings.check(fine && info.present == here, || -> String {
            format!(
                "pmu: {what}: cluster {} is owned by {:?}, present {}, online {}",
                info.number,
                info.owner,
                info.present.ranges(),
                here.ranges()
            )
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_legal_and_its_shortcuts_are_not() {
        let life = [Mark::Offline, Mark::Online, Mark::TeardownCpu, Mark::Dead, Mark::Offline];
        assert!(life.windows(2).all(|w| legal(w[0], w[1])));
        assert!(legal(Mark::TeardownCpu, Mark::Online), "called off");
        for (from, to) in [(Mark::Online, Mark::Dead), (Mark::Dead, Mark::Online)] {
            assert!(!legal(from, to), "{from} {to}");
        }
        assert!(Mark::ALL.iter().all(|&m| Mark::ALL[number(m) as usize] == m && !legal(m, m)));
    }
}
