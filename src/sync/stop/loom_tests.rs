//! The hand-shake in every interleaving.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::*;

/// Two CPUs that wait for each other have too many interleavings to try all of them.
fn bounded() -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder
}

/// Waits as a CPU does: looks, falls asleep, looks again; a CPU that sleeps needs an IPI.
fn wait_past(stop: &StopMachine, ipis: &AtomicU64, cpu: CpuId, ticket: Ticket, s: StopState) {
    while stop.state(ticket) == s {
        stop.falls_asleep(cpu);
        if stop.state(ticket) != s {
            return;
        }
        while ipis.load(Ordering::Acquire) & 1 << cpu.0 == 0 {
            thread::yield_now();
        }
        ipis.fetch_and(!(1 << cpu.0), Ordering::AcqRel);
    }
}

fn wake(stop: &StopMachine, ipis: &AtomicU64) {
    let words = stop.sleepers().words();
    ipis.fetch_or(words[0], Ordering::AcqRel);
}

fn pass(stop: &StopMachine, ipis: &AtomicU64, cpu: CpuId, ticket: Ticket, s: StopState) {
    match stop.ack(ticket, s) {
        Acked::Advanced(_) => wake(stop, ipis),
        Acked::Waiting => wait_past(stop, ipis, cpu, ticket, s),
        Acked::Over => {}
    }
}

/// When one CPU runs its dying steps, the other one's interrupts are off; no sleeper is forgotten.
#[test]
fn loom_all_interrupts_are_off_before_anybody_runs() {
    bounded().check(|| {
        let shared = Arc::new((
            StopMachine::default(),
            AtomicU64::new(0),
            [AtomicU64::new(0), AtomicU64::new(0)],
        ));
        let ticket = shared.0.open(2);
        let cpus: [_; 2] = core::array::from_fn(|i| {
            let shared = shared.clone();
            thread::spawn(move || {
                let (stop, ipis, off) = &*shared;
                let cpu = CpuId(i as u16);
                pass(stop, ipis, cpu, ticket, StopState::Prepare);
                off[i].store(1, Ordering::Relaxed);
                pass(stop, ipis, cpu, ticket, StopState::DisableIrq);
                assert_eq!(stop.state(ticket), StopState::Run);
                assert_eq!(off[1 - i].load(Ordering::Relaxed), 1);
            })
        });
        cpus.into_iter().for_each(|t| t.join().unwrap());
    });
}

/// The controlling CPU calls the operation off while the last CPU arrives: it is called off or it
/// runs, and both CPUs agree.
#[test]
fn loom_called_off_or_run_but_not_both() {
    loom::model(|| {
        let stop = Arc::new(StopMachine::default());
        let ticket = stop.open(1);
        stop.ack(ticket, StopState::Prepare);
        let cpu = thread::spawn({
            let stop = stop.clone();
            move || stop.ack(ticket, StopState::DisableIrq)
        });
        let off = stop.call_off(ticket).is_some();
        let ran = cpu.join().unwrap() == Acked::Advanced(StopState::Run);
        assert!(off != ran, "off {off}, ran {ran}");
        let state = if off { StopState::CalledOff } else { StopState::Run };
        assert_eq!(stop.state(ticket), state);
    });
}

/// The last CPU to arrive is overtaken by the end of its operation and the begin of the next.
#[test]
fn loom_an_overtaken_last_arrival_does_not_count() {
    loom::model(|| {
        let stop = Arc::new(StopMachine::default());
        let old = stop.open(1);
        let last = thread::spawn({
            let stop = stop.clone();
            move || stop.ack(old, StopState::Prepare)
        });
        stop.call_off(old);
        let new = stop.open(2);
        last.join().unwrap();
        assert_eq!(stop.state(new), StopState::Prepare);
        assert_eq!(stop.ack(new, StopState::Prepare), Acked::Waiting);
        assert_eq!(stop.ack(new, StopState::Prepare), Acked::Advanced(StopState::DisableIrq));
    });
}

/// A straggler of an operation that was called off does not count in the next one.
#[test]
fn loom_a_straggler_does_not_count() {
    loom::model(|| {
        let stop = Arc::new(StopMachine::default());
        let old = stop.open(2);
        let straggler = thread::spawn({
            let stop = stop.clone();
            move || (stop.ack(old, StopState::Prepare), stop.refuse(old))
        });
        stop.call_off(old);
        let new = stop.open(1);
        assert_eq!(stop.state(new), StopState::Prepare);
        straggler.join().unwrap();
        assert_eq!(stop.state(new), StopState::Prepare);
        assert_eq!(stop.ack(new, StopState::Prepare), Acked::Advanced(StopState::DisableIrq));
    });
}
