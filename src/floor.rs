//! The floor: what firmware costs without a kernel. CPUs come with the MMU off, store their counter
//! and call CPU_OFF, one after the other or all at once ([`Bare`](crate::machine::Bare)); the boot CPU times its calls.
//!
//! Nothing of this kernel runs on these CPUs, so the figures are those of firmware and hardware on
//! this machine, in this boot.

mod error;
mod figures;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::vec::Vec;

pub use error::FloorError;
pub use figures::{Figures, Group, figures};

use crate::cpu::CpuId;
use crate::machine::{Affinity, BareMachine, BareSeen};

/// Calls of PSCI_VERSION that are timed.
const CALLS: usize = 1000;

/// The first pause between two looks for OFF, and the longest, microseconds. A pause is a sixteenth
/// of what has been waited, so that a figure is right to so much.
const PAUSE_US: (u64, u64) = (2, 1000);

/// One CPU in one round, ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Which.
    pub cpu: CpuId,
    /// The call of CPU_ON, on the boot CPU.
    pub call: u64,
    /// From before that call to the CPU's first instruction.
    pub first: u64,
    /// From the CPU's call of CPU_OFF until AFFINITY_INFO said OFF.
    pub off: u64,
}

/// All CPUs once, ticks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Round {
    /// By CPU.
    pub samples: Vec<Sample>,
    /// From the first CPU_ON to the last first instruction. Serial: the sum over the CPUs.
    pub up: u64,
    /// From the first CPU_OFF until all were seen OFF. Serial: the sum over the CPUs.
    pub down: u64,
}

/// All that was measured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Measured {
    /// PSCI_VERSION, ticks.
    pub calls: Vec<u64>,
    /// One CPU after the other.
    pub serial: Vec<Round>,
    /// All at once.
    pub parallel: Vec<Round>,
}

/// What a CPU was asked to do, and until when the boot CPU waits.
struct Bench<'a> {
    m: &'a dyn BareMachine,
    cpus: &'a [CpuId],
    timeout_ms: u64,
}

/// Measures `cpus`, which are OFF, `rounds` times each way; `go_on` is asked before each round.
/// No wait is longer than `timeout_ms`. Boot CPU, no other CPU is on.
///
/// # Errors
/// The CPUs that did not do their part. Those that were waiting have been let go.
pub fn measure(
    m: &dyn BareMachine,
    cpus: &[CpuId],
    (rounds, timeout_ms): (u32, u64),
    go_on: &dyn Fn() -> bool,
) -> Result<Measured, FloorError> {
    let last = cpus.iter().map(|cpu| cpu.index()).max().unwrap_or(0);
    m.bare_open(last + 1);
    let bench = Bench { m, cpus, timeout_ms };
    let calls = (0..CALLS).map(|_| m.bare_call().ticks()).collect();
    let mut measured = Measured { calls, ..Measured::default() };
    for _ in 0..rounds {
        if !go_on() {
            break;
        }
        measured.parallel.push(bench.parallel()?);
        measured.serial.push(bench.serial()?);
    }
    Ok(measured)
}

