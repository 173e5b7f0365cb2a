//! Timers of each CPU: an action to be run on that CPU at a time of the generic counter.
//!
//! A CPU's work loop runs the timers that are due and sleeps until the next deadline. When a CPU
//! has left, its timers move to a survivor, in bulk and after firmware has said OFF: leaving costs
//! the CPU nothing, and a departure that is called off has nothing to restore. Deadlines stay.
//!
//! Each timer runs once, or is cancelled: the CPU that takes the timer out of the queue, under the
//! queue's lock, does the one or the other. An action runs outside the lock, so it may add timers.
//!
//! Locks: those of the queues (see [`queues`]), in ordinary context only.
//!
//! [`queues`]: crate::sync::queues

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use crate::cpu::{CpuId, CpuMask, Target};
use crate::machine::Seam;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::queues::Queues;

/// Stands for "none" in the word that holds the earliest deadline.
const NONE: u64 = u64::MAX;

/// Deadline, then order of adding over all CPUs: no two are the same.
type TimerKey = (u64, u64);

/// What a timer does, on the CPU whose queue the timer is in by then.
pub type TimerCallback = Box<dyn FnOnce(&Fired<'_>) + Send>;

/// What a timer learns when it fires.
pub struct Fired<'a> {
    /// The CPU on which the action runs.
    pub cpu: CpuId,
    /// The machine.
    pub machine: &'a dyn Seam,
    /// When that CPU looked, ticks: not before the deadline.
    pub now: u64,
    /// When the timer was to fire, ticks.
    pub deadline: u64,
}

/// Names one timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerId {
    cpu: CpuId,
    key: TimerKey,
    /// [`Timers::moves`] when the timer was added.
    moves: u64,
}

/// A timer that was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the CPU has to be woken if it sleeps longer than until the new deadline"]
pub struct Added {
    /// The timer's name.
    pub id: TimerId,
    /// The CPU whose queue the timer is in: the CPU asked for, or the CPU that has taken that queue
    /// over.
    pub cpu: CpuId,
    /// True if the timer is that CPU's next one: the caller wakes the CPU, which then re-arms.
    pub earliest: bool,
}

/// On a cache line of its own.
#[repr(align(64))]
struct Earliest(AtomicU64);

/// The timers of all CPUs.
pub struct Timers {
    queues: Queues<BTreeMap<TimerKey, TimerCallback>>,
    /// Of each CPU, so that a look costs one load. Stored under the queue's lock. Relaxed: the
    /// queue itself is read under the lock, and a CPU that adds an earlier timer sends an IPI.
    earliest: Box<[Earliest]>,
    sequence: AtomicU64,
    /// How often timers of a dead CPU have moved.
    moves: AtomicU64,
}

impl Timers {
    /// For CPUs `0..cpus`; a timer for a CPU that has never come up goes to `boot`.
    pub fn new(cpus: usize, boot: CpuId) -> Self {
        Self {
            queues: Queues::new(cpus, boot),
            earliest: (0..cpus).map(|_| Earliest(AtomicU64::new(NONE))).collect(),
            sequence: AtomicU64::new(0),
            moves: AtomicU64::new(0),
        }
    }

    /// CPUs come up: their timers go to their own queues from now on.
    pub fn open(&self, cpus: &CpuMask) {
        self.queues.open(cpus);
    }

    /// Adds a timer to a CPU, `deadline` in ticks of the counter; a deadline in the past fires at
    /// the next look. Any CPU, ordinary context. The caller wakes [`Added::cpu`] if that is another
    /// CPU and [`Added::earliest`] is set.
    pub fn add(&self, cpu: CpuId, deadline: u64, action: TimerCallback) -> Added {
        // Relaxed: only tells timers apart, in order on each CPU that adds.
        let key = (deadline, self.sequence.fetch_add(1, Ordering::Relaxed));
        self.queues.open_one(cpu, |cpu, queue| {
            queue.insert(key, action);
            self.note(cpu, queue);
            let earliest = queue.first_key_value().is_some_and(|(&first, _)| first == key);
            // Under the lock: a CPU that moves this timer counts the move after this load.
            let moves = self.moves.load(Ordering::Relaxed);
            Added { id: TimerId { cpu, key, moves }, cpu, earliest }
        })
    }

