//! `/chosen` of the next kernel's tree.

use alloc::string::String;
use alloc::vec::Vec;

use dtoolkit::model::{DeviceTree, DeviceTreeNode};
use dtoolkit::{Node as _, Property as _};

use super::{Changes, EditError, child_or_new, not_empty, number, set};
use crate::memory::Range;

/// Property of `/chosen` with address and size of what this kernel hands to the next one.
pub const HANDOVER: &str = "baton,handover";

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
];

/// As [`STALE`], for whole families of names (kexec handover of Linux).
const STALE_PREFIX: &str = "linux,kho-";

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
