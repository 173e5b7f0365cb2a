extern crate std;

use std::sync::{Arc, Mutex};
use std::vec::Vec;
use std::{thread, vec};

use super::*;
use crate::cpu::Survivors;
use crate::machine::fake::Fake;

const BOOT: CpuId = CpuId(0);

/// The timers that fired: which, on which CPU and for which deadline.
type Log = Arc<Mutex<Vec<(u32, u16, u64)>>>;

fn writes(log: &Log, number: u32) -> TimerCallback {
    let log = log.clone();
    Box::new(move |fired| log.lock().unwrap().push((number, fired.cpu.0, fired.deadline)))
}

fn timers(cpus: u16) -> Timers {
    let timers = Timers::new(cpus.into(), BOOT);
    timers.open(&CpuMask::first(usize::from(cpus)));
    timers
}

fn pull(timers: &Timers, dead: &[u16], to: u16) -> usize {
    let dead: CpuMask = dead.iter().map(|&cpu| CpuId(cpu)).collect();
    let survivors = Survivors::freeze(&CpuMask::first(8), &dead);
    timers.pull(&dead, survivors.stays(CpuId(to)).unwrap())
}

fn numbers(log: &Log) -> Vec<u32> {
    log.lock().unwrap().iter().map(|entry| entry.0).collect()
}

#[test]
fn fires_by_deadline_then_in_order_of_adding_and_not_before() {
    let (timers, log) = (timers(1), Log::default());
    for (number, deadline) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
        let added = timers.add(BOOT, deadline, writes(&log, number));
        assert_eq!(added.earliest, number <= 2, "{number}");
    }
    let m = Fake::at(9);
    assert_eq!((timers.run_due(&m, BOOT), timers.next(BOOT)), (0, Some(10)));
    m.set(20);
    assert_eq!((timers.run_due(&m, BOOT), timers.next(BOOT)), (3, Some(30)));
    assert_eq!(numbers(&log), [2, 4, 3]);
    m.set(30);
    assert_eq!((timers.run_due(&m, BOOT), timers.next(BOOT)), (1, None));
    assert!(timers.is_empty(BOOT));
}

#[test]
fn a_cancelled_timer_never_fires_and_is_cancelled_once() {
    let (timers, log) = (timers(2), Log::default());
    let first = timers.add(BOOT, 10, writes(&log, 1)).id;
    let second = timers.add(BOOT, 10, writes(&log, 2)).id;
    assert!(timers.cancel(first) && !timers.cancel(first));
    assert_eq!(timers.run_due(&Fake::at(10), BOOT), 1);
    assert!(!timers.cancel(second), "it has run");
    assert_eq!((numbers(&log), timers.next(BOOT)), (vec![2], None));
}

#[test]
fn a_timer_that_is_due_too_can_be_cancelled_by_the_one_before() {
    let (timers, log) = (Arc::new(timers(1)), Log::default());
    let second = Arc::new(Mutex::new(None));
    let _ = timers.add(BOOT, 10, {
        let (timers, second) = (timers.clone(), second.clone());
        Box::new(move |_| assert!(timers.cancel(second.lock().unwrap().unwrap())))
    });
    *second.lock().unwrap() = Some(timers.add(BOOT, 10, writes(&log, 2)).id);
    assert_eq!(timers.run_due(&Fake::at(10), BOOT), 1);
    assert!(numbers(&log).is_empty());
}

#[test]
fn what_a_timer_adds_waits_for_the_next_look_even_if_it_is_due() {
    fn again(timers: Arc<Timers>, log: Log, left: u32) -> TimerCallback {
        Box::new(move |fired| {
            log.lock().unwrap().push((left, fired.cpu.0, fired.now));
            if left > 0 {
                // Earlier than the timer that fires, and must not hold up the timers after that
                // one.
                let _ = timers.add(BOOT, 5, again(timers.clone(), log.clone(), left - 1));
            }
        })
    }
    let (timers, log, m) = (Arc::new(timers(1)), Log::default(), Fake::at(10));
    let _ = timers.add(BOOT, 10, again(timers.clone(), log.clone(), 2));
    let _ = timers.add(BOOT, 10, writes(&log, 9));
    assert_eq!(timers.run_due(&m, BOOT), 2);
    assert_eq!(timers.run_due(&m, BOOT), 1);
    assert_eq!((numbers(&log), timers.next(BOOT)), (vec![2, 9, 1], Some(5)));
}

