//! The seam, as one simulated CPU sees it.

use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;

use baton::cpu::{CpuId, CpuMask};
use baton::machine::{
    Affinity, Clock, CpuMemory, Ipi, Local, Power as Firmware, PsciError, Recorder, StepError,
};
use baton::trace::{Dir, Edge, Event, Mark, What};
use corosensei::Yielder;

use super::faults::{Act, Answer};
use super::state::{Doing, Power, State};
use super::{HZ, Sim};

/// What runs on one CPU holds this.
pub struct Cpu<'a> {
    pub(super) sim: &'a Sim,
    pub(super) id: CpuId,
    pub(super) yielder: &'a Yielder<(), ()>,
}

// SAFETY: all simulated CPUs are coroutines of one thread; a handle never crosses to another one,
// the trait merely asks for the promise that it could.
unsafe impl Sync for Cpu<'_> {}

impl Cpu<'_> {
    /// Everything a CPU asks begins here: it costs time, another CPU may be first, and interrupts
    /// may come.
    pub(super) fn call(&self, what: u64) -> MutexGuard<'_, State> {
        self.enter(what).0
    }

    /// The same, and whether interrupts came.
    fn enter(&self, what: u64) -> (MutexGuard<'_, State>, bool) {
        let state = self.turn(what);
        if !state.is_wanted(self.id) {
            return (state, false);
        }
        drop(state);
        let came = self.interrupted();
        (self.sim.state(), came)
    }

    fn turn(&self, what: u64) -> MutexGuard<'_, State> {
        let mut state = self.sim.state();
        if state.tick(self.id, what) {
            state = self.give_way(state);
        }
        state = self.lost_at_its_mark(state);
        let me = &state.cpus[self.id.index()];
        assert_eq!(me.power, Power::On, "cpu {} runs and is off", self.id);
        assert!(me.prepared, "cpu {} runs on a stack that has been released", self.id);
        self.sim.serial_holds(&state, self.id);
        state
    }

    /// Loses this CPU if it is to be lost at the mark that it has reached.
    fn lost_at_its_mark<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mark = state.rules.mark(self.id);
        if state.cpu(self.id).faults.lose_after.take_if(|m| *m == mark).is_some() {
            state.lose(self.id);
            state = self.give_way(state);
        }
        state
    }

    fn give_way<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        drop(state);
        self.yielder.suspend(());
        self.sim.state()
    }

    pub(super) fn boot_only(&self, state: &State) {
        assert_eq!(self.id, state.boot, "cpu {} does what only the boot CPU may do", self.id);
    }

    /// Sleeps for `ms`, whoever wakes.
    pub fn rest(&self, ms: u64) {
        let until = self.now() + self.ticks_from_ms(ms);
        while self.now() < until {
            self.wait(Some(until));
        }
    }

    pub fn id(&self) -> CpuId {
        self.id
    }

    /// Lives as a CPU with nothing to do for `ms`.
    pub fn live(&self, ms: u64) {
        let until = self.now() + self.ticks_from_ms(ms);
        while self.now() < until {
            self.sim.services.run_due(self, self.id);
            // Not longer than that: a timer may be due before.
            let pause = until.min(self.now() + self.ticks_from_us(200));
            self.sim.services.idle(self, self.id, Some(pause));
        }
    }

    /// CPU_OFF. Returns only if firmware denies it.
    pub(super) fn cpu_off(&self) -> bool {
        let mut state = self.call(1);
        let me = state.cpu(self.id);
        if me.faults.deny_off > 0 {
            me.faults.deny_off -= 1;
            return false;
        }
        state.power_off(self.id);
        true
    }

    /// Where a CPU stays that could not be turned off.
    pub(super) fn park(&self) {
        let mut state = self.sim.state();
        state.pause(self.id, Doing::Parked, None);
        drop(self.give_way(state));
        panic!("cpu {} left its park", self.id);
    }

    fn fallible(&self, what: u64, act: Act) -> Result<MutexGuard<'_, State>, StepError> {
        let mut state = self.call(what);
        state.cpu(self.id).faults.take(act)?;
        Ok(state)
    }
}

impl Clock for Cpu<'_> {
    fn now(&self) -> u64 {
        self.call(2).now
    }

    fn hz(&self) -> u64 {
        HZ
    }

    fn wait(&self, deadline: Option<u64>) {
        let (mut state, came) = self.enter(3);
        let early = state.random.one_in(16) || came;
        if !state.cpu(self.id).ipi_pending {
            if early || deadline.is_some_and(|d| d <= state.now) {
                return;
            }
            state.pause(self.id, Doing::Sleeping(deadline), deadline);
            drop(self.give_way(state));
            self.interrupted();
            state = self.sim.state();
        }
        let me = state.cpu(self.id);
        if std::mem::take(&mut me.ipi_pending) {
            me.waits_ended_by_ipi += 1;
        }
    }

    fn look_again(&self, _word: &AtomicU64, _seen: u64) {
        let state = self.call(22);
        drop(self.give_way(state));
    }
}

impl Firmware for Cpu<'_> {
    fn cpu_on(&self, cpu: CpuId) -> Result<(), PsciError> {
        let mut state = self.call(4);
        let now = state.now;
        let usual = now + 1000 + state.random.below(50_000);
        let affinity = state.affinity(cpu);
        let target = state.cpu(cpu);
        match target.faults.on.pop_front() {
            Some(Answer::Refused(error)) => return Err(error),
            _ if affinity == Affinity::On => return Err(PsciError::AlreadyOn),
            _ if affinity == Affinity::OnPending => return Err(PsciError::OnPending),
            Some(Answer::Swallowed) => return Ok(()),
            answer => {
                assert!(target.prepared && target.record.is_some(), "cpu {cpu} is not prepared");
                target.power = Power::Pending;
                target.denies_pending = matches!(answer, Some(Answer::LateAndOff(_)));
                let at = match answer {
                    Some(Answer::Never) => return Ok(()),
                    Some(Answer::Late(by) | Answer::LateAndOff(by)) => usual + by,
                    _ => usual,
                };
                state.arrive_at(cpu, at);
            }
        }
        Ok(())
    }

    fn affinity_info(&self, cpu: CpuId) -> Result<Affinity, PsciError> {
        let mut state = self.call(5);
        state.cpu(cpu).faults.info.map_or_else(|| Ok(state.affinity(cpu)), Err)
    }
}

