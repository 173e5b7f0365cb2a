//! Failures on purpose: `cpuhp.fail=` and `set fail`.
//!
//! Beside the steps there are two points of firmware: `kick` (CPU_ON is not issued, so that the CPU
//! never comes) and `off` (CPU_OFF counts as DENIED); and one of devices: `quiesce` (before a jump
//! all devices stop, and the last one counts as one that has not).

use alloc::format;
use alloc::string::String;

use super::{Hotplug, steps};
use crate::cpu::CpuId;
use crate::options::FailSpec;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::trace::{Dir, StepId};

/// Faults that can wait at the same time.
const SLOTS: usize = 8;

/// A device does not stop for the jump; of the boot CPU, down.
pub const QUIESCE: StepId = StepId(253);

/// CPU_ON of a CPU is not issued.
pub const KICK: StepId = StepId(254);

/// CPU_OFF of a CPU counts as DENIED.
pub const OFF: StepId = StepId(255);

const ANY_CPU: u64 = 0xffff;
const ANY_DIR: u64 = 2;

/// The faults that wait. The boot CPU writes words, between operations; any CPU that runs a step
/// reads them and counts `times` down.
#[derive(Default)]
pub struct Faults {
    /// Each word: times << 32 | cpu << 16 | direction << 8 | step; times 0 means that the slot is
    /// free.
    slots: [AtomicU64; SLOTS],
    /// 0 while none waits: every step reads this word. Relaxed: the next request publishes the
    /// word.
    any: AtomicU64,
}

/// All slots hold a fault already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The step or point with a name.
pub fn point(name: &str) -> Option<StepId> {
    match name {
        "kick" => Some(KICK),
        "off" => Some(OFF),
        "quiesce" => Some(QUIESCE),
        _ => steps::by_name(name),
    }
}

/// Makes a step fail as asked for.
///
/// # Errors
/// There is no such step, or too many failures wait already.
pub fn inject(hotplug: &Hotplug, spec: &FailSpec) -> Result<(), String> {
    let step = point(&spec.step)
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

impl Faults {
    /// Makes `step` fail `times` times, on one CPU or any, in one direction or any.
    ///
    /// # Errors
    /// [`Full`] if too many faults wait already.
    pub fn inject(
        &self,
        step: StepId,
        cpu: Option<CpuId>,
        dir: Option<Dir>,
        times: u32,
    ) -> Result<(), Full> {
        let cpu = cpu.map_or(ANY_CPU, |c| u64::from(c.0));
        let dir = dir.map_or(ANY_DIR, |d| d as u64);
        let word = u64::from(times) << 32 | cpu << 16 | dir << 8 | u64::from(step.0);
        // A load and a store will do: only the boot CPU fills slots, and a free slot has no time
        // left that another CPU could count down.
        let empty = |slot: &&AtomicU64| slot.load(Ordering::Relaxed) >> 32 == 0;
        let slot = self.slots.iter().find(empty).ok_or(Full)?;
        // Release: pairs with the load in `take`.
        slot.store(word, Ordering::Release);
        self.any.store(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes every fault back.
    pub fn clear(&self) {
        // Release: pairs with the load in `take`.
        self.slots.iter().for_each(|slot| slot.store(0, Ordering::Release));
        self.any.store(0, Ordering::Relaxed);
    }

    /// True if a fault waits. Reads the slots, since `any` stays set when a fault has been used up.
    pub(super) fn any(&self) -> bool {
        self.slots.iter().any(|slot| slot.load(Ordering::Relaxed) >> 32 != 0)
    }

    /// False if no act can be made to fail until the boot CPU asks for it: one load.
    pub(super) fn may_hit(&self) -> bool {
        self.any.load(Ordering::Relaxed) != 0
    }

    /// True if this act shall fail; uses up one of the fault's times.
    pub fn hit(&self, step: StepId, cpu: CpuId, dir: Dir) -> bool {
        self.may_hit() && self.use_up(step, cpu, dir)
    }

    #[cold]
    fn use_up(&self, step: StepId, cpu: CpuId, dir: Dir) -> bool {
        self.slots.iter().any(|slot| take(slot, step, cpu, dir))
    }
}

fn take(slot: &AtomicU64, step: StepId, cpu: CpuId, dir: Dir) -> bool {
    // Acquire: pairs with `Faults::inject` and `Faults::clear`. The update below makes sure that
    // two CPUs never use up the same one of a fault's times.
    let word = slot.load(Ordering::Acquire);
    matches(word, step, cpu, dir)
        && slot
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                matches(word, step, cpu, dir).then(|| word - (1 << 32))
            })
            .is_ok()
}

fn matches(word: u64, step: StepId, cpu: CpuId, dir: Dir) -> bool {
    let (for_cpu, for_dir) = (word >> 16 & 0xffff, word >> 8 & 0xff);
    word >> 32 != 0
        && word & 0xff == u64::from(step.0)
        && (for_cpu == ANY_CPU || for_cpu == u64::from(cpu.0))
        && (for_dir == ANY_DIR || for_dir == dir as u64)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_as_often_as_it_was_asked_to() {
        let faults = Faults::default();
        faults.inject(StepId(2), Some(CpuId(5)), Some(Dir::Up), 2).unwrap();
        assert!(!faults.hit(StepId(2), CpuId(4), Dir::Up));
        assert!(!faults.hit(StepId(2), CpuId(5), Dir::Down));
        let hits = (0..5).filter(|_| faults.hit(StepId(2), CpuId(5), Dir::Up)).count();
        assert_eq!(hits, 2);
    }

    #[test]
    fn used_up_slots_are_free_again() {
        let faults = Faults::default();
        for _ in 0..SLOTS {
            faults.inject(KICK, None, None, 1).unwrap();
        }
        assert_eq!(faults.inject(OFF, None, None, 1), Err(Full));
        assert!(faults.hit(KICK, CpuId(1), Dir::Up));
        assert_eq!(faults.inject(OFF, None, None, 1), Ok(()));
        faults.clear();
        assert!(!faults.hit(OFF, CpuId(1), Dir::Down));
    }

    #[test]
    fn points_have_names() {
        assert_eq!(point("kick"), Some(KICK));
        for id in [KICK, OFF, QUIESCE] {
            assert_eq!(point(steps::name(id)), Some(id));
        }
        assert_eq!(point("gic:starting").map(steps::name), Some("gic:starting"));
        assert_eq!(point("nothing"), None);
    }
}
