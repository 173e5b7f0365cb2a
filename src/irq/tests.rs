extern crate std;

mod any;
mod bench;

use std::string::ToString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::vec::Vec;

use super::*;
use crate::interrupt::Interrupt;
use crate::machine::StepError;
use bench::{Scene, mask};

#[test]
fn an_interrupt_finds_its_action_and_is_counted_once() {
    let scene = Scene::new(4);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let action = move || {
        count.fetch_add(1, Ordering::Relaxed);
        Handled::Yes
    };
    scene.ask_for(40, &mask(&[2]), AffinityKind::Balanced, action).unwrap();
    assert!(scene.take(2, 40) && scene.take(2, 40));
    assert!(!scene.take(2, 41), "nobody's");
    assert_eq!(ran.load(Ordering::Relaxed), 2);
    let row = scene.irqs.rows().remove(0);
    assert_eq!((row.handled, row.declined, row.effective), (2, 0, Some(CpuId(2))));
}

#[test]
fn what_cannot_be_requested_changes_nothing() {
    let scene = Scene::new(2);
    for intid in [0, 31, 1020, 4096, u32::MAX] {
        let refused = scene.ask(intid, &mask(&[0]), AffinityKind::Balanced);
        assert_eq!(refused, Err(IrqError::NotShared(intid)));
    }
    scene.ask(50, &mask(&[1]), AffinityKind::Balanced).unwrap();
    let refused = scene.ask(50, &mask(&[0]), AffinityKind::Balanced).unwrap_err();
    assert_eq!(refused.to_string(), "interrupt 50 belongs to dev50 already");
    *scene.bench.stuck.lock().unwrap() = Some(51);
    scene.ask(51, &mask(&[0]), AffinityKind::Balanced).unwrap_err();
    assert!(!scene.take(0, 51), "its action is gone again");
    assert_eq!(scene.irqs.rows().len(), 1);
}

#[test]
fn a_trigger_is_set_before_the_first_route_and_while_it_is_masked() {
    let scene = Scene::new(2);
    scene.ask(40, &mask(&[1]), AffinityKind::Balanced).unwrap();
    scene.rcu.idle_enter(CpuId(1));
    scene.here(|here| scene.irqs.free(here, 40)).unwrap();
    scene.ask(40, &mask(&[0]), AffinityKind::Balanced).unwrap();
    scene.ask(40, &mask(&[0]), AffinityKind::Balanced).unwrap_err();
    let configured = scene.bench.configured.lock().unwrap().clone();
    assert_eq!(configured, [(Interrupt::level(40), false); 2], "and not when it is refused");
}

