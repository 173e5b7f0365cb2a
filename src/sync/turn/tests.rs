extern crate std;

use std::sync::Arc;
use std::thread;
use std::vec::Vec;

use super::*;

#[test]
fn one_has_it_and_the_others_get_it_in_turn() {
    let turn = Turn::default();
    assert!(turn.take(CpuId(64)));
    for cpu in [511, 3, 65] {
        assert!(!turn.take(CpuId(cpu)) && !turn.mine(CpuId(cpu)));
    }
    let mut order = Vec::from([64]);
    while let Some(next) = turn.release(CpuId(order[order.len() - 1])) {
        assert!(turn.mine(next) && turn.holder() == Some(next));
        order.push(next.0);
    }
    assert_eq!(order, [64, 65, 511, 3]);
    assert!(turn.holder().is_none() && turn.take(CpuId(0)));
}

#[test]
fn who_withdraws_is_not_handed_it_and_who_is_too_late_has_it() {
    let turn = Turn::default();
    assert!(turn.take(CpuId(0)) && !turn.take(CpuId(1)) && !turn.take(CpuId(2)));
    assert!(turn.withdraw(CpuId(1)));
    assert_eq!(turn.release(CpuId(0)), Some(CpuId(2)));
    assert!(!turn.withdraw(CpuId(2)), "it has been handed over by now");
    assert_eq!(turn.release(CpuId(2)), None);
    assert!(turn.take(CpuId(1)), "and may ask again");
}

#[test]
fn the_next_in_number_is_found_in_any_word() {
    let mut bits = [0; WORDS];
    assert_eq!(lowest_from(&bits, 0), None);
    (bits[0], bits[7]) = (1 << 63, 1 << 63 | 1);
    for (from, cpu) in [(0, 63), (63, 63), (64, 448), (448, 448), (449, 511), (511, 511)] {
        assert_eq!(lowest_from(&bits, from), Some(CpuId(cpu)), "from {from}");
    }
    assert_eq!(lowest_from(&bits, 512), None);
}

/// Threads stand for CPUs of several words; every third time a CPU that has to wait withdraws.
#[test]
fn under_load_one_at_a_time_and_none_waits_for_ever() {
    const ROUNDS: u64 = 2_000;
    let shared = Arc::new((Turn::default(), AtomicU64::new(0)));
    let cpus = [0, 1, 63, 64, 200, 511].map(CpuId);
    let threads = cpus.map(|cpu| {
        let shared = shared.clone();
        thread::spawn(move || (0..ROUNDS).filter(|&i| had_it(&shared, cpu, i % 3 == 0)).count())
    });
    let times: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(shared.1.load(Ordering::Relaxed), times as u64);
    assert!(times as u64 >= cpus.len() as u64 * ROUNDS / 3 && shared.0.holder().is_none());
}

fn had_it((turn, count): &(Turn, AtomicU64), cpu: CpuId, impatient: bool) -> bool {
    if !turn.take(cpu) {
        if impatient && turn.withdraw(cpu) {
            return false;
        }
        while !turn.mine(cpu) {
            thread::yield_now();
        }
    }
    // Not one addition: two CPUs at once would lose one.
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let _ = turn.release(cpu);
    true
}
