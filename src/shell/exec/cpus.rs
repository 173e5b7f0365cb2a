//! Commands about CPUs: `cpus`, `cpu`, `soak`, `crash`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Kernel, Outcome};
use crate::cpu::{CpuId, CpuMask};
use crate::kernel::Level;
use crate::machine::CrashKind;
use crate::report::{BringupAt, BringupPolicy, TeardownAt, TeardownMode};
use crate::shell::command::Cpus;

impl Kernel {
    pub(super) fn cpus(&self) -> Outcome {
        self.print("  cpu  mpidr         mark          last failure");
        let topology = self.hotplug.topology();
        for cpu in topology.cpus() {
            let mpidr = topology.mpidr(cpu).map(|m| m.to_string()).unwrap_or_default();
            let boot = if cpu == topology.boot() { "boot CPU" } else { "" };
            let failure = self.hotplug.failure(cpu).map_or(boot.into(), |f| f.to_string());
            let mark = self.hotplug.mark(cpu);
            let line = format!("{:>5}  {mpidr:<12}  {mark:<12}  {failure}", cpu.0);
            self.print(line.trim_end());
        }
        Ok(None)
    }

    pub(super) fn cpu_online(&mut self, cpus: Cpus, policy: Option<BringupPolicy>) -> Outcome {
        let policy = policy.unwrap_or(self.options.bringup);
        let cpus = self.choose(cpus, &self.hotplug.offline(), "offline")?;
        let outcome = self.hotplug.bring_up(self.board, &cpus, policy);
        self.report_bringup(BringupAt::Online, policy, &outcome);
        self.took(outcome);
        let failed = &self.last_bringup.failed;
        if failed.is_empty() { Ok(None) } else { Err(list(failed.iter())) }
    }

    pub(super) fn cpu_offline(&mut self, cpus: Cpus, mode: Option<TeardownMode>) -> Outcome {
        let mode = mode.unwrap_or(self.options.teardown);
        let cpus = self.choose(cpus, &self.can_leave(), "online, or is the boot CPU")?;
        let outcome = self.hotplug.tear_down(self.board, &cpus, mode);
        self.report_teardown(TeardownAt::Offline, mode, &outcome);
        self.say_noted(&outcome);
        if outcome.stuck.is_empty() { Ok(None) } else { Err(list(outcome.stuck.iter())) }
    }

    fn can_leave(&self) -> CpuMask {
        let mut online = self.hotplug.online();
        online.remove(self.hotplug.topology().boot());
        online
    }

    /// The CPUs that a command names, all of which have to be in `able`.
    fn choose(&self, cpus: Cpus, able: &CpuMask, state: &str) -> Result<CpuMask, String> {
        let Cpus::Listed(mask) = cpus else { return Ok(*able) };
        let count = self.hotplug.topology().len();
        if let Some(stranger) = mask.iter().find(|c| c.index() >= count) {
            return Err(format!("there is no CPU {stranger}; this machine has 0-{}", count - 1));
        }
        let unable = mask.and_not(able);
        if unable.is_empty() {
            return Ok(mask);
        }
        Err(format!("CPU {} is not {state}; `cpus` shows each CPU's mark", unable.ranges()))
    }

    pub(super) fn soak(&self, times: u32, cpus: Option<Cpus>) -> Outcome {
        let cpus = self.choose(cpus.unwrap_or(Cpus::All), &self.can_leave(), "online")?;
        let (policy, mode) = (self.options.bringup, self.options.teardown);
        let begin = self.board.now();
        let mut next_word = begin + 2 * self.board.hz();
        for round in 1..=times {
            let down = self.hotplug.tear_down(self.board, &cpus, mode);
            let up = self.hotplug.bring_up(self.board, &cpus, policy);
            if down.off != cpus || up.online != cpus {
                let failed = list(down.stuck.iter().chain(&up.failed));
                return Err(format!("round {round} of {times}: {failed}"));
            }
            if self.board.now() > next_word {
                next_word += 2 * self.board.hz();
                self.print(&format!("round {round} of {times}"));
            }
        }
        let per_round = self.ns(self.board.now() - begin) / u64::from(times.max(1)) / 1000;
        self.print(&format!("{times} rounds of {} CPUs, {per_round} us each", cpus.len()));
        Ok(None)
    }

    pub(super) fn crash(&mut self, kind: CrashKind, cpu: Option<CpuId>) -> Outcome {
        let boot = self.hotplug.topology().boot();
        let kernel = self.loaded.as_ref().and_then(|l| l.plan.segments.first());
        let loaded = match (kind, kernel) {
            (CrashKind::WriteLoaded, None) => return Err(crate::kernel::NOTHING_LOADED.into()),
            (_, kernel) => kernel.map_or(0, |segment| segment.dest.start),
        };
        match cpu {
            Some(cpu) if cpu != boot => {
                if self.hotplug.mark(cpu) != crate::trace::Mark::Online {
                    return Err(format!("CPU {cpu} is not online; `cpus` shows each CPU's mark"));
                }
                self.board.crash_on(cpu, kind, loaded);
                let text = "the CPU was told to crash, and its report should have come";
                let end = self.board.now() + self.board.hz();
                while self.board.now() < end {
                    self.services.idle(self.board, boot, Some(end));
                }
                self.say(Level::Warning, text);
            }
            _ => self.board.crash(kind, loaded),
        }
        Ok(None)
    }
}

fn list<'f>(failures: impl Iterator<Item = &'f crate::hotplug::Failure>) -> String {
    let named: alloc::vec::Vec<String> = failures.map(ToString::to_string).collect();
    named.join("; ")
}