#[test]
fn pulled_timers_keep_deadline_and_order_and_run_once() {
    let (timers, log) = (timers(4), Log::default());
    for (number, cpu, deadline) in
        [(1, 3, 50), (2, 1, 20), (3, 2, 50), (4, 1, 50), (5, 3, 10), (6, 1, 50)]
    {
        let _ = timers.add(CpuId(cpu), deadline, writes(&log, number));
    }
    assert_eq!((pull(&timers, &[2, 3], 1), pull(&timers, &[2, 3], 1)), (3, 0));
    assert_eq!([1, 2, 3].map(|cpu| timers.next(CpuId(cpu))), [Some(10), None, None]);
    let m = Fake::at(1000);
    assert_eq!([2, 3, 1].map(|cpu| timers.run_due(&m, CpuId(cpu))), [0, 0, 6]);
    let expected = [(5, 10), (2, 20), (1, 50), (3, 50), (4, 50), (6, 50)];
    assert_eq!(*log.lock().unwrap(), expected.map(|(number, at)| (number, 1, at)));
}

#[test]
fn a_timer_is_cancelled_wherever_it_has_moved() {
    let (timers, log) = (timers(4), Log::default());
    let id = timers.add(CpuId(3), 10, writes(&log, 1)).id;
    pull(&timers, &[3], 2);
    pull(&timers, &[2], 1);
    assert!(timers.cancel(id) && !timers.cancel(id));
    assert_eq!(timers.next(CpuId(1)), None);
}

#[test]
fn what_is_meant_for_a_cpu_that_is_away_goes_to_who_took_over() {
    let (timers, log) = (Timers::new(4, BOOT), Log::default());
    let at = |cpu| timers.add(CpuId(cpu), 10, writes(&log, cpu.into())).cpu.0;
    assert_eq!(at(3), 0, "never came up");
    timers.open(&CpuMask::first(4));
    assert_eq!(at(3), 3);
    pull(&timers, &[3], 2);
    assert_eq!(at(3), 2);
    pull(&timers, &[2], 1);
    assert_eq!(at(3), 1, "and on from there");
    timers.open(&CpuMask::from_iter([CpuId(3)]));
    pull(&timers, &[1], 3);
    assert_eq!([3, 2, 1].map(at), [3, 3, 3]);
    assert_eq!((timers.len(CpuId(3)), timers.len(BOOT)), (6, 1));
}

/// 4 threads add timers to a CPU and cancel some, that CPU runs what is due, and its queue is
/// pulled and opened all the while: each timer runs once or is cancelled, never both and never
/// neither.
#[test]
fn none_is_lost_or_run_twice_under_load() {
    const EACH: u32 = 2_000;
    let (timers, m) = (Arc::new(timers(2)), Fake::at(1_000_000));
    let runs = Arc::new(Mutex::new(vec![0; 4 * EACH as usize]));
    let adders: Vec<_> = (0..4)
        .map(|t| {
            let (timers, runs) = (timers.clone(), runs.clone());
            thread::spawn(move || (0..EACH).map(|i| add_one(&timers, &runs, t * EACH + i)).sum())
        })
        .collect();
    while !adders.iter().all(|t| t.is_finished()) {
        pull(&timers, &[1], 0);
        timers.run_due(&m, BOOT);
        timers.open(&CpuMask::from_iter([CpuId(1)]));
        timers.run_due(&m, CpuId(1));
    }
    let cancelled: u32 = adders.into_iter().map(|t| -> u32 { t.join().unwrap() }).sum();
    pull(&timers, &[1], 0);
    timers.run_due(&m, BOOT);
    let runs = runs.lock().unwrap();
    assert!(runs.iter().all(|&n| n <= 1));
    assert_eq!(runs.iter().sum::<u32>() + cancelled, 4 * EACH);
}

fn add_one(timers: &Timers, runs: &Arc<Mutex<Vec<u32>>>, number: u32) -> u32 {
    let runs = runs.clone();
    let count = move |_: &Fired<'_>| runs.lock().unwrap()[number as usize] += 1;
    let added = timers.add(CpuId(1), u64::from(number), Box::new(count));
    u32::from(number.is_multiple_of(3) && timers.cancel(added.id))
}