#[test]
fn a_freed_interrupt_is_masked_and_its_action_dropped() {
    let scene = Scene::new(2);
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let action = move || {
        let _ = &holds;
        Handled::Yes
    };
    scene.ask_for(40, &mask(&[1]), AffinityKind::Balanced, action).unwrap();
    scene.rcu.idle_enter(CpuId(1));
    scene.here(|here| scene.irqs.free(here, 40)).unwrap();
    assert_eq!(scene.routes()[&40], (CpuId(1), false));
    scene.rcu.idle_exit(CpuId(1));
    assert!(!scene.take(1, 40));
    let unknown = scene.here(|here| scene.irqs.free(here, 40));
    assert_eq!(unknown, Err(IrqError::Unknown(40)));
    scene.rcu.idle_enter(CpuId(1));
    for _ in 0..100 {
        scene.rcu.quiescent(CpuId(0));
        scene.rcu.run_ready(&scene.bench, CpuId(0));
    }
    assert!(!scene.rcu.needs(CpuId(0)), "the tables of before are gone");
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn one_that_comes_for_nothing_is_turned_off_at_last() {
    let scene = Scene::new(2);
    scene.ask_for(40, &mask(&[0]), AffinityKind::Balanced, || Handled::No).unwrap();
    let taken = (0..descriptor::FOR_NOTHING).filter(|_| scene.take(0, 40)).count();
    assert_eq!(taken as u64, descriptor::FOR_NOTHING - 1);
    let row = scene.irqs.rows().remove(0);
    assert!(row.silenced && row.effective.is_none() && row.handled == 0);
    scene.leave(&scene.without(&[0])).unwrap();
    assert_eq!(scene.routes()[&40], (CpuId(1), false), "and stays off when it is moved");
}

#[test]
fn loads_are_spread_and_ties_go_to_the_lowest() {
    let scene = Scene::new(4);
    for intid in 40..46 {
        scene.ask(intid, &mask(&[1, 2, 3]), AffinityKind::Balanced).unwrap();
    }
    let at: Vec<u16> = scene.routes().values().map(|r| r.0.0).collect();
    assert_eq!(at, [1, 2, 3, 1, 2, 3]);
    // The interrupts of CPU 3 go to CPUs of their affinity, not to CPU 0, which takes none.
    scene.leave(&scene.without(&[3])).unwrap();
    let at: Vec<u16> = scene.routes().values().map(|r| r.0.0).collect();
    assert_eq!(at, [1, 2, 1, 1, 2, 2]);
    scene.irqs.restore(&scene.bench, &scene.everybody()).unwrap();
    let at: Vec<u16> = scene.routes().values().map(|r| r.0.0).collect();
    assert_eq!(at, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn a_managed_interrupt_is_masked_until_one_of_its_cpus_is_back() {
    let mut scene = Scene::new(8);
    scene.ask(40, &mask(&[4, 5]), AffinityKind::Managed).unwrap();
    scene.ask(41, &mask(&[4, 5]), AffinityKind::Balanced).unwrap();
    scene.leave(&scene.without(&[4, 5])).unwrap();
    assert_eq!(scene.routes()[&40], (CpuId(0), false), "it points at nobody who leaves");
    assert_eq!(scene.routes()[&41], (CpuId(0), true));
    let rows = scene.irqs.rows();
    assert_eq!((rows[0].effective, rows[0].broken), (None, false));
    assert_eq!((rows[1].effective, rows[1].broken), (Some(CpuId(0)), true));
    assert!(rows.iter().all(|row| row.requested == mask(&[4, 5])));
    scene.online = mask(&[0, 1, 2, 3, 5, 6, 7]);
    scene.irqs.restore(&scene.bench, &scene.everybody()).unwrap();
    assert_eq!((scene.routes()[&40], scene.routes()[&41]), ((CpuId(5), true), (CpuId(5), true)));
}

#[test]
fn a_route_that_does_not_take_is_named_and_nothing_is_half_done() {
    let scene = Scene::new(4);
    for intid in [40, 41, 42] {
        scene.ask(intid, &mask(&[3]), AffinityKind::Balanced).unwrap();
    }
    let (routes, rows) = (scene.routes(), scene.irqs.rows());
    *scene.bench.stuck.lock().unwrap() = Some(41);
    let error = scene.leave(&scene.without(&[3])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "interrupt 41 (dev41) does not go to CPU 1: its route reads CPU 3; no interrupt was moved"
    );
    assert_eq!(StepError::from(error), StepError::RouteRejected);
    assert_eq!((scene.routes(), scene.irqs.rows()), (routes, rows));
    assert_eq!(scene.irqs.stray(&scene.bench, &mask(&[3])), Some((40, CpuId(3))));
    *scene.bench.stuck.lock().unwrap() = None;
    scene.leave(&scene.without(&[3])).unwrap();
    assert_eq!(scene.irqs.stray(&scene.bench, &mask(&[3])), None);
}

#[test]
fn an_affinity_takes_effect_at_once_and_needs_an_online_cpu() {
    let mut scene = Scene::new(4);
    scene.ask(40, &mask(&[0, 1]), AffinityKind::Balanced).unwrap();
    scene.online = mask(&[0, 1, 2]);
    let set = |intid, cpus: &[u16]| {
        let online = scene.everybody();
        scene.irqs.set_affinity(&scene.bench, &online, intid, &mask(cpus))
    };
    set(40, &[2, 3]).unwrap();
    assert_eq!(scene.routes()[&40], (CpuId(2), true));
    let refused = set(40, &[3]).unwrap_err();
    assert_eq!(refused, IrqError::NobodyOnline(40, mask(&[3])));
    assert!(refused.to_string().contains("none of the CPUs 3 is online"));
    assert_eq!(scene.irqs.rows()[0].requested, mask(&[2, 3]));
    assert_eq!(set(99, &[0]), Err(IrqError::Unknown(99)));
    *scene.bench.stuck.lock().unwrap() = Some(40);
    assert!(matches!(set(40, &[0]), Err(IrqError::Route { intid: 40, is: Some(CpuId(2)), .. })));
    assert_eq!(scene.irqs.rows()[0].requested, mask(&[2, 3]), "a refusal changes nothing");
}

#[test]
fn what_a_device_is_bound_to_cannot_be_changed() {
    let scene = Scene::new(4);
    scene.ask(40, &mask(&[2, 3]), AffinityKind::Managed).unwrap();
    let online = scene.everybody();
    let refused = scene.irqs.set_affinity(&scene.bench, &online, 40, &mask(&[0])).unwrap_err();
    assert_eq!(refused, IrqError::Bound(40, "dev40".into(), mask(&[2, 3])));
    assert_eq!(scene.irqs.effective(40), Some(CpuId(2)));
}

#[test]
fn nothing_can_be_planned_when_nobody_stays() {
    let scene = Scene::new(2);
    scene.ask(40, &mask(&[0, 1]), AffinityKind::Balanced).unwrap();
    assert_eq!(scene.irqs.plan(&scene.without(&[0, 1])), Err(IrqError::NobodyStays));
}
