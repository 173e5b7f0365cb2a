extern crate std;

mod any_order;
mod bench;

use alloc::vec;
use alloc::vec::Vec;
use std::string::{String, ToString};

use super::model::{ClusterModel, Rate};
use super::*;
use crate::machine::pmu::PmuReg;
use bench::{Bench, On};

const BUS: u16 = 0x19;
const BUS_CYCLES: u16 = 0x1d;

fn open(bench: &Bench, me: u16, cluster: usize, events: &[u16]) {
    for &event in events {
        bench.ask(me, cluster, Request::Open(event)).unwrap();
    }
}

#[test]
fn cycles_and_events_are_counted_from_their_opening_to_their_close() {
    let bench = Bench::new(&[2]);
    bench.online([0, 1]);
    bench.pass(500);
    open(&bench, 0, 0, &[events::CYCLES, BUS]);
    let from = bench.now.get();
    bench.pass(12345);
    let bus = Rate::of(BUS).unwrap();
    let counted = bus.until(bench.now.get()) - bus.until(from);
    assert_eq!(bench.ask(1, 0, Request::Close(events::CYCLES)), Ok(16 * 12345));
    bench.pass(100);
    assert_eq!(bench.ask(1, 0, Request::Read), Ok(0));
    let more = bus.until(bench.now.get()) - bus.until(from);
    assert_eq!((bench.totals(0), more > counted), (vec![(BUS, more)], true));
    assert_eq!(bench.ask(0, 0, Request::Close(BUS)), Ok(more));
    bench.silent(0);
}

#[test]
fn totals_have_64_bits_and_each_overflow_is_handled_once() {
    let bench = Bench::new(&[2]);
    bench.online([0, 1]);
    open(&bench, 0, 0, &[BUS_CYCLES]);
    bench.pass(10 << 29); // 2^29 ticks are 2^32 events; the counter starts half way
    assert_eq!(bench.ask(1, 0, Request::Close(BUS_CYCLES)), Ok(10 << 32));
    assert_eq!((bench.handled.get(), bench.pmu.info()[0].overflows), (10, 10));
}

#[test]
fn an_overflow_that_nobody_handled_counts_when_it_is_read() {
    let bench = Bench::new(&[1]);
    bench.online([0]);
    open(&bench, 0, 0, &[BUS_CYCLES]);
    bench.handling.set(true); // interrupts are off
    bench.tick((3 << 28) - 1);
    assert_eq!(bench.ask(0, 0, Request::Close(BUS_CYCLES)), Ok((3 << 31) - 8));
}

/// Each access takes so long that a counter wraps every 16th of them, in the middle of the code
/// that reads the counter, and the interrupt comes there as well.
#[test]
fn overflows_in_the_middle_of_a_read_are_neither_lost_nor_counted_twice() {
    let bench = Bench::new(&[2]);
    bench.online([0, 1]);
    open(&bench, 0, 0, &[events::CYCLES, BUS_CYCLES, 0x2b]);
    for step in [(1 << 25) - 12345, (1 << 24) + 77, (1 << 23) - 1, 999] {
        bench.step.set(step);
        for reader in [0, 1].repeat(8) {
            bench.ask(reader, 0, Request::Read).unwrap();
            bench.check();
        }
    }
    assert!(bench.handled.get() > 10, "{} interrupts", bench.handled.get());
    bench.leave(&[0, 1]);
    bench.check();
}

#[test]
fn a_hand_over_costs_no_register_and_no_count() {
    let bench = Bench::new(&[8, 2]);
    bench.online(0..10);
    open(&bench, 3, 0, &[events::CYCLES, BUS]);
    bench.pass(1 << 20);
    bench.accesses.set(0);
    let left = bench.leave(&[0, 2, 4]);
    let PmuLeft::Passed(to) = left[0] else { panic!("{left:?}") };
    assert_eq!((to.cpu(), &left[1..]), (CpuId(1), &[PmuLeft::Bystander; 2][..]));
    assert_eq!((bench.pmu.owner(0), bench.accesses.get()), (Some(CpuId(1)), 0));
    bench.pass(1 << 20);
    bench.check();
    assert_eq!(bench.totals(0)[0], (events::CYCLES, 16 << 21));
}

#[test]
fn a_cluster_that_loses_all_its_cpus_stops_and_goes_on_when_one_comes_back() {
    let bench = Bench::new(&[1, 2]);
    bench.online(0..3);
    open(&bench, 0, 1, &[events::CYCLES, BUS_CYCLES]);
    bench.pass(1 << 20);
    assert_eq!(bench.leave(&[2, 1]), [PmuLeft::Bystander, PmuLeft::Vacant]);
    let totals = bench.totals(1);
    assert_eq!(totals, [(events::CYCLES, 16 << 20), (BUS_CYCLES, 8 << 20)]);
    bench.pass(1 << 30);
    bench.check();
    assert_eq!(bench.totals(1), totals, "stopped");
    let stopped = bench.ask(0, 1, Request::Read).unwrap_err();
    assert!(stopped.to_string().contains("bring one of CPUs 1-2 online"), "{stopped}");
    bench.online([2]);
    bench.pass(1 << 20);
    bench.check();
    assert_eq!(bench.totals(1)[0], (events::CYCLES, 32 << 20));
}

