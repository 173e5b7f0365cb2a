//! `/chosen` of the next kernel's tree.

use alloc::string::String;
use alloc::vec::Vec;

use dtoolkit::model::{DeviceTree, DeviceTreeNode};
use dtoolkit::{Node as _, Property as _};

use super::{Changes, EditError, child_or_new, not_empty, number, set};
use crate::fdt::{Node, Properties as _, Tree, describes_machine};
use crate::memory::Range;

/// Property of `/chosen` with address and size of what this kernel hands to the next one.
pub const HANDOVER: &str = "baton,handover";

/// Property of `/chosen` with what a run has measured.
const RESULTS: &str = crate::results::PROPERTY;

/// Properties of `/chosen` that describe the boot of the kernel that runs and no other.
/// `linux,usable-memory-range` is none of them: what it forbids is somebody else's for the next
/// kernel too.
const STALE: &[&str] = &[
    "bootargs",
    "linux,initrd-start",
    "linux,initrd-end",
    "linux,elfcorehdr",
    "linux,ima-kexec-buffer",
    "kaslr-seed",
    "rng-seed",
    HANDOVER,
    RESULTS,
];

/// As [`STALE`], for whole families of names (kexec handover of Linux).
const STALE_PREFIX: &str = "linux,kho-";

/// Property of `/chosen` that says where UEFI's system table is.
const SYSTEM_TABLE: &str = "linux,uefi-system-table";

/// Property of `/chosen` that says where UEFI's memory map is. A system table alone says nothing of the
/// machine.
const MAP: &str = "linux,uefi-mmap-start";

/// Property of `/chosen` without which the kernels of Debian and Ubuntu do not find UEFI, and what it
/// says when nothing is known: there is no Secure Boot.
const SECURE_BOOT: &str = "linux,uefi-secure-boot";
const DISABLED: u32 = 2;

/// True if the machine is described by the tables of firmware to which `/chosen` points.
pub(super) fn is_all(tree: &Tree<'_>) -> bool {
    let has_tables = |chosen: Node<'_>| [SYSTEM_TABLE, MAP].iter().all(|name| chosen.has(name));
    tree.find("/chosen").is_some_and(has_tables) && !describes_machine(tree)
}

/// Where the tree says that what was handed to this kernel is.
pub(super) fn old_handover(tree: &DeviceTree) -> Option<Range> {
    let property = tree.root.child("chosen")?.property(HANDOVER)?;
    let (start, size) = property.value().split_first_chunk::<8>()?;
    Range::sized(u64::from_be_bytes(*start), u64::from_be_bytes(size.try_into().ok()?))
}

/// Where the tree says that the initrd of the running kernel was.
pub(super) fn old_initrd(tree: &DeviceTree) -> Option<Range> {
    let chosen = tree.root.child("chosen")?;
    let number = |name| chosen.property(name).and_then(|p| number(p.value()));
    Some(Range::new(number("linux,initrd-start")?, number("linux,initrd-end")?))
}

/// Takes out what only described this boot and puts in what describes the next.
pub(super) fn rebuild(root: &mut DeviceTreeNode, changes: &Changes<'_>) -> Result<(), EditError> {
    let chosen = child_or_new(root, "chosen");
    let stale: Vec<String> =
        chosen.properties().map(|p| p.name().into()).filter(is_stale).collect();
    for name in &stale {
        chosen.remove_property(name);
    }
    // Before what every edit writes anew: an edit of an edited tree is the same tree.
    if chosen.property(SYSTEM_TABLE).is_some() && chosen.property(SECURE_BOOT).is_none() {
        set(chosen, SECURE_BOOT, DISABLED);
    }
    if !changes.bootargs.is_empty() {
        set(chosen, "bootargs", [changes.bootargs, b"\0"].concat());
    }
    if let Some(initrd) = changes.initrd {
        not_empty("an initrd", &initrd)?;
        set(chosen, "linux,initrd-start", initrd.start);
        set(chosen, "linux,initrd-end", initrd.end);
    }
    if let Some(handover) = changes.handover {
        not_empty("a handover", &handover)?;
        set(chosen, HANDOVER, pair(handover.start, handover.size()));
    }
    if let Some(results) = changes.results {
        set(chosen, RESULTS, results.to_vec());
    }
    if let Some(seed) = changes.rng_seed {
        set(chosen, "rng-seed", seed.to_vec());
    }
    if let Some(seed) = changes.kaslr_seed {
        set(chosen, "kaslr-seed", seed);
    }
    Ok(())
}

// Filters take references.
#[expect(clippy::ptr_arg)]
fn is_stale(name: &String) -> bool {
    STALE.contains(&name.as_str()) || name.starts_with(STALE_PREFIX)
}

fn pair(first: u64, second: u64) -> Vec<u8> {
    [first.to_be_bytes(), second.to_be_bytes()].concat()
}