impl Ipi for Cpu<'_> {
    fn wake(&self, cpus: &CpuMask) {
        let mut state = self.call(6);
        if let Some(left) = state.cpu(self.id).faults.lose_at_wake.take() {
            match left.checked_sub(1) {
                None => {
                    state.lose(self.id);
                    state = self.give_way(state);
                }
                left => state.cpu(self.id).faults.lose_at_wake = left,
            }
        }
        assert!(state.cpu(self.id).gic, "cpu {} ipis, and its GIC is down", self.id);
        cpus.iter().for_each(|cpu| state.wake(cpu));
    }
}

impl CpuMemory for Cpu<'_> {
    fn prepare(&self, cpu: CpuId) -> Result<(), StepError> {
        let mut state = self.call(7);
        self.boot_only(&state);
        let target = state.cpu(cpu);
        target.faults.take(Act::Prepare)?;
        assert!(target.power == Power::Off || target.denies_pending, "prepare of {cpu}: on");
        assert!(!target.prepared, "cpu {cpu} is prepared twice");
        target.prepared = true;
        target.record = None;
        Ok(())
    }

    fn release(&self, cpu: CpuId) {
        let mut state = self.call(8);
        self.boot_only(&state);
        let target = state.cpu(cpu);
        assert!(target.power == Power::Off || target.denies_pending, "release of {cpu}: on");
        assert!(target.prepared, "cpu {cpu} is released twice");
        target.prepared = false;
    }

    fn write_record(&self, cpu: CpuId, start: u32) {
        let mut state = self.call(9);
        self.boot_only(&state);
        let target = state.cpu(cpu);
        assert!(target.power == Power::Off || target.denies_pending, "record of {cpu}: on");
        assert!(target.prepared, "record of {cpu}: not prepared");
        target.record = Some(start);
    }
}

impl Local for Cpu<'_> {
    fn check(&self) -> Result<(), StepError> {
        self.fallible(10, Act::Check).map(drop)
    }

    fn gic_up(&self) -> Result<(), StepError> {
        let mut state = self.fallible(11, Act::GicUp)?;
        let me = state.cpu(self.id);
        assert!(!me.gic && !me.interrupts, "gic_up on cpu {}", self.id);
        me.gic = true;
        Ok(())
    }

    fn gic_down(&self) -> Result<(), StepError> {
        let mut state = self.fallible(12, Act::GicDown)?;
        let me = state.cpu(self.id);
        assert!(me.gic && !me.interrupts, "gic_down on cpu {}", self.id);
        (me.gic, me.ipi_pending) = (false, false);
        Ok(())
    }

    fn timer_up(&self) {
        let mut state = self.call(13);
        let me = state.cpu(self.id);
        assert!(me.gic && !me.timer, "timer_up on cpu {}", self.id);
        me.timer = true;
    }

    fn timer_down(&self) {
        let mut state = self.call(14);
        let me = state.cpu(self.id);
        assert!(me.gic && me.timer, "timer_down on cpu {}", self.id);
        me.timer = false;
    }

    fn ipi_up(&self) {
        let mut state = self.call(15);
        let me = state.cpu(self.id);
        assert!(me.gic && !me.ipi, "ipi_up on cpu {}", self.id);
        me.ipi = true;
    }

    fn ipi_down(&self) {
        let mut state = self.call(16);
        let me = state.cpu(self.id);
        assert!(me.gic && me.ipi, "ipi_down on cpu {}", self.id);
        me.ipi = false;
    }

    fn interrupts(&self, all: bool) {
        let mut state = self.call(17);
        assert!(state.cpu(self.id).gic, "interrupts on cpu {}, and its GIC is down", self.id);
        state.cpu(self.id).interrupts = all;
        state.nudge();
        self.sim.serial_holds(&state, self.id);
    }
}

impl Recorder for Cpu<'_> {
    fn record(&self, event: Event) {
        let mut state = self.call(20 | u64::from(event.cpu.0) << 8 | (event.edge as u64) << 24);
        let (owner, boot) = (event.cpu, state.boot);
        let off = state.cpu(owner).power == Power::Off || state.cpu(owner).denies_pending;
        assert!(
            owner == self.id || (self.id == boot && off),
            "cpu {} writes to the ring of {owner}: {event:?}",
            self.id
        );
        assert!(event.at <= state.now, "an event from the future");
        if let What::Phase(_) = event.what {
            assert_eq!(owner, boot);
        }
        if event.what == What::Mark(Mark::Dead) {
            assert_eq!((off, event.dir), (true, Dir::Down));
        }
        state.rules.see(&event);
        self.sim.agrees(self.id, &state, &event);
        if let (What::Step(step), Edge::Begin) = (event.what, event.edge)
            && state.cpu(owner).faults.lose_in.take_if(|at| *at == (step, event.dir)).is_some()
        {
            state.lose(self.id);
            drop(self.give_way(state));
        } else if owner == self.id && event.dir == Dir::Up {
            // On the way up the event follows the mark, and the CPU may reach the next one without
            // another call.
            drop(self.lost_at_its_mark(state));
        }
    }
}