/// What a teardown costs: 40 clusters of two, as on an 80-core machine, of which one CPU stays.
#[test]
fn leaving_touches_registers_only_to_stop_what_is_open() {
    let bench = Bench::new(&[2; 40]);
    bench.online(0..80);
    let all: Vec<u16> = (1..80).collect();
    bench.accesses.set(0);
    bench.leave(&all);
    assert_eq!(bench.accesses.get(), 0, "nothing is open");
    bench.online(1..80);
    for cluster in 0..40 {
        open(&bench, 0, cluster, &[events::CYCLES]);
    }
    bench.accesses.set(0);
    let left = bench.leave(&all);
    assert_eq!(left.iter().filter(|&&l| l == PmuLeft::Vacant).count(), 39);
    assert_eq!(bench.accesses.get(), 39 * 3, "one of the whole, two of the counter");
    bench.check();
}

#[test]
fn what_an_earlier_kernel_left_running_is_silenced() {
    let bench = Bench::new(&[2]);
    for (register, value) in [
        (PmuReg::EventType, u64::from(BUS_CYCLES)),
        (PmuReg::CountersOn, u64::MAX),
        (PmuReg::InterruptsOn, u64::MAX),
        (PmuReg::OverflowSet, 0xff),
        (PmuReg::Control, 1),
    ] {
        bench.models[0].borrow_mut().write(register, value, 0);
    }
    bench.handling.set(true);
    bench.online([1]);
    bench.silent(0);
}

#[test]
fn an_owner_that_is_gone_is_replaced_and_counting_begins_anew_after_the_last() {
    let bench = Bench::new(&[3]);
    bench.online(0..3);
    open(&bench, 0, 0, &[events::CYCLES]);
    let survivors = |leaving: &[u16]| {
        let leaving = leaving.iter().map(|&c| CpuId(c)).collect();
        Survivors::freeze(&CpuMask::first(3), &leaving)
    };
    let passed = bench.pmu.forget(CpuId(0), &survivors(&[0]));
    assert!(matches!(passed, PmuLeft::Passed(to) if to.cpu() == CpuId(1)), "{passed:?}");
    bench.pass(100);
    assert_eq!(bench.ask(1, 0, Request::Read), Ok(0));
    assert_eq!(
        bench.pmu.cpu_leaving(&bench.on(2), CpuId(2), &survivors(&[1, 2])),
        PmuLeft::Bystander
    );
    assert_eq!(bench.pmu.forget(CpuId(1), &survivors(&[1, 2])), PmuLeft::Vacant);
    bench.pass(1000);
    bench.models[0].replace(ClusterModel::default());
    bench.online([2]);
    bench.pass(10);
    assert_eq!(bench.ask(2, 0, Request::Close(events::CYCLES)), Ok(16 * 110));
}

#[test]
fn requests_that_make_no_sense_say_what_to_do() {
    let bench = Bench::new(&[2, 1]);
    bench.online(0..2);
    let text =
        |cluster, request| -> String { bench.ask(0, cluster, request).unwrap_err().to_string() };
    assert_eq!(text(7, Request::Read), "there is no cluster 7; use one of 0-1");
    let unknown = text(0, Request::Open(0x12));
    assert!(unknown.starts_with("cluster 0 has no event 0x12; use one of 0x11 (cycles) 0x19"));
    assert!(text(0, Request::Open(0x1e)).contains("CHAIN"));
    open(&bench, 0, 0, &[BUS]);
    assert!(text(0, Request::Open(BUS)).contains("already; read it"));
    assert!(text(0, Request::Close(0x2a)).contains("does not count event 0x2a"));
    open(&bench, 0, 0, &[0x29, 0x2a, 0x2b, 0x2c, 0x123]);
    assert!(text(0, Request::Open(BUS_CYCLES)).contains("all 6 event counters"));
    open(&bench, 0, 0, &[events::CYCLES]); // has a counter of its own
    assert!(text(1, Request::Open(BUS)).contains("bring one of CPUs 2 online"));
    assert!(!bench.pmu.overflow(&bench.on(2), 0, CpuId(2)), "not of the cluster");
    let none = Pmu::new(&[]).ask(&bench.on(0), CpuId(0), 0, Request::Read, &mut |_| false);
    assert!(none.unwrap_err().to_string().contains("no DSU PMU"));
}

#[test]
fn an_owner_that_does_not_answer_is_named_and_the_next_request_works() {
    let bench = Bench::new(&[1, 1]);
    bench.online(0..2);
    let ask = |serve: bool| {
        let mut turns = 0;
        bench.pmu.ask(&bench.on(0), CpuId(0), 1, Request::Open(BUS), &mut |owner| {
            turns += 1;
            if serve {
                bench.pmu.serve(&On(&bench, owner), owner);
            }
            turns < 5
        })
    };
    let silent = PmuError::Silent { cluster: 1, owner: CpuId(1), begun: false };
    assert_eq!(ask(false), Err(silent));
    assert!(silent.to_string().contains("CPU 1, which owns cluster 1"));
    bench.pmu.serve(&bench.on(1), CpuId(1));
    assert_eq!(bench.totals(1), [], "it was withdrawn");
    assert_eq!(ask(true), Ok(0));
}
