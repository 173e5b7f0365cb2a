//! Device trees with bytes overwritten or cut off: reading and editing them may fail, but never
//! panic, and what an edit makes is always well-formed.
#![cfg(not(loom))]

mod fdt_support;

use baton::cpu::Mpidr;
use baton::fdt::edit::{Changes, EditError, next_tree};
use baton::fdt::{self, Blocks};
use baton::memory::Range;
use baton::platform::{self, Described, PlatformError, early};
use fdt_support::{changed, dtb};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const HANDOVER: Range = Range::new(0x4500_0000, 0x4510_0000);

/// Good and odd trees, from which the mutations start.
fn seeds() -> Vec<Vec<u8>> {
    let names = ["good-virt-gicv3-4", "good-virt-gicv2-2", "good-altra-like", "good-bus"];
    names.iter().chain(&["odd-reserved", "odd-cpus", "odd-chosen"]).map(|name| dtb(name)).collect()
}

/// Reads and edits a tree that may be anything. What an edit makes must be well-formed again.
fn exercise(tree: &[u8]) -> (bool, bool) {
    let described = platform::describe(tree, Mpidr::from_register(0));
    let _ = Blocks::of_any(tree).map(early::console);
    if let Ok(d) = &described {
        assert!(!d.machine.memory.is_empty() && !d.machine.topology.is_empty());
        assert!(d.machine.memory.windows(2).all(|pair| pair[0].end < pair[1].start));
    }
    let quarantine = [Range::new(0x4600_0000, 0x4620_0000)];
    let handover = Some(HANDOVER);
    let changes =
        Changes { bootargs: b"a=b", handover, quarantine: &quarantine, ..Changes::default() };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let edited = next_tree(tree, &changes, &mut first);
    if edited.is_ok() {
        assert_eq!(next_tree(&first, &changes, &mut second), Ok(first.len()));
        assert_eq!(first, second);
    }
    (described.is_ok(), edited.is_ok() || is_refused_with_a_warning(&described, &edited))
}

/// A machine whose reservations can't be read boots, with a warning that says so; nothing can be added
/// to them for a next kernel, so a kexec there is refused.
fn is_refused_with_a_warning(
    described: &Result<Described, PlatformError>,
    edited: &Result<usize, EditError>,
) -> bool {
    let Ok(Described { warnings, .. }) = described else { return false };
    let said = || warnings.iter().any(|warning| warning.contains("reserved-memory"));
    *edited == Err(EditError::Cells) && said()
}

#[test]
fn reservations_of_another_form_are_warned_of_and_refused() {
    // With a reservation in it the machine would not boot.
    let cells = "#address-cells = <2>; #size-cells = <3>; ranges;";
    let tree = changed("", &format!("/ {{ reserved-memory {{ {cells} }}; }};"));
    let changes = Changes { handover: Some(HANDOVER), ..Changes::default() };
    let edited = next_tree(&tree, &changes, &mut Vec::new());
    let described = platform::describe(&tree, Mpidr::from_register(0));
    assert!(is_refused_with_a_warning(&described, &edited), "{described:?} {edited:?}");
}

/// Where a byte is overwritten, as a fraction of the tree, and with what. Small values make
/// tokens, lengths and offsets that are nearly right.
fn overwrite() -> impl Strategy<Value = (prop::sample::Index, u8)> {
    let value = prop_oneof![any::<u8>(), 0u8..16, Just(0xff)];
    (any::<prop::sample::Index>(), value)
}

/// Where the bytes of property values are: changing those leaves the form of the tree intact and
/// so gets to the logic behind the check.
fn value_bytes(tree: &[u8]) -> Vec<usize> {
    let parsed = fdt::Tree::read(tree).unwrap();
    let values = parsed.nodes().flat_map(|node| node.properties()).map(|(_, value)| value);
    let start = tree.as_ptr().addr();
    values.flat_map(|v| v.as_ptr().addr() - start..v.as_ptr().addr() - start + v.len()).collect()
}

/// What became of mutated trees.
#[derive(Default, Debug)]
struct Outcomes {
    refused: usize,
    only_edited: usize,
    both: usize,
}

/// As many as for a property: `PROPTEST_CASES`, if that is set.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6000)
}

/// Runs `cases` mutations; `anywhere` or in property values alone.
fn mutate(cases: u32, anywhere: bool) -> Outcomes {
    let seeds: Vec<_> = seeds().into_iter().map(|t| (value_bytes(&t), t)).collect();
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    let cut = prop::option::weighted(0.1, any::<prop::sample::Index>());
    let overwrites = prop::collection::vec(overwrite(), 1..9);
    let strategy = (any::<prop::sample::Index>(), overwrites, cut);
    let outcomes = std::cell::RefCell::new(Outcomes::default());
    let run = TestRunner::new(config).run(&strategy, |(seed, overwrites, cut)| {
        let (values, mut tree) = seed.get(&seeds).clone();
        for (at, value) in overwrites {
            let at = if anywhere { at.index(tree.len()) } else { *at.get(&values) };
            tree[at] = value;
        }
        cut.filter(|_| anywhere).iter().for_each(|at| tree.truncate(at.index(tree.len())));
        let mut outcomes = outcomes.borrow_mut();
        match exercise(&tree) {
            (true, true) => outcomes.both += 1,
            (false, true) => outcomes.only_edited += 1,
            (false, false) => outcomes.refused += 1,
            (true, false) => prop_assert!(false, "described, but cannot be edited"),
        }
        Ok(())
    });
    run.unwrap();
    outcomes.into_inner()
}

#[test]
fn mutations_anywhere_never_panic() {
    let outcomes = mutate(cases(), true);
    assert!(outcomes.refused > 1000 && outcomes.both > 100, "{outcomes:?}");
}

#[test]
fn mutations_of_values_never_panic() {
    let outcomes = mutate(cases(), false);
    assert!(outcomes.only_edited > 500 && outcomes.both > 500, "{outcomes:?}");
}

#[test]
fn no_single_byte_of_a_tree_can_cause_a_panic() {
    let tree = fdt::compact(&dtb("odd-reserved")).unwrap();
    for at in 0..tree.len() {
        for value in [0, 1, 2, 3, 4, 9, 0x7f, 0x80, 0xff] {
            let mut broken = tree.clone();
            broken[at] = value;
            exercise(&broken);
        }
    }
}
