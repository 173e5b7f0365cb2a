//! What must hold in whatever order things happen.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::super::*;
use super::bench::Bench;
use super::open;

#[derive(Clone, Debug)]
enum Act {
    Pass(u64),
    Step(u64),
    Online(u16),
    Leave(Vec<u16>),
    Open(usize, u16),
    Close(usize, u16),
    Read(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let event = prop::sample::select(vec![0x11u16, 0x19, 0x1d, 0x29, 0x2a, 0x2b, 0x2c, 0x12, 0x99]);
    let some = prop::collection::btree_set(0u16..11, 0..11).prop_map(Vec::from_iter).prop_shuffle();
    prop_oneof![
        (0u64..1 << 30).prop_map(Act::Pass),
        (0u64..1 << 22).prop_map(Act::Step),
        (0u16..11).prop_map(Act::Online),
        some.prop_map(Act::Leave),
        (0usize..3, event.clone()).prop_map(|(c, e)| Act::Open(c, e)),
        (0usize..3, event).prop_map(|(c, e)| Act::Close(c, e)),
        (0usize..3).prop_map(Act::Read),
    ]
}

fn carry_out(bench: &Bench, act: Act) {
    let me = bench.online.borrow().iter().last().unwrap_or(CpuId(0)).0; // not asked if all are off
    match act {
        Act::Pass(ticks) => bench.pass(ticks),
        Act::Step(ticks) => bench.step.set(ticks),
        Act::Online(cpu) => bench.online([cpu]),
        Act::Leave(cpus) => {
            let there = |&cpu: &u16| bench.online.borrow().contains(CpuId(cpu));
            let leaving: Vec<u16> = cpus.into_iter().filter(there).collect();
            for left in bench.leave(&leaving) {
                assert!(!matches!(left, PmuLeft::Passed(to) if leaving.contains(&to.cpu().0)));
            }
        }
        Act::Open(cluster, event) => {
            if !bench.totals(cluster).iter().any(|(open, _)| *open == event) {
                bench.truth.borrow_mut().remove(&(cluster, event));
            }
            let _ = bench.ask(me, cluster, Request::Open(event));
        }
        Act::Close(cluster, event) => {
            let closed = bench.ask(me, cluster, Request::Close(event));
            let truth = bench.truth.borrow().get(&(cluster, event)).copied();
            if let Ok(total) = closed {
                assert_eq!(total, truth.unwrap_or(0));
            }
        }
        Act::Read(cluster) => {
            let _ = bench.ask(me, cluster, Request::Read);
        }
    }
}

proptest! {
    /// In every order: a cluster has an owner if a CPU of it is online, silent registers if none
    /// is, and every total is exact to the event.
    #[test]
    fn totals_are_exact_and_every_cluster_has_its_owner(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let bench = Bench::new(&[8, 2, 1]);
        for act in acts {
            carry_out(&bench, act);
            bench.check();
        }
    }

    /// A cluster of eight whose CPUs all leave at once, in every order, and come back.
    #[test]
    fn all_leave_at_once_in_every_order_and_come_back(
        out in Just((0u16..8).collect::<Vec<_>>()).prop_shuffle(),
        back in Just((0u16..8).collect::<Vec<_>>()).prop_shuffle(),
        step in 0u64..1 << 20,
    ) {
        let bench = Bench::new(&[8]);
        bench.online(back.iter().copied());
        open(&bench, 0, 0, &[events::CYCLES, 0x1d, 0x2c]);
        bench.step.set(step);
        bench.pass(1 << 29);
        let left = bench.leave(&out);
        prop_assert_eq!(left.iter().filter(|&&l| l == PmuLeft::Vacant).count(), 1);
        bench.check();
        bench.online(back.iter().copied());
        prop_assert_eq!(bench.pmu.owner(0), Some(CpuId(back[0])));
        bench.pass(1 << 29);
        bench.check();
    }
}