impl Bench<'_> {
    /// Each CPU comes, and goes at once, before the next one.
    fn serial(&self) -> Result<Round, FloorError> {
        self.m.bare_go(true);
        let samples = self.cpus.iter().map(|&cpu| self.one(cpu)).collect::<Result<Vec<_>, _>>()?;
        let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum();
        let (up, down) = (sum(|s| s.first), sum(|s| s.off));
        Ok(Round { samples, up, down })
    }

    fn one(&self, cpu: CpuId) -> Result<Sample, FloorError> {
        let only = Bench { cpus: &[cpu], ..*self };
        let kicks = only.kick()?;
        only.arrive()?;
        let off_at = only.off()?;
        Ok(self.sample(cpu, &kicks[0], off_at[0]))
    }

    /// All CPUs come and wait; when the last one is there, all go at once.
    fn parallel(&self) -> Result<Round, FloorError> {
        self.m.bare_go(false);
        let came = self.kick().and_then(|kicks| self.arrive().map(|()| kicks));
        self.m.bare_go(true);
        let kicks = came.map_err(|why| self.clear_up(why))?;
        let off_at = self.off()?;
        let each = self.cpus.iter().zip(kicks.iter().zip(&off_at));
        let samples = each.map(|(&cpu, (kick, &off_at))| self.sample(cpu, kick, off_at)).collect();
        Ok(self.round(samples, &kicks, &off_at))
    }

    fn round(&self, samples: Vec<Sample>, kicks: &[Kick], off_at: &[u64]) -> Round {
        let seen: Vec<BareSeen> = self.cpus.iter().map(|&cpu| self.m.bare_seen(cpu)).collect();
        let first = seen.iter().filter_map(|seen| seen.first_at).max().unwrap_or(0);
        let leaving = seen.iter().filter_map(|seen| seen.leaving_at).min().unwrap_or(0);
        let begin = kicks.first().map_or(0, |kick| kick.begin);
        let off = off_at.iter().copied().max().unwrap_or(0);
        Round { samples, up: first.saturating_sub(begin), down: off.saturating_sub(leaving) }
    }

    fn sample(&self, cpu: CpuId, kick: &Kick, off_at: u64) -> Sample {
        let BareSeen { first_at, leaving_at, .. } = self.m.bare_seen(cpu);
        let since = |end: u64, begin: Option<u64>| end.saturating_sub(begin.unwrap_or(end));
        let first = since(first_at.unwrap_or(kick.begin), Some(kick.begin));
        Sample { cpu, call: kick.call, first, off: since(off_at, leaving_at) }
    }

    /// CPU_ON of all; at the first one that firmware refuses no further one is asked.
    fn kick(&self) -> Result<Vec<Kick>, FloorError> {
        self.cpus.iter().for_each(|&cpu| self.m.bare_forget(cpu));
        let kick = |&cpu: &CpuId| {
            let call = self.m.bare_on(cpu);
            call.answer.map_err(|why| FloorError::Refused { cpu, why })?;
            Ok(Kick { begin: call.begin, call: call.ticks() })
        };
        self.cpus.iter().map(kick).collect()
    }

    /// Waits for the first instruction of all.
    fn arrive(&self) -> Result<(), FloorError> {
        let there = |cpu: &CpuId| self.m.bare_seen(*cpu).first_at.is_some();
        let deadline = self.deadline();
        // The one that was started last is most likely the last to come.
        for cpu in self.cpus.iter().rev() {
            while !there(cpu) {
                if self.m.now() >= deadline {
                    return self.all(there, FloorError::NoShow);
                }
                self.m.bare_wait();
            }
        }
        Ok(())
    }

    /// Looks until firmware says OFF of all; when each was seen to be OFF.
    fn off(&self) -> Result<Vec<u64>, FloorError> {
        let (begin, deadline) = (self.m.now(), self.deadline());
        let mut off_at = alloc::vec![0; self.cpus.len()];
        loop {
            for (cpu, at) in self.cpus.iter().zip(&mut off_at).filter(|(_, at)| **at == 0) {
                if self.is_off(*cpu) {
                    *at = self.m.now();
                }
            }
            let now = self.m.now();
            if off_at.iter().all(|&at| at != 0) {
                return Ok(off_at);
            }
            self.not_denied()?;
            if now >= deadline {
                return self.all(|cpu| self.is_off(*cpu), FloorError::StillOn).map(|()| off_at);
            }
            self.m.wait(Some(deadline.min(now + self.pause(now - begin))));
        }
    }

    fn pause(&self, waited: u64) -> u64 {
        let [least, most] = [PAUSE_US.0, PAUSE_US.1].map(|us| self.m.ticks_from_us(us));
        (waited / 16).clamp(least, most)
    }

    fn is_off(&self, cpu: CpuId) -> bool {
        self.m.affinity_info(cpu) == Ok(Affinity::Off)
    }

    /// No CPU is back from CPU_OFF.
    fn not_denied(&self) -> Result<(), FloorError> {
        let denied = |&cpu: &CpuId| Some((cpu, self.m.bare_seen(cpu).denied?));
        let denied: Vec<_> = self.cpus.iter().filter_map(denied).collect();
        if denied.is_empty() { Ok(()) } else { Err(FloorError::Denied(denied)) }
    }

    /// The CPUs that are not done are named; none may be left, since the deadline passed.
    fn all(
        &self,
        done: impl Fn(&CpuId) -> bool,
        missing: fn(Vec<CpuId>, u64) -> FloorError,
    ) -> Result<(), FloorError> {
        let left: Vec<CpuId> = self.cpus.iter().filter(|cpu| !done(cpu)).copied().collect();
        if left.is_empty() { Ok(()) } else { Err(missing(left, self.timeout_ms)) }
    }

    /// After a round that failed: waits until those that come have gone, so that these can be used
    /// again.
    fn clear_up(&self, why: FloorError) -> FloorError {
        let cpus = self.coming(&why);
        let left = Bench { cpus: &cpus, ..*self };
        match left.arrive().and_then(|()| left.off()) {
            Err(FloorError::Denied(cpus)) => FloorError::Denied(cpus),
            _ => why,
        }
    }

    /// After a round that failed: the CPUs that were asked before the one that firmware refused, or
    /// else those that have come.
    fn coming(&self, why: &FloorError) -> Vec<CpuId> {
        let all = self.cpus.iter().copied();
        match *why {
            FloorError::Refused { cpu: refused, .. } => {
                all.take_while(|&cpu| cpu != refused).collect()
            }
            _ => all.filter(|&cpu| self.m.bare_seen(cpu).first_at.is_some()).collect(),
        }
    }

    fn deadline(&self) -> u64 {
        self.m.now() + self.m.ticks_from_ms(self.timeout_ms)
    }
}

/// A CPU_ON that firmware has accepted, ticks.
struct Kick {
    begin: u64,
    call: u64,
}
