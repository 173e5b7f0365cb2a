//! What holds on the interrupt controller of the architecture and on KVM's, and what does not.
#![cfg(not(loom))]

mod sim;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use baton::cpu::CpuMask;
use baton::interrupt::{Interrupt, Trigger};
use baton::irq::{AffinityKind, Handled};
use baton::machine::{Clock, IrqChip};
use baton::report::BringupPolicy;
use sim::ops::{MODES, Tally};
use sim::{Controller, Sim, seeds};

const INTID: u32 = 40;
const BOTH: [Controller; 2] = [Controller::Architecture, Controller::Kvm];

/// Times that an interrupt comes whose first handler makes it pending once more.
fn pended_in_its_handler(controller: Controller, trigger: Trigger, seed: u64) -> u64 {
    let tally = Tally::new(1);
    let handled = tally.clone();
    Sim::with(controller, 4, seed).run(move |sim, m| {
        sim.up(m, BringupPolicy::Parallel);
        let interrupt = Interrupt { intid: INTID, trigger };
        sim.ask(m, interrupt, sim.aps(), AffinityKind::Balanced, move |irq| {
            tally.count(0);
            if tally.get(0) == 1 {
                irq.machine.pend(INTID);
            }
            Handled::Yes
        });
        m.pend(INTID);
        m.live(2);
        assert!(sim.dry(), "it was taken, or is lost");
    });
    handled.get(0)
}

#[test]
fn kvm_loses_a_level_that_software_pends_while_its_handler_runs() {
    seeds(0..100, |seed| {
        for trigger in [Trigger::Level, Trigger::Edge] {
            assert_eq!(pended_in_its_handler(Controller::Architecture, trigger, seed), 2);
        }
        assert_eq!(pended_in_its_handler(Controller::Kvm, Trigger::Edge, seed), 2);
        assert_eq!(pended_in_its_handler(Controller::Kvm, Trigger::Level, seed), 1);
    });
}

/// Sends as torture does: the next one when the handler has said that it has the last. How often it
/// was sent and how often it was handled.
fn sent_and_handled(controller: Controller, trigger: Trigger, seed: u64) -> (u64, u64) {
    let (tally, out) = (Tally::new(2), Arc::new(AtomicBool::new(false)));
    let counts = tally.clone();
    Sim::with(controller, 4, seed).run(move |sim, m| {
        sim.up(m, BringupPolicy::Parallel);
        let (handled, is_out) = (tally.clone(), out.clone());
        let aps = sim.aps();
        sim.ask(m, Interrupt { intid: INTID, trigger }, aps, AffinityKind::Balanced, move |irq| {
            handled.count(1);
            is_out.store(false, Relaxed);
            irq.machine.now(); // others run, and time passes
            Handled::Yes
        });
        for _ in 0..300 {
            if !out.swap(true, Relaxed) {
                tally.count(0);
                m.pend(INTID);
            }
            m.now();
        }
        m.live(2);
    });
    (counts.get(0), counts.get(1))
}

#[test]
fn what_software_pends_is_an_edge_or_it_is_lost_under_kvm() {
    let lost = std::cell::Cell::new(0);
    seeds(0..100, |seed| {
        for controller in BOTH {
            let (sent, handled) = sent_and_handled(controller, Trigger::Edge, seed);
            assert_eq!(sent, handled, "{controller:?}");
        }
        let (sent, handled) = sent_and_handled(Controller::Architecture, Trigger::Level, seed);
        assert_eq!(sent, handled, "a level, by the architecture");
        let (sent, handled) = sent_and_handled(Controller::Kvm, Trigger::Level, seed);
        lost.set(lost.get() + sent - handled);
    });
    assert!(lost.get() > 10, "the simulated vGIC loses levels: {}", lost.get());
}

/// CPUs that leave take what was in their list registers, or give it back.
#[test]
fn a_route_that_changes_loses_nothing_that_a_cpu_has_listed() {
    for mode in MODES {
        let late = std::cell::Cell::new(0);
        // In parallel the leaving CPUs are gone before most routes have changed: it takes many tries.
        seeds(0..1000, |seed| {
            let (sim, count) = (Sim::with(Controller::Kvm, 8, seed), 12);
            let taken_late = sim.clone();
            sim.run(move |sim, m| {
                sim.up(m, BringupPolicy::Parallel);
                let tally = Tally::new(count);
                let intids: Vec<u32> = (0..count).map(|i| INTID + i as u32).collect();
                for (i, &intid) in intids.iter().enumerate() {
                    let cpus = CpuMask::first(8);
                    sim.ask_for(m, intid, cpus, AffinityKind::Balanced, &tally, i);
                }
                sim.rain(Some((4, intids.clone())));
                m.live(1);
                sim.gone(m, &sim.aps(), mode);
                sim.rain(None);
                m.live(1);
                assert!(sim.dry());
                for (i, &intid) in intids.iter().enumerate() {
                    assert_eq!(tally.get(i), sim.sent(intid), "interrupt {intid}");
                }
            });
            late.set(late.get() + taken_late.late());
        });
        assert!(late.get() > 0, "no CPU took one that had been routed elsewhere: {mode:?}");
    }
}
