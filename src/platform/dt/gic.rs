//! Where the interrupt controller is (Linux
//! `Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml` and `arm,gic-v3.yaml`).

use alloc::format;
use alloc::string::ToString;

use super::super::{Frames, Gic, PlatformError, Warnings, warn};
use super::roles::{Roles, is_gic_name, is_gic_v3_name};
use crate::fdt::{AddressError, Node, Properties, region};
use crate::memory::Range;

/// The controller's node and its registers.
pub(super) fn gic<'t>(
    roles: &Roles<'t>,
    warnings: &mut Warnings,
) -> Result<(Node<'t>, Gic), PlatformError> {
    let node = roles.gic.ok_or(PlatformError::NoGic)?;
    let read = read(node);
    let (gic, left_out) = read.map_err(|why| PlatformError::Gic { node: node.path(), why })?;
    if let Some((index, why)) = left_out {
        let why = why.map_or("there are too many".into(), |why| why.to_string());
        let what = format!("redistributor region {index} and all after it: {why}");
        warn(warnings, &node.path(), format!("left out: {what}"));
    }
    Ok((node, gic))
}

/// True for a controller that has a driver. A controller says that it is one, and without that Linux
/// takes no notice of it either (`of_irq_init`). One with `cpu-offset` has its registers apart for each
/// CPU, which no driver here knows.
pub fn is_gic<'t>(node: impl Properties<'t>) -> bool {
    node.has("interrupt-controller")
        && node.texts("compatible").any(is_gic_name)
        && node.is_available()
        && !node.has("cpu-offset")
}

/// True if the interrupts that come to this controller go on to another one, so that it is not the
/// one of the CPUs. The interrupt that the CPUs' own controller raises itself, for a hypervisor,
/// comes back to that controller.
pub fn is_secondary<'t>(node: impl Properties<'t>) -> bool {
    let parent = match node.property("interrupts-extended") {
        Some(list) => list.first_chunk::<4>().map(|first| u32::from_be_bytes(*first)),
        None if node.has("interrupts") => node.upwards().find_map(|n| n.u32("interrupt-parent")),
        None => None,
    };
    parent.is_some_and(|parent| node.u32("phandle") != Some(parent))
}

/// The number of the first region of frames that is left out, with all regions after that one; and
/// what is wrong there, unless there are too many.
pub type LeftOut = Option<(usize, Option<AddressError>)>;

/// The controller's registers.
pub fn read<'t>(node: impl Properties<'t>) -> Result<(Gic, LeftOut), AddressError> {
    if node.texts("compatible").any(is_gic_v3_name) {
        v3(node)
    } else {
        v2(node).map(|gic| (gic, None))
    }
}

fn v2<'t>(node: impl Properties<'t>) -> Result<Gic, AddressError> {
    Ok(Gic::V2 { distributor: registers(node, 0)?, cpu_interface: registers(node, 1)? })
}

fn v3<'t>(node: impl Properties<'t>) -> Result<(Gic, LeftOut), AddressError> {
    let distributor = registers(node, 0)?;
    let wanted = node.u32("#redistributor-regions").unwrap_or(1).max(1) as usize;
    let mut redistributors = heapless::Vec::new();
    let _ = redistributors.push(registers(node, 1)?); // there is room for one
    let mut left_out = None;
    for index in 2..=wanted {
        let region = registers(node, index).map_err(Some);
        if let Err(why) = region.and_then(|range| redistributors.push(range).map_err(|_| None)) {
            left_out = Some((index, why));
            break;
        }
    }
    let stride = node.number("redistributor-stride").filter(|&stride| stride != 0);
    Ok((Gic::V3 { distributor, redistributors, stride, frames: Frames::UpToLast }, left_out))
}

fn registers<'t>(node: impl Properties<'t>, index: usize) -> Result<Range, AddressError> {
    region(node, index).and_then(|r| if r.is_empty() { Err(AddressError::NoReg) } else { Ok(r) })
}
