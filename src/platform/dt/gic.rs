//! Where the interrupt controller is (Linux
//! `Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml` and `arm,gic-v3.yaml`).

use alloc::format;
use alloc::vec::Vec;

use super::super::{Gic, PlatformError, Warnings, warn};
use super::roles::{GIC_V3, Roles};
use crate::fdt::{AddressError, Node, region};
use crate::memory::Range;

/// The controller's node and its registers.
pub(super) fn gic<'t>(
    roles: &Roles<'t>,
    warnings: &mut Warnings,
) -> Result<(Node<'t>, Gic), PlatformError> {
    let node = roles.gic.ok_or(PlatformError::NoGic)?;
    let gic = if node.is_compatible(GIC_V3) { v3(node, warnings) } else { v2(node) };
    let gic = gic.map_err(|why| PlatformError::Gic { node: node.path(), why })?;
    Ok((node, gic))
}

fn v2(node: Node<'_>) -> Result<Gic, AddressError> {
    Ok(Gic::V2 { distributor: registers(node, 0)?, cpu_interface: registers(node, 1)? })
}

fn v3(node: Node<'_>, warnings: &mut Warnings) -> Result<Gic, AddressError> {
    let distributor = registers(node, 0)?;
    let wanted = node.u32("#redistributor-regions").unwrap_or(1).max(1) as usize;
    let mut redistributors = Vec::from([registers(node, 1)?]);
    for index in 2..=wanted {
        match registers(node, index) {
            Ok(range) => redistributors.push(range),
            Err(why) => {
                let what = format!("redistributor region {index} and all after it: {why}");
                warn(warnings, &node.path(), format!("left out: {what}"));
                break;
            }
        }
    }
    let stride = node.number("redistributor-stride").filter(|&stride| stride != 0);
    Ok(Gic::V3 { distributor, redistributors, stride })
}

fn registers(node: Node<'_>, index: usize) -> Result<Range, AddressError> {
    region(node, index).and_then(|r| if r.is_empty() { Err(AddressError::NoReg) } else { Ok(r) })
}