    /// Cancels a timer. True: the action will never run. False: the action has run or is about to,
    /// or the timer was cancelled before. Any CPU, ordinary context.
    pub fn cancel(&self, id: TimerId) -> bool {
        let (mut moves, mut found) = (id.moves, self.remove(id.cpu, id.key));
        while found.is_none() {
            // A timer that moves during the search can always be in a queue that the search has
            // passed. Every move is counted before the old queue is unlocked, so the same count
            // before and after a search means that the timer was in no queue. Acquire: pairs with
            // the count in `pull`, and makes the move visible.
            let before = core::mem::replace(&mut moves, self.moves.load(Ordering::Acquire));
            if before == moves {
                return false;
            }
            found = self.queues.cpus().find_map(|cpu| self.remove(cpu, id.key));
        }
        true
    }

    /// When this CPU's next timer is due, ticks. Any CPU; exact on the CPU itself after an IPI.
    #[inline]
    pub fn next(&self, cpu: CpuId) -> Option<u64> {
        let at = self.earliest.get(cpu.index())?.0.load(Ordering::Relaxed);
        (at != NONE).then_some(at)
    }

    /// Runs what is due, in order of deadlines. On the CPU itself, in ordinary context. Timers that
    /// are added meanwhile wait for the next look, so this ends. Returns how many ran.
    #[inline]
    pub fn run_due(&self, m: &dyn Seam, cpu: CpuId) -> usize {
        // Most CPUs have no timer whenever they look.
        self.next(cpu).map_or(0, |next| self.run_if_due(m, cpu, next))
    }

    #[inline(never)]
    fn run_if_due(&self, m: &dyn Seam, cpu: CpuId, next: u64) -> usize {
        let now = m.now();
        if next > now {
            return 0;
        }
        let until = self.sequence.load(Ordering::Relaxed);
        let mut ran = 0;
        while let Some((deadline, action)) = self.take_due(cpu, now, until) {
            action(&Fired { cpu, machine: m, now, deadline });
            ran += 1;
        }
        ran
    }

    /// Moves the timers of CPUs that firmware has said are OFF to a CPU that stays, where timers
    /// for the dead CPUs go from now on. Deadlines stay. Boot CPU, which wakes the target if a
    /// timer has moved. Returns how many have.
    pub fn pull(&self, dead: &CpuMask, to: Target) -> usize {
        self.queues.close(dead, to, |cpu, from, target| {
            let count = from.len();
            if count > 0 {
                target.append(from);
                self.note(cpu, from);
                self.note(to.cpu(), target);
                // Release, and under both locks: pairs with the load in `cancel`.
                self.moves.fetch_add(1, Ordering::Release);
            }
            count
        })
    }

    /// How many timers a CPU has.
    pub fn len(&self, cpu: CpuId) -> usize {
        self.queues.with(cpu, |queue| queue.len())
    }

    /// True if a CPU has no timers.
    pub fn is_empty(&self, cpu: CpuId) -> bool {
        self.len(cpu) == 0
    }

    /// Takes the first timer that is due at `now` and was added before the timer number `until`.
    fn take_due(&self, cpu: CpuId, now: u64, until: u64) -> Option<(u64, TimerCallback)> {
        self.queues.with(cpu, |queue| {
            let due = queue.range(..=(now, u64::MAX)).map(|(&key, _)| key);
            let key = { due }.find(|&(_, sequence)| sequence < until)?;
            let action = queue.remove(&key);
            self.note(cpu, queue);
            action.map(|action| (key.0, action))
        })
    }

    fn remove(&self, cpu: CpuId, key: TimerKey) -> Option<TimerCallback> {
        self.queues.with(cpu, |queue| {
            let action = queue.remove(&key)?;
            self.note(cpu, queue);
            Some(action)
        })
    }

    fn note(&self, cpu: CpuId, queue: &BTreeMap<TimerKey, TimerCallback>) {
        let first = queue.first_key_value().map_or(NONE, |(&(deadline, _), _)| deadline);
        self.earliest[cpu.index()].0.store(first, Ordering::Relaxed);
    }
}
