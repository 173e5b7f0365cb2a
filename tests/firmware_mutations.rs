//! Firmware's tables with bytes overwritten, with checksums right or wrong: reading them may fail, but
//! never panics, and what is read makes sense.
#![cfg(not(loom))]

mod firmware_support;

use baton::cpu::Mpidr;
use baton::fdt::Checked;
use baton::memory::Range;
use baton::platform::early::Early;
use baton::platform::{self, Described};
use firmware_support::Guest;
use firmware_support::altra::{Altra, BOOT};
use firmware_support::build::sealed;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn check(Described { machine, warnings, .. }: &Described) {
    assert!(!machine.memory.is_empty() && !machine.topology.is_empty());
    assert!(machine.memory.windows(2).all(|pair| pair[0].end < pair[1].start));
    let mut members = machine.clusters.iter().flat_map(|cluster| cluster.cpus.iter());
    assert!(members.all(|cpu| cpu.index() < machine.topology.len()));
    assert!(machine.apart_from(&machine.memory).is_ok());
    assert!(!warnings.iter().any(|warning| warning.contains(char::is_control)));
}

/// Reads a machine in both ways; true if it was taken.
fn exercise(guest: &Guest, boot: u64) -> bool {
    let memory = guest.memory();
    let Ok(tree) = Checked::of(&guest.tree) else { return false };
    let described = platform::describe_with(&tree, &memory, Mpidr::from_register(boot));
    let early = Early::look_with(tree, &memory);
    let Ok(described) = described else { return false };
    check(&described);
    let early = early.unwrap_or_else(|why| panic!("{why}, but the machine was taken"));
    assert_eq!(early.gic.as_ref(), Some(&described.machine.gic));
    if let Some(heap) = early.highest_free(4 << 20, 2 << 20, &|_| {}) {
        let machine = &described.machine;
        assert!(machine.memory.iter().any(|bank: &Range| bank.covers(&heap)));
        assert!(machine.reserved.iter().all(|reserved| !reserved.range.overlaps(&heap)));
    }
    true
}

/// Changes of one write: where, and to what. Small values make lengths and counts that are nearly
/// right.
fn change() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, u8)> {
    let value = prop_oneof![any::<u8>(), 0u8..16, Just(0xff)];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), value)
}

/// The checksum of a table is made right again.
fn seal(bytes: &mut Vec<u8>) {
    let signature = bytes.first_chunk::<4>().copied();
    let known = [*b"XSDT", *b"FACP", *b"APIC", *b"GTDT", *b"SPCR", *b"DBG2", *b"DSDT"];
    if bytes.len() > 36 && signature.is_some_and(|found| known.contains(&found)) {
        *bytes = sealed(std::mem::take(bytes), 9);
    }
}

#[test]
fn changed_tables_break_nothing() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1500);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let board = Altra::new().guest();
    let (taken, all) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let run = TestRunner::new(config).run(
        &(prop::collection::vec(change(), 1..6), any::<bool>()),
        |(changes, whole)| {
            let mut guest = board.clone();
            for (write, offset, value) in changes {
                let bytes = &mut write.get(&board.writes).1.clone();
                let at = write.index(board.writes.len());
                let offset = offset.index(bytes.len());
                guest.writes[at].1[offset] = value;
                if whole {
                    seal(&mut guest.writes[at].1);
                }
            }
            all.set(all.get() + 1);
            taken.set(taken.get() + u32::from(exercise(&guest, BOOT)));
            Ok(())
        },
    );
    run.unwrap();
    assert!(taken.get() > all.get() / 20 && taken.get() < all.get(), "{taken:?} of {all:?}");
}

#[test]
fn recorded_memory_that_is_cut_off_breaks_nothing() {
    let guest = Guest::recorded("v4el2");
    assert!(exercise(&guest, 0));
    for lost in 0..guest.writes.len() {
        let mut guest = guest.clone();
        guest.writes.remove(lost);
        exercise(&guest, 0);
    }
}
