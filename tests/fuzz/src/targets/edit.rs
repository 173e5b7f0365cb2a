//! Device trees: editing them for the next kernel.

use std::collections::BTreeMap;

use baton::config::{MAX_DTB, PAGE};
use baton::cpu::{CpuMask, Mpidr};
use baton::fdt::edit::{Changes, EditError, HANDOVER, QUARANTINE, next_tree};
use baton::fdt::{Node, Properties, Tree, Window, reg, regions};
use baton::interrupt::Interrupt;
use baton::memory::{Range, join};
use baton::platform::{self, Described};

use super::{check_message, fdt::check_description};

/// Any tree, with no changes and with all of them.
pub fn edit(dtb: &[u8]) -> bool {
    let quarantine = [Range::new(0x4600_0000, 0x4620_0000), Range::new(0x4200_0000, 0x4200_1000)];
    let all = Changes {
        bootargs: b"loglevel=3 run=\"a; b\" caf\xe9",
        initrd: Some(Range::new(0x4800_0000, 0x4800_1234)),
        handover: Some(Range::new(0x4500_0000, 0x4510_0000)),
        results: Some(b"batonres"),
        rng_seed: Some([7; 32]),
        kaslr_seed: Some(0x1234_5678_9abc_def0),
        quarantine: &quarantine,
        old_tree: Some(Range::new(0x4400_0000, 0x4401_0000)),
    };
    [Changes::default(), all].iter().map(|changes| edited(dtb, changes)).max() == Some(true)
}

fn edited(dtb: &[u8], changes: &Changes<'_>) -> bool {
    let mut out = vec![1, 2, 3];
    match next_tree(dtb, changes, &mut out) {
        Ok(size) => {
            assert!(size == out.len() && size <= MAX_DTB);
            check(dtb, &out, changes);
            true
        }
        Err(error) => {
            assert_eq!(out, [1, 2, 3], "a refused edit leaves the output as it was");
            let readable = Tree::read(dtb);
            assert_eq!(readable.is_err(), matches!(error, EditError::Current(_)));
            check_message(error);
            false
        }
    }
}

fn check(before: &[u8], after: &[u8], changes: &Changes<'_>) {
    let old = Tree::read(before).expect("what was edited can be read");
    let new = Tree::read(after).expect("an edited tree can be read");
    check_chosen(&new, changes);
    check_reservations(&new, changes);
    check_rest(&old, &new, changes);
    check_machine(before, after);
    let mut again = Vec::new();
    assert_eq!(next_tree(after, changes, &mut again), Ok(after.len()));
    assert_eq!(again, after, "the same edit again changes nothing");
}

fn check_chosen(tree: &Tree<'_>, changes: &Changes<'_>) {
    let chosen = tree.find("/chosen").expect("there is a chosen node");
    let asked = Some([changes.bootargs, b"\0"].concat()).filter(|text| text.len() > 1);
    assert_eq!(chosen.property("bootargs"), asked.as_deref());
    assert_eq!(chosen.number("linux,initrd-start"), changes.initrd.map(|r| r.start));
    assert_eq!(chosen.number("linux,initrd-end"), changes.initrd.map(|r| r.end));
    assert_eq!(chosen.property("rng-seed"), changes.rng_seed.as_ref().map(|seed| &seed[..]));
    assert_eq!(chosen.number("kaslr-seed"), changes.kaslr_seed);
    assert_eq!(chosen.has(HANDOVER), changes.handover.is_some());
    let stale = |name: &str| name == "linux,elfcorehdr" || name.starts_with("linux,kho-");
    assert!(!chosen.properties().any(|(name, _)| stale(name)));
}

fn check_reservations(tree: &Tree<'_>, changes: &Changes<'_>) {
    let nodes = tree.find("/reserved-memory").into_iter().flat_map(Node::children);
    let ours: Vec<Node<'_>> = nodes.filter(|node| node.base_name().starts_with("baton-")).collect();
    let wanted = changes.quarantine.iter().chain(&changes.handover);
    assert_eq!(ours.len(), wanted.clone().count());
    let quarantined = ours.iter().filter(|node| node.base_name() == QUARANTINE);
    assert_eq!(quarantined.count(), changes.quarantine.len());
    // `/reserved-memory` may map its addresses elsewhere; that is for whoever wrote it so.
    let found: Vec<Range> = ours.iter().flat_map(|n| regions(*n)).flatten().flatten().collect();
    let plain = tree.find("/reserved-memory").is_some_and(|n| n.property("ranges") == Some(&[]));
    assert!(!plain || wanted.clone().all(|range| found.contains(range)), "{found:x?}");
}

