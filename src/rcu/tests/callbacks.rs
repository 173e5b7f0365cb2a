//! Batches, and waiting for them.

use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn callbacks_queued_while_a_batch_waits_belong_to_the_next() {
    let (rcu, m) = (up(2), Bench::new(|_| ()));
    let ran = Arc::new(AtomicU64::new(0));
    assert_eq!((rcu.run_ready(&m, ME), rcu.next_wake(&m, ME)), (0, None));
    rcu.call(ME, counting(&ran));
    assert_eq!(rcu.run_ready(&m, ME), 0);
    rcu.call(ME, counting(&ran));
    rcu.quiescent(CpuId(1)); // ends the period of the first only
    assert!(rcu.needs(ME));
    assert_eq!((rcu.run_ready(&m, ME), rcu.pending(ME)), (1, 1));
    assert_eq!(rcu.run_ready(&m, ME), 0, "CPU 1 may have been reading again");
    rcu.idle_enter(CpuId(1));
    assert_eq!((rcu.run_ready(&m, ME), rcu.pending(ME)), (1, 0));
    rcu.call(ME, counting(&ran));
    assert_eq!(rcu.run_ready(&m, ME), 1, "all others idle: at once");
    assert_eq!(ran.load(Ordering::Relaxed), 3);
}

#[test]
fn callbacks_do_not_run_under_a_read_side_of_their_own_cpu() {
    let (rcu, m) = (up(1), Bench::new(|_| ()));
    rcu.call(ME, Box::new(|| ()));
    let guard = rcu.read(ME);
    assert_eq!(rcu.run_ready(&m, ME), 0);
    drop(guard);
    assert_eq!(rcu.run_ready(&m, ME), 1);
}

#[test]
fn a_cpu_with_callbacks_looks_again_ever_later() {
    let rcu = up(2);
    let m = Bench::new(|_| ());
    rcu.call(ME, Box::new(|| ()));
    rcu.run_ready(&m, ME);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let wake = rcu.next_wake(&m, ME).unwrap();
        pauses.push(wake - m.now());
        m.wait(Some(wake));
        assert_eq!(rcu.run_ready(&m, ME), 0);
    }
    assert_eq!((pauses[0], pauses[11]), (50, 10_000));
    assert!(pauses.windows(2).all(|w| w[0] <= w[1]));
    assert_eq!(rcu.overdue(&m, 5), cpus(&[1]));
    assert_eq!(rcu.overdue(&m, 500), CpuMask::new());
}

#[test]
fn a_callback_may_queue_another_and_never_runs_callbacks_itself() {
    let rcu: &'static Rcu = Box::leak(Box::new(up(1)));
    let again = Arc::new(AtomicBool::new(false));
    let flag = again.clone();
    rcu.call(
        ME,
        Box::new(move || {
            rcu.call(ME, Box::new(move || flag.store(true, Ordering::Relaxed)));
            assert_eq!(rcu.run_ready(&Bench::new(|_| ()), ME), 0);
        }),
    );
    let m = Bench::new(|_| ());
    assert_eq!(rcu.run_ready(&m, ME), 1);
    assert!(!again.load(Ordering::Relaxed));
    assert_eq!((rcu.run_ready(&m, ME), again.load(Ordering::Relaxed)), (1, true));
}

#[test]
fn a_barrier_wakes_who_has_callbacks_and_waits_for_them() {
    let rcu = up(4);
    let ran = Arc::new(AtomicU64::new(0));
    [0, 1, 1, 3].iter().for_each(|&cpu| rcu.call(CpuId(cpu), counting(&ran)));
    let other = Bench::new(|_| ());
    let m = Bench::new(|_| {
        for cpu in [1, 2, 3].map(CpuId) {
            rcu.run_ready(&other, cpu);
            rcu.quiescent(cpu);
        }
    });
    assert_eq!(rcu.barrier(&m, ME, 10 * MS), Ok(()));
    assert_eq!((ran.load(Ordering::Relaxed), rcu.counts().pending), (4, 0));
    assert_eq!(*m.woken.borrow(), [cpus(&[1, 3])]);
}

#[test]
fn a_barrier_that_fails_names_readers_and_cpus_that_do_not_come() {
    let rcu = up(4);
    let guard = rcu.read(CpuId(2));
    cpus(&[0, 3]).iter().for_each(|cpu| rcu.call(cpu, Box::new(|| ())));
    let m = Bench::new(|_| rcu.quiescent(CpuId(1)));
    let stall = rcu.barrier(&m, ME, 5 * MS).unwrap_err();
    assert_eq!(stall.cpus, cpus(&[2, 3]), "2 reads, 3 does not run its callbacks");
    drop(guard);
}
