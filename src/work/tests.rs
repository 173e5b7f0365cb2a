extern crate std;

use std::sync::{Arc, Mutex};
use std::thread;
use std::vec::Vec;

use super::*;
use crate::cpu::Survivors;
use crate::machine::fake::Fake;

const BOOT: CpuId = CpuId(0);

/// The items that ran, and on which CPU.
type Log = Arc<Mutex<Vec<(u32, u16)>>>;

fn item(log: &Log, number: u32, pinned: bool) -> WorkItem {
    let log = log.clone();
    let run = move |running: &Running<'_>| log.lock().unwrap().push((number, running.cpu.0));
    WorkItem { pinned, run: Box::new(run) }
}

fn work(cpus: u16) -> Work {
    let work = Work::new(cpus.into(), BOOT);
    work.open(&CpuMask::first(usize::from(cpus)));
    work
}

fn pull(work: &Work, dead: &[u16], to: u16) -> usize {
    let dead: CpuMask = dead.iter().map(|&cpu| CpuId(cpu)).collect();
    let survivors = Survivors::freeze(&CpuMask::first(8), &dead);
    work.pull(&dead, survivors.stays(CpuId(to)).unwrap())
}

#[test]
fn runs_in_order_each_once_on_its_cpu() {
    let (work, log, m) = (work(2), Log::default(), Fake::at(5));
    for number in 0..3 {
        assert_eq!(work.queue(CpuId(1), item(&log, number, false)), CpuId(1));
    }
    assert_eq!((work.run(&m, BOOT), work.len(CpuId(1))), (0, 3));
    assert_eq!((work.run(&m, CpuId(1)), work.run(&m, CpuId(1))), (3, 0));
    assert_eq!(*log.lock().unwrap(), [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn what_an_item_queues_waits_for_the_next_look() {
    let (work, log, m) = (Arc::new(work(1)), Log::default(), Fake::at(5));
    let outer = WorkItem {
        pinned: false,
        run: Box::new({
            let (work, log) = (work.clone(), log.clone());
            move |_| _ = work.queue(BOOT, item(&log, 2, false))
        }),
    };
    let _ = (work.queue(BOOT, outer), work.queue(BOOT, item(&log, 1, false)));
    assert_eq!((work.run(&m, BOOT), work.len(BOOT)), (2, 1));
    assert_eq!((work.run(&m, BOOT), work.is_empty(BOOT)), (1, true));
    assert_eq!(*log.lock().unwrap(), [(1, 0), (2, 0)]);
}

#[test]
fn pulled_items_go_behind_the_targets_own_and_pinned_ones_wait_for_their_cpu() {
    let (work, log, m) = (work(4), Log::default(), Fake::at(5));
    for (number, cpu, pinned) in
        [(1, 3, false), (2, 1, false), (3, 3, true), (4, 2, false), (5, 3, false)]
    {
        assert_eq!(work.queue(CpuId(cpu), item(&log, number, pinned)).0, cpu);
    }
    assert_eq!([1, 2, 3].map(|cpu| work.pinned(CpuId(cpu))), [false, false, true]);
    assert_eq!((pull(&work, &[2, 3], 1), pull(&work, &[2, 3], 1)), (3, 0));
    assert_eq!([1, 2, 3].map(|cpu| work.len(CpuId(cpu))), [4, 0, 1]);
    work.run(&m, CpuId(1));
    assert_eq!(*log.lock().unwrap(), [(2, 1), (4, 1), (1, 1), (5, 1)]);
    work.open(&CpuMask::from_iter([CpuId(3)]));
    assert_eq!(work.run(&m, CpuId(3)), 1);
    assert_eq!(log.lock().unwrap().last(), Some(&(3, 3)));
    assert!(!work.pinned(CpuId(3)));
}

#[test]
fn what_is_meant_for_a_cpu_that_is_away_goes_to_who_took_over_unless_pinned() {
    let (work, log) = (Work::new(4, BOOT), Log::default());
    assert_eq!(work.queue(CpuId(3), item(&log, 1, false)), BOOT, "never came up");
    work.open(&CpuMask::first(4));
    pull(&work, &[3], 2);
    pull(&work, &[2], 1);
    assert_eq!(work.queue(CpuId(3), item(&log, 2, false)), CpuId(1));
    assert_eq!(work.queue(CpuId(3), item(&log, 3, true)), CpuId(3));
    assert_eq!([0, 1, 2, 3].map(|cpu| work.len(CpuId(cpu))), [1, 1, 0, 1]);
}

/// 4 threads queue to a CPU that runs its work, while its queue is pulled and opened: each item
/// runs once, a pinned item on that CPU only.
#[test]
fn none_is_lost_or_run_twice_under_load() {
    const EACH: u32 = 2_000;
    let (work, log, m) = (Arc::new(work(2)), Log::default(), Fake::at(5));
    let queuers: Vec<_> = (0..4)
        .map(|t| {
            let (work, log) = (work.clone(), log.clone());
            thread::spawn(move || {
                for number in t * EACH..(t + 1) * EACH {
                    let _ = work.queue(CpuId(1), item(&log, number, number % 5 == 0));
                }
            })
        })
        .collect();
    while !queuers.iter().all(|t| t.is_finished()) {
        pull(&work, &[1], 0);
        work.run(&m, BOOT);
        work.open(&CpuMask::from_iter([CpuId(1)]));
        work.run(&m, CpuId(1));
    }
    queuers.into_iter().for_each(|t| t.join().unwrap());
    assert!(work.run(&m, BOOT) + work.run(&m, CpuId(1)) <= 4 * EACH as usize);
    let mut log = core::mem::take(&mut *log.lock().unwrap());
    assert!(log.iter().all(|&(number, cpu)| number % 5 != 0 || cpu == 1));
    log.sort_unstable();
    assert!(log.iter().map(|entry| entry.0).eq(0..4 * EACH));
}
