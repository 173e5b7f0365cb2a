//! Random requests, and random CPUs that leave.

extern crate std;

use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::bench::Scene;
use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::irq::AffinityKind;

const CPUS: u16 = 70; // more than one word of a mask

fn cpus() -> impl Strategy<Value = CpuMask> {
    vec(0..CPUS, 1..12).prop_map(|list| list.into_iter().map(CpuId).collect())
}

/// The CPUs that leave, in one operation after the other; never CPU 0, the boot CPU.
fn leavings() -> impl Strategy<Value = Vec<CpuMask>> {
    let some = vec(1..CPUS, 0..40).prop_map(|list| list.into_iter().map(CpuId).collect());
    let all = Just(CpuMask::first(CPUS.into()).iter().skip(1).collect());
    vec(prop_oneof![some, all], 1..5)
}

fn wishes() -> impl Strategy<Value = Vec<(CpuMask, AffinityKind)>> {
    vec((cpus(), prop_oneof![Just(AffinityKind::Balanced), Just(AffinityKind::Managed)]), 1..60)
}

fn scene(wanted: &[(CpuMask, AffinityKind)]) -> Scene {
    let scene = Scene::new(CPUS.into());
    for (intid, (affinity, kind)) in (32..).zip(wanted) {
        scene.ask(intid, affinity, *kind).unwrap();
    }
    scene
}

/// What has to hold whenever CPUs have left or come back.
fn holds(scene: &Scene, wanted: &[(CpuMask, AffinityKind)]) -> Result<(), TestCaseError> {
    for (row, (affinity, kind)) in scene.irqs.rows().iter().zip(wanted) {
        let (cpu, enabled) = scene.routes()[&row.intid];
        prop_assert_eq!(row.requested, *affinity, "the user's affinity was changed");
        prop_assert!(scene.online.contains(cpu), "{} goes to CPU {}", row.intid, cpu);
        prop_assert_eq!(row.effective, enabled.then_some(cpu));
        let served = !affinity.and(&scene.online).is_empty();
        prop_assert_eq!(enabled, served || *kind == AffinityKind::Balanced);
        prop_assert!(!served || affinity.contains(cpu), "it could have gone to one of its CPUs");
        prop_assert_eq!(row.broken, enabled && !affinity.contains(cpu));
    }
    Ok(())
}

/// The longest list of CPUs' loads, over the CPUs that every interrupt may go to.
fn spread(scene: &Scene) -> usize {
    let load = |cpu: CpuId| scene.routes().values().filter(|r| r.0 == cpu).count();
    let loads: Vec<usize> = scene.online.iter().map(load).collect();
    loads.iter().max().unwrap() - loads.iter().min().unwrap()
}

proptest! {
    #[test]
    fn nothing_goes_to_who_leaves_and_all_comes_back(
        wanted in wishes(), leavings in leavings(),
    ) {
        let mut scene = scene(&wanted);
        let before = scene.routes();
        let all = scene.online;
        holds(&scene, &wanted)?;
        for leaving in leavings {
            let survivors = Survivors::freeze(&scene.online, &leaving);
            scene.leave(&survivors).unwrap();
            scene.online = *survivors.mask();
            prop_assert_eq!(scene.irqs.stray(&scene.bench, &leaving), None);
            holds(&scene, &wanted)?;
        }
        scene.online = all;
        scene.irqs.restore(&scene.bench, &scene.everybody()).unwrap();
        prop_assert_eq!(scene.routes(), before);
        let again = scene.irqs.plan(&scene.everybody()).unwrap();
        prop_assert_eq!(again.routes(), [], "all is where it belongs");
    }

    #[test]
    fn the_same_wishes_lead_to_the_same_routes(wanted in wishes(), leavings in leavings()) {
        let run = || {
            let mut scene = scene(&wanted);
            for leaving in &leavings {
                let survivors = Survivors::freeze(&scene.online, leaving);
                scene.leave(&survivors).unwrap();
                scene.online = *survivors.mask();
            }
            scene.routes()
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn one_bad_route_leaves_all_as_they_were(
        wanted in wishes(), leavings in leavings(), bad in 0..60usize,
    ) {
        let scene = scene(&wanted);
        let survivors = Survivors::freeze(&scene.online, &leavings[0]);
        let (routes, rows) = (scene.routes(), scene.irqs.rows());
        let plan = scene.irqs.plan(&survivors).unwrap();
        let bad = plan.routes().get(bad).map(|route| route.intid);
        *scene.bench.stuck.lock().unwrap() = bad;
        let applied = scene.irqs.apply(&scene.bench, &plan);
        prop_assert_eq!(applied.is_err(), bad.is_some());
        if bad.is_some() {
            prop_assert_eq!((scene.routes(), scene.irqs.rows()), (routes, rows));
        }
    }

    #[test]
    fn those_that_may_go_anywhere_are_spread_evenly(count in 1..200u32, leaving in 1..CPUS) {
        let mut scene = Scene::new(CPUS.into());
        for intid in 32..32 + count {
            scene.ask(intid, &scene.online, AffinityKind::Balanced).unwrap();
        }
        prop_assert!(spread(&scene) <= 1);
        let leaving = (leaving..CPUS).map(CpuId).collect();
        let survivors = Survivors::freeze(&scene.online, &leaving);
        scene.leave(&survivors).unwrap();
        scene.online = *survivors.mask();
        prop_assert!(spread(&scene) <= 1);
    }
}
