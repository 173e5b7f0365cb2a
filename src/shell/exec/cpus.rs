//! Commands about CPUs: `cpus`, `cpu`, `hotplug`, `set`, `soak`, `crash`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Kernel, Outcome};
use crate::cpu::{CpuId, CpuMask};
use crate::hotplug::{Hotplug, fault, steps};
use crate::kernel::Level;
use crate::options::{BringupPolicy, FailSpec, MAX_LOGLEVEL, TeardownMode, number};
use crate::shell::command::{Cpus, CrashKind, Setting};
use crate::trace::Dir;

/// Makes a step fail as asked for.
///
/// # Errors
/// There is no such step, or too many failures wait already.
pub fn inject(hotplug: &Hotplug, spec: &FailSpec) -> Result<(), String> {
    let step = fault::point(&spec.step)
        .ok_or_else(|| format!("{}: no such step; `hotplug` lists them", spec.step))?;
    let idle = |dir| steps::get(step).is_some_and(|s| !s.acts(dir));
    let in_vain = spec.dir.map_or(idle(Dir::Up) && idle(Dir::Down), idle);
    if in_vain {
        let dir = spec.dir.map_or("", Dir::name);
        return Err(format!("{} {dir}: nothing is done there that could fail", spec.step));
    }
    hotplug
        .faults
        .inject(step, spec.cpu, spec.dir, spec.times)
        .map_err(|_| String::from("too many failures wait already; `set fail none` clears them"))
}

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
        self.report_bringup("online", policy, &outcome);
        self.last_bringup = outcome;
        let failed = &self.last_bringup.failed;
        if failed.is_empty() { Ok(None) } else { Err(list(failed.iter())) }
    }

    pub(super) fn cpu_offline(&self, cpus: Cpus, mode: Option<TeardownMode>) -> Outcome {
        let mode = mode.unwrap_or(self.options.teardown);
        let cpus = self.choose(cpus, &self.can_leave(), "online, or is the boot CPU")?;
        let outcome = self.hotplug.tear_down(self.board, &cpus, mode);
        self.report_teardown("offline", mode, &outcome);
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

    pub(super) fn hotplug(&self) -> Outcome {
        self.print("   #  section   step              what");
        for (i, step) in steps::STEPS.iter().enumerate() {
            let section = step.section.name();
            self.print(&format!("{i:>4}  {section:<8}  {:<16}  {}", step.name, step.what));
        }
        for &mark in crate::trace::Mark::ALL {
            let at: CpuMask =
                self.hotplug.topology().cpus().filter(|&c| self.hotplug.mark(c) == mark).collect();
            if !at.is_empty() {
                self.print(&format!("{mark:<12} {}", at.ranges()));
            }
        }
        Ok(None)
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

    pub(super) fn set(&mut self, setting: Option<(Setting, String)>) -> Outcome {
        match setting {
            None => self.settings(),
            Some((Setting::Loglevel, value)) => {
                let level = number(&value).filter(|&n| n <= MAX_LOGLEVEL.into());
                let level = level.ok_or_else(|| format!("{value}: not a level from 0 to 7"))?;
                self.set_loglevel(level as u8);
            }
            Some((Setting::Fail, value)) if value == "none" => self.hotplug.faults.clear(),
            Some((Setting::Fail, value)) => {
                let spec: FailSpec =
                    value.parse().map_err(|e: crate::options::FailError| e.to_string())?;
                inject(self.hotplug, &spec)?;
            }
            Some((Setting::ConsoleCpu, value)) => self.set_console_cpu(&value)?,
            Some((Setting::Irq, value)) => self.set_irq(&value)?,
            Some((Setting::Timeout, value)) => {
                let ms = number(&value).filter(|&ms| ms > 0);
                let ms = ms.ok_or_else(|| format!("{value}: not a number of milliseconds"))?;
                self.hotplug.set_timeout_ms(ms);
            }
        }
        Ok(None)
    }

    fn settings(&self) {
        let console = self.console_intid().and_then(|i| self.hotplug.parts.irqs.effective(i));
        let console = console.map_or("none".into(), |c| c.to_string());
        self.print(&format!("loglevel     {}", self.loglevel()));
        self.print(&format!("console.cpu  {console}"));
        self.print(&format!("timeout      {} ms", self.hotplug.timeout_ms()));
        self.print("irq          `irqs` lists them; `set irq N affinity LIST`");
        self.print("fail         `set fail STEP[:CPU][:up|down][:TIMES]`, `set fail none`");
    }

    pub(super) fn crash(&mut self, kind: CrashKind, cpu: Option<CpuId>) -> Outcome {
        let boot = self.hotplug.topology().boot();
        match cpu {
            Some(cpu) if cpu != boot => {
                if self.hotplug.mark(cpu) != crate::trace::Mark::Online {
                    return Err(format!("CPU {cpu} is not online; `cpus` shows each CPU's mark"));
                }
                self.board.crash_on(cpu, kind);
                let text = "the CPU was told to crash, and its report should have come";
                let end = self.board.now() + self.board.hz();
                while self.board.now() < end {
                    self.board.wait(Some(end));
                }
                self.say(Level::Warning, text);
            }
            _ => self.board.crash(kind),
        }
        Ok(None)
    }
}

fn list<'f>(failures: impl Iterator<Item = &'f crate::hotplug::Failure>) -> String {
    let named: alloc::vec::Vec<String> = failures.map(ToString::to_string).collect();
    named.join("; ")
}
