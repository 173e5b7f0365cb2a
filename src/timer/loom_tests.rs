use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::*;
use crate::cpu::Survivors;
use crate::machine::fake::Fake;

const BOOT: CpuId = CpuId(0);
const AP: CpuId = CpuId(1);

struct Shared {
    timers: Timers,
    runs: AtomicU64,
}

fn shared() -> Arc<Shared> {
    let shared = Arc::new(Shared { timers: Timers::new(2, BOOT), runs: AtomicU64::new(0) });
    shared.timers.open(&CpuMask::from_iter([AP]));
    shared
}

fn add(shared: &Arc<Shared>, deadline: u64) -> Added {
    let counted = shared.clone();
    let count = move |_: &Fired<'_>| _ = counted.runs.fetch_add(1, Ordering::Relaxed);
    shared.timers.add(AP, deadline, Box::new(count))
}

fn pull(timers: &Timers) -> usize {
    let dead = CpuMask::from_iter([AP]);
    let survivors = Survivors::freeze(&CpuMask::first(2), &dead);
    timers.pull(&dead, survivors.stays(BOOT).unwrap())
}

/// The AP's timers move while another CPU adds a timer to the AP: that timer runs on the boot CPU
/// in either order, and the boot CPU knows when to wake.
#[test]
fn loom_pull_against_add() {
    loom::model(|| {
        let shared = shared();
        let adder = thread::spawn({
            let shared = shared.clone();
            move || add(&shared, 7).cpu
        });
        let moved = pull(&shared.timers);
        let whose = adder.join().unwrap();
        assert_eq!(moved == 1, whose == AP);
        assert_eq!((shared.timers.next(BOOT), shared.timers.next(AP)), (Some(7), None));
        assert_eq!(shared.timers.run_due(&Fake::at(7), BOOT), 1);
        assert_eq!(shared.runs.load(Ordering::Relaxed), 1);
    });
}

/// The AP, given up as dead, runs what is due while its timers are pulled and run: each runs once.
#[test]
fn loom_run_against_pull() {
    loom::model(|| {
        let shared = shared();
        let _ = (add(&shared, 7), add(&shared, 8));
        let ap = thread::spawn({
            let shared = shared.clone();
            move || shared.timers.run_due(&Fake::at(8), AP)
        });
        let moved = pull(&shared.timers);
        let here = shared.timers.run_due(&Fake::at(8), BOOT);
        assert_eq!(here, moved);
        assert_eq!(ap.join().unwrap() + here, 2);
        assert_eq!(shared.runs.load(Ordering::Relaxed), 2);
    });
}

/// A timer is cancelled during a move, while the target runs what is due: the timer is cancelled or
/// runs, never both, and never neither.
#[test]
fn loom_cancel_against_pull_and_run() {
    loom::model(|| {
        let shared = shared();
        let id = add(&shared, 7).id;
        let canceller = thread::spawn({
            let shared = shared.clone();
            move || shared.timers.cancel(id)
        });
        pull(&shared.timers);
        let ran = shared.timers.run_due(&Fake::at(7), BOOT);
        assert_eq!(ran == 0, canceller.join().unwrap());
        assert_eq!(shared.runs.load(Ordering::Relaxed), ran as u64);
    });
}

/// A timer that only moves, twice, is always found by the search.
#[test]
fn loom_cancel_finds_what_moves() {
    loom::model(|| {
        let shared = shared();
        let id = add(&shared, 7).id;
        let canceller = thread::spawn({
            let shared = shared.clone();
            move || shared.timers.cancel(id)
        });
        pull(&shared.timers);
        shared.timers.open(&CpuMask::from_iter([AP]));
        let dead = CpuMask::from_iter([BOOT]);
        let survivors = Survivors::freeze(&CpuMask::first(2), &dead);
        shared.timers.pull(&dead, survivors.stays(AP).unwrap());
        assert!(canceller.join().unwrap());
        assert!(shared.timers.is_empty(AP) && shared.timers.is_empty(BOOT));
    });
}

/// A CPU that is woken after a timer was added knows the deadline without taking the lock.
#[test]
fn loom_who_is_woken_sees_the_new_deadline() {
    loom::model(|| {
        let shared = shared();
        let wake = Arc::new(AtomicU64::new(0));
        let adder = thread::spawn({
            let (shared, wake) = (shared.clone(), wake.clone());
            move || {
                assert!(add(&shared, 7).earliest);
                wake.store(1, Ordering::Release);
            }
        });
        if wake.load(Ordering::Acquire) == 1 {
            assert_eq!(shared.timers.next(AP), Some(7));
        }
        adder.join().unwrap();
        assert_eq!(shared.timers.run_due(&Fake::at(7), AP), 1);
    });
}
