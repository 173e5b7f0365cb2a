//! The generic timer's interrupts (Linux
//! `Documentation/devicetree/bindings/timer/arm,arch_timer.yaml`).

use alloc::format;
use alloc::vec::Vec;

use super::super::{PlatformError, Timer, Warnings, warn};
use super::interrupts::interrupts;
use super::roles::Roles;
use crate::fdt::{Node, Properties};
use crate::interrupt::Interrupt;

/// Names in `interrupt-names`, in the order of the interrupts where the property is missing.
const NAMES: [&str; 5] = ["sec-phys", "phys", "virt", "hyp-phys", "hyp-virt"];

/// Properties of counters that may be read wrong.
const ERRATA: [&str; 3] =
    ["allwinner,erratum-unknown1", "fsl,erratum-a008585", "hisilicon,erratum-161010101"];

pub(super) fn timer(
    roles: &Roles<'_>,
    gic: Node<'_>,
    warnings: &mut Warnings,
) -> Result<Timer, PlatformError> {
    let node = roles.timer.ok_or(PlatformError::NoTimer)?;
    let all: Vec<_> = interrupts(node, gic).collect();
    let of = |name| position(node, name).and_then(|at| *all.get(at)?).filter(|i| is_private(*i));
    let needed = |name, interrupt| {
        of(name).ok_or_else(|| PlatformError::Timer { node: node.path(), interrupt })
    };
    let hypervisor_ppi = of("hyp-phys");
    // Xen's guests have no EL2, and their trees end the list before this timer.
    let listed = position(node, "hyp-phys").is_some_and(|at| at < all.len());
    if listed && hypervisor_ppi.is_none() {
        warn(warnings, &node.path(), "no hypervisor timer interrupt");
    }
    for erratum in ERRATA.into_iter().filter(|name| node.has(name)) {
        warn(warnings, &node.path(), format!("{erratum}: not worked around, times may be wrong"));
    }
    Ok(Timer {
        virtual_ppi: needed("virt", "virtual")?,
        physical_ppi: needed("phys", "physical")?,
        hypervisor_ppi,
    })
}

/// Where in the list the interrupt of that name is.
fn position(node: Node<'_>, name: &str) -> Option<usize> {
    if node.has("interrupt-names") {
        node.strings("interrupt-names").position(|n| n == name)
    } else {
        NAMES.iter().position(|n| *n == name)
    }
}

/// True for interrupts that each CPU has for itself. Extended ones (1056 to 1119) have registers of
/// their own, which no driver here knows.
fn is_private(interrupt: Interrupt) -> bool {
    (16..32).contains(&interrupt.intid)
}
