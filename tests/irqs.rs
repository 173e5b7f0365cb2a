//! Interrupts that arrive while CPUs come and go: each is handled once, by a CPU that stays.
#![cfg(not(loom))]

mod sim;

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{Why, steps};
use baton::irq::AffinityKind;
use baton::machine::IrqChip;
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::Dir;
use sim::ops::{MODES, POLICIES, Tally};
use sim::{Act, Cpu, Random, Sim, seeds};

const FIRST: u32 = 40;

/// Interrupts with random wishes, and what came of them.
struct Devices {
    tally: Tally,
    wishes: Vec<CpuMask>,
}

impl Devices {
    fn new(sim: &Sim, m: &Cpu<'_>, count: usize, random: &mut Random) -> Self {
        let n = sim.hp.topology().len();
        let wish = |random: &mut Random| match random.below(3) {
            0 => CpuMask::first(n),
            1 => CpuMask::from_iter([sim.ap(random.below(n as u64 - 1) as usize)]),
            _ => sim.subset(random),
        };
        let tally = Tally::new(count);
        let wishes: Vec<_> = (0..count).map(|_| wish(random)).collect();
        for (i, wish) in wishes.iter().enumerate() {
            let kind = if i % 4 == 3 { AffinityKind::Managed } else { AffinityKind::Balanced };
            sim.ask_for(m, FIRST + i as u32, *wish, kind, &tally, i);
        }
        Self { tally, wishes }
    }

    fn intids(&self) -> Vec<u32> {
        (0..self.wishes.len()).map(|i| FIRST + i as u32).collect()
    }

    /// Where each of the interrupts goes.
    fn routes(&self, sim: &Sim) -> Vec<(CpuId, bool)> {
        self.intids().into_iter().map(|intid| sim.route(intid)).collect()
    }

    /// A CPU that has an interrupt which moves when that CPU leaves.
    fn busy_ap(&self, sim: &Sim) -> CpuId {
        let routes = self.routes(sim).into_iter().enumerate().filter(|(i, _)| i % 4 != 3);
        let mut cpus = routes.map(|(_, (cpu, _))| cpu).filter(|&cpu| cpu != sim.boot());
        cpus.next().expect("an interrupt at an AP")
    }

    fn rain(&self, sim: &Sim, chance: u64) {
        sim.rain(Some((chance, self.intids())));
    }

    /// Handled as often as sent, but for what waits; nobody changed the wishes; each goes where it
    /// may, and is masked only if it is bound to CPUs that are not there.
    fn balance(&self, sim: &Sim) {
        for (i, wish) in self.wishes.iter().enumerate() {
            let (intid, row) = (FIRST + i as u32, sim.row(FIRST + i as u32));
            let waits = sim.waits(intid);
            assert_eq!(self.tally.get(i) + waits, sim.sent(intid), "interrupt {intid}");
            assert_eq!((row.requested, row.handled), (*wish, self.tally.get(i)));
            let (there, (at, enabled)) = (!wish.and(&sim.hp.online()).is_empty(), sim.route(intid));
            assert_eq!(enabled, there || i % 4 != 3, "interrupt {intid} at cpu {at}");
            assert_eq!(row.effective, enabled.then_some(at));
            assert!(!there || wish.contains(at), "interrupt {intid} at {at}, wanted {wish:?}");
        }
    }

    /// The rain ends, and all is handled; everybody is online.
    fn settle(&self, sim: &Sim, m: &Cpu<'_>) {
        m.live(3);
        self.intids().into_iter().for_each(|intid| m.pend(intid));
        sim.rain(None);
        m.live(1);
        assert!(sim.dry(), "something is still pending");
        self.balance(sim);
        let sent: u64 = self.intids().into_iter().map(|intid| sim.sent(intid)).sum();
        assert!(sent >= self.wishes.len() as u64, "or this shows nothing");
    }
}

/// Random sets leave in both modes and come back, under random interrupts.
fn come_and_go(n: usize, devices: usize, cycles: u64, seed: u64) {
    Sim::new(n, seed).run(move |sim, m| {
        let mut random = Random::new(seed ^ 0x1290);
        let early = random.one_in(2).then(|| Devices::new(sim, m, devices, &mut random));
        sim.up(m, BringupPolicy::Parallel);
        let devices = early.unwrap_or_else(|| Devices::new(sim, m, devices, &mut random));
        devices.rain(sim, 3 + random.below(60));
        for _ in 0..cycles {
            let go = sim.subset(&mut random);
            sim.gone(m, &go, random.pick(&MODES));
            devices.balance(sim);
            m.live(1);
            assert_eq!(sim.services.irqs.stray(m, &go), None);
            sim.up(m, random.pick(&POLICIES));
            devices.balance(sim);
        }
        devices.settle(sim, m);
    });
}

#[test]
fn each_is_handled_once_whoever_comes_and_goes() {
    seeds(0..300, |seed| come_and_go(2, 5, 3, seed));
    seeds(0..600, |seed| come_and_go(8, 12, 3, seed));
    seeds(0..15, |seed| come_and_go(80, 40, 2, seed));
    seeds(0..1, |seed| come_and_go(512, 80, 1, seed));
}

