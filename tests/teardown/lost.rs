//! CPUs that stop for good while all are taken down.

use super::*;

/// All leave but a CPU that is lost; `off` are off then. No CPU is asked any more.
fn lost_cpu(sim: &Sim, m: &Cpu<'_>, lost: CpuId, off: CpuMask) {
    sim.lose(lost);
    let outcome = down(sim, m, &sim.aps(), TeardownMode::Parallel);
    let why = Why::Missing(Ok(Affinity::On));
    assert_eq!(outcome.stuck, [Failure { cpu: lost, mark: Mark::Online, why }]);
    assert_eq!(outcome.off, off);
    assert_eq!(sim.hp.online(), CpuMask::first(8).and_not(&outcome.off));
    no_later_than_one_deadline(&outcome);
    sim.revive(lost);
    m.rest(10);
    sim.truth();
    assert_eq!(sim.hp.mark(lost), Mark::Online, "it is not asked any more");
    all_is_well(sim, m, TeardownMode::Parallel);
}

/// If a CPU can refuse, all assemble before the first one is off, and a lost one calls them back.
#[test]
fn a_lost_cpu_calls_the_others_back_if_one_can_refuse() {
    let step = steps::by_name("work:online").unwrap();
    seeds(0..150, |seed| {
        Sim::new(8, seed).run(move |sim, m| {
            up(sim, m);
            sim.hp.faults.inject(step, Some(sim.boot()), Some(Dir::Down), 1).unwrap();
            lost_cpu(sim, m, sim.ap(seed as usize % 7), CpuMask::new());
        });
    });
}

/// If no CPU can refuse, no CPU waits for a lost one.
#[test]
fn a_lost_cpu_is_left_behind_if_none_can_refuse() {
    seeds(0..150, |seed| {
        Sim::new(8, seed).run(move |sim, m| {
            up(sim, m);
            let lost = sim.ap(seed as usize % 7);
            lost_cpu(sim, m, lost, sim.aps().and_not(&CpuMask::from_iter([lost])));
        });
    });
}

/// In serial mode a CPU that does not stand still keeps the other one from being stopped.
#[test]
fn a_cpu_that_does_not_stand_still_is_named() {
    seeds(0..100, |seed| {
        Sim::new(8, seed).run(move |sim, m| {
            up(sim, m);
            let (leaving, restless) = (sim.ap(seed as usize % 6), sim.ap(6));
            sim.lose(restless);
            let outcome = down(sim, m, &CpuMask::from_iter([leaving]), TeardownMode::Serial);
            let why = Why::Missing(Ok(Affinity::On));
            assert_eq!(outcome.stuck, [Failure { cpu: restless, mark: Mark::Online, why }]);
            assert_eq!(sim.hp.online().len(), 8);
            no_later_than_one_deadline(&outcome);
            sim.revive(restless);
            all_is_well(sim, m, TeardownMode::Serial);
        });
    });
}

/// A CPU stops for good after a mark on its way down. All others go, and all is well later.
fn lost_on_its_way(sim: &Sim, m: &Cpu<'_>, seed: u64, at: Mark) {
    up(sim, m);
    let bad = sim.ap(seed as usize % 7);
    sim.faults(bad, |f| f.lose_after = Some(at));
    let outcome = down(sim, m, &sim.aps(), TeardownMode::Parallel);
    let why = Why::StillOn(Ok(Affinity::On));
    assert_eq!(outcome.stuck, [Failure { cpu: bad, mark: at, why }]);
    let others = sim.aps().and_not(&CpuMask::from_iter([bad]));
    assert_eq!((outcome.off, sim.hp.online().len()), (others, 1));
    no_later_than_one_deadline(&outcome);
    sim.revive(bad);
    m.rest(10);
    sim.truth();
    // A CPU that is called back then stays at TEARDOWN_CPU, and can only leave.
    assert_eq!(down(sim, m, &sim.hp.up(), TeardownMode::Parallel).stuck, []);
    all_is_well(sim, m, TeardownMode::Parallel);
}

/// If no CPU can refuse, no CPU waits for one that is lost between its marks.
#[test]
fn a_cpu_lost_on_its_way_down_is_named_and_the_others_go_on() {
    for at in [Mark::TeardownCpu, Mark::ApIdleDead] {
        seeds(0..100, |seed| {
            Sim::new(8, seed).run(move |sim, m| lost_on_its_way(sim, m, seed, at));
        });
    }
}

/// A CPU that is lost when it has said that it is there holds no other up, even if one can refuse.
#[test]
fn a_cpu_lost_after_it_has_assembled_is_named_and_the_others_go_on() {
    let step = steps::by_name("work:online").unwrap();
    for at in [Mark::TeardownCpu, Mark::ApIdleDead] {
        seeds(0..100, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                sim.hp.faults.inject(step, Some(sim.boot()), Some(Dir::Down), 1).unwrap();
                lost_on_its_way(sim, m, seed, at);
            });
        });
    }
}