/// Everything that is not ours to change is there as before, in the same order. Of properties of
/// one name the first stays; nodes of one name get numbers. What was reserved for the old initrd and
/// the old tree alone goes.
fn check_rest(old: &Tree<'_>, new: &Tree<'_>, changes: &Changes<'_>) {
    let made = |path: &str| path == "/reserved-memory" && old.find(path).is_none();
    let after: Vec<_> = kept(new, &[]).into_iter().filter(|(path, _)| !made(path)).collect();
    let chosen = old.find("/chosen");
    let number = |name| chosen.and_then(|node| node.number(name));
    let initrd = number("linux,initrd-start").zip(number("linux,initrd-end"));
    let initrd = initrd.map(|(start, end)| Range::new(start, end)).filter(|r| !r.is_empty());
    let gone = initrd.into_iter().chain(changes.old_tree);
    let gone: Vec<Range> = gone.filter_map(|range| range.grow_to(PAGE)).collect();
    let before = kept(old, &join(gone));
    assert_eq!(after.len(), before.len());
    for ((old_path, old), (new_path, new)) in before.iter().zip(&after) {
        assert!(old_path == new_path || new_path.contains('#'), "{old_path} is {new_path}");
        assert_eq!(old, new, "{old_path}");
    }
}

/// True if a reservation says no more than that it is in these ranges.
fn reserves_only(node: Node<'_>, gone: &[Range]) -> bool {
    let bare = node.children().next().is_none() && node.properties().all(|(name, _)| name == "reg");
    let inside = |w: Window| {
        let range = Range::sized(w.address, w.size).filter(|range| !range.is_empty());
        range.is_some_and(|range| gone.iter().any(|gone| gone.covers(&range)))
    };
    let mut windows = reg(node).into_iter().flatten().peekable();
    bare && windows.peek().is_some() && windows.all(inside)
}

/// Path and properties of each node, but `/chosen`, our reservations, and those for `gone`.
fn kept<'t>(tree: &'t Tree<'_>, gone: &[Range]) -> Vec<(String, BTreeMap<&'t str, &'t [u8]>)> {
    let (chosen, reserved) = (tree.find("/chosen"), tree.find("/reserved-memory"));
    let ours = |node: &Node<'_>| {
        Some(*node) == chosen
            || (reserved.is_some()
                && node.parent() == reserved
                && (node.base_name().starts_with("baton-") || reserves_only(*node, gone)))
    };
    let properties = |node: Node<'t>| {
        let mut first = BTreeMap::new();
        for (name, value) in node.properties() {
            first.entry(name).or_insert(value);
        }
        first
    };
    let nodes = tree.nodes().filter(|node| !ours(node));
    nodes.map(|node| (node.path(), properties(node))).collect()
}

/// The next kernel finds the same machine.
fn check_machine(before: &[u8], after: &[u8]) {
    let boot = Mpidr::from_register(0);
    let Ok(old) = platform::describe(before, boot) else { return };
    let new = platform::describe(after, boot).expect("an edited tree describes a machine");
    check_description(&new, boot);
    assert_eq!(new.machine.memory, old.machine.memory);
    assert!(
        new.machine.topology.cpus().map(|c| new.machine.topology.mpidr(c)).eq(old
            .machine
            .topology
            .cpus()
            .map(|c| old.machine.topology.mpidr(c)))
    );
    assert_eq!(parts(&new), parts(&old));
    assert_eq!(
        (new.machine.gic, new.machine.timer, new.machine.psci),
        (old.machine.gic, old.machine.timer, old.machine.psci)
    );
}

/// Interrupts with the clusters and the devices that they are of, without their names, which get a
/// number if two have the same.
fn parts(d: &Described) -> Vec<(Interrupt, Option<CpuMask>, Option<Range>)> {
    let clusters =
        d.machine.clusters.iter().map(|cluster| (cluster.interrupt, Some(cluster.cpus), None));
    let devices =
        d.machine.rtc.iter().chain(&d.machine.virtio).map(|d| (d.interrupt, None, Some(d.base)));
    clusters.chain(devices).collect()
}