/// CPUs are asked to leave under a rain of interrupts, and `scenario` keeps them or brings them
/// back: every route is then as it was.
fn every_route_is_put_back(
    mode: TeardownMode,
    scenario: fn(&Sim, &Cpu<'_>, &Devices, TeardownMode),
) {
    seeds(0..150, |seed| {
        Sim::new(8, seed).run(move |sim, m| {
            let mut random = Random::new(seed);
            sim.up(m, BringupPolicy::Parallel);
            let devices = Devices::new(sim, m, 12, &mut random);
            let before = devices.routes(sim);
            devices.rain(sim, 20);
            scenario(sim, m, &devices, mode);
            sim.whole(m);
            assert_eq!(devices.routes(sim), before);
            CpuMask::first(8).iter().for_each(|cpu| sim.faults(cpu, |f| f.steps.clear()));
            sim.up(m, BringupPolicy::Parallel);
            devices.settle(sim, m);
        });
    });
}

/// One CPU in serial mode, all APs at once.
fn leaving(sim: &Sim, one: CpuId, mode: TeardownMode) -> CpuMask {
    match mode {
        TeardownMode::Serial => CpuMask::from_iter([one]),
        TeardownMode::Parallel => sim.aps(),
    }
}

/// CPUs are asked to leave, and none does.
fn refused(sim: &Sim, m: &Cpu<'_>, one: CpuId, mode: TeardownMode) {
    let outcome = sim.down(m, &leaving(sim, one, mode), mode);
    assert_eq!((outcome.stuck.len(), outcome.off), (1, CpuMask::new()));
}

/// The route to each CPU that stays fails once.
#[test]
fn a_route_that_does_not_take_puts_every_route_back() {
    MODES.into_iter().for_each(|mode| {
        every_route_is_put_back(mode, |sim, m, devices, mode| {
            let one = devices.busy_ap(sim);
            let stay = CpuMask::first(8).and_not(&leaving(sim, one, mode));
            stay.iter().for_each(|cpu| sim.faults(cpu, |f| f.steps.push((Act::Route, ROUTE))));
            refused(sim, m, one, mode);
        });
    });
}

#[test]
fn a_shared_step_that_refuses_puts_every_route_back() {
    MODES.into_iter().for_each(|mode| {
        every_route_is_put_back(mode, |sim, m, _, mode| {
            inject(sim, "irq:shared", sim.boot());
            refused(sim, m, sim.ap(6), mode);
        });
    });
}

#[test]
fn an_online_step_that_refuses_puts_every_route_back() {
    MODES.into_iter().for_each(|mode| {
        every_route_is_put_back(mode, |sim, m, _, mode| {
            inject(sim, "work:online", sim.ap(6));
            refused(sim, m, sim.ap(6), mode);
        });
    });
}

#[test]
fn a_lost_cpu_that_leaves_alone_puts_every_route_back() {
    every_route_is_put_back(TeardownMode::Serial, |sim, m, _, mode| {
        let lost = sim.ap(6);
        sim.lose(lost);
        refused(sim, m, lost, mode);
        revive(sim, m, lost);
    });
}

/// No step can refuse, so the others leave without the lost CPU; the routes are as they were when
/// the others are back.
#[test]
fn cpus_that_left_without_a_lost_one_get_every_route_back() {
    every_route_is_put_back(TeardownMode::Parallel, |sim, m, _, mode| {
        let lost = sim.ap(6);
        sim.lose(lost);
        let outcome = sim.down(m, &sim.aps(), mode);
        let others = sim.aps().and_not(&CpuMask::from_iter([lost]));
        assert_eq!((outcome.stuck.len(), outcome.off), (1, others));
        assert!(matches!(outcome.stuck[0].why, Why::Missing(_)));
        revive(sim, m, lost);
    });
}

fn revive(sim: &Sim, m: &Cpu<'_>, lost: CpuId) {
    sim.revive(lost);
    m.live(5);
    sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
}

const ROUTE: baton::machine::StepError = baton::machine::StepError::RouteRejected;

fn inject(sim: &Sim, step: &str, cpu: CpuId) {
    let step = steps::by_name(step).unwrap();
    sim.hp.faults.inject(step, Some(cpu), Some(Dir::Down), 1).unwrap();
}

/// What comes for CPUs that are not there waits, masked, and is handled when one of them is.
#[test]
fn a_managed_interrupt_waits_for_its_cpus() {
    for mode in MODES {
        seeds(0..200, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                sim.up(m, BringupPolicy::Parallel);
                let own = sim::some(&sim.aps(), &[2, 3]);
                let tally = Tally::new(1);
                sim.ask_for(m, FIRST, own, AffinityKind::Managed, &tally, 0);
                let first = CpuMask::from_iter(own.iter().next());
                sim.gone(m, &first, mode);
                assert_eq!(sim.route(FIRST), (own.and_not(&first).iter().next().unwrap(), true));
                sim.gone(m, &own.and_not(&first), mode);
                let (at, enabled) = sim.route(FIRST);
                assert!(!enabled && sim.hp.online().contains(at), "masked, at a CPU that stays");
                m.pend(FIRST);
                m.live(5);
                assert_eq!((tally.get(0), m.pending(FIRST)), (0, true));
                let back = sim.hp.bring_up(m, &first, BringupPolicy::Parallel);
                assert_eq!(back.failed, []);
                m.live(1);
                assert_eq!((tally.get(0), m.pending(FIRST)), (1, false));
                assert_eq!(sim.route(FIRST), (first.iter().next().unwrap(), true));
                assert_eq!(sim.row(FIRST).requested, own);
            });
        });
    }
}
