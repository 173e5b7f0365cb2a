//! How firmware starts and stops CPUs (Linux `Documentation/devicetree/bindings/arm/psci.yaml`).

use super::super::{Conduit, PlatformError, Psci, PsciVersion};
use super::roles::Roles;
use crate::fdt::{Node, Properties};

pub(super) fn psci(roles: &Roles<'_>) -> Result<Psci, PlatformError> {
    let node = roles.psci.ok_or(PlatformError::NoPsci)?;
    let conduit = match node.string("method") {
        Some("hvc") => Conduit::Hvc,
        Some("smc") => Conduit::Smc,
        _ => return Err(PlatformError::PsciMethod(node.path())),
    };
    Ok(Psci { conduit, version: version(node)? })
}

fn version(node: Node<'_>) -> Result<PsciVersion, PlatformError> {
    if node.is_compatible(&[b"arm,psci-1.0"]) {
        Ok(PsciVersion::V1_0)
    } else if node.is_compatible(&[b"arm,psci-0.2"]) {
        Ok(PsciVersion::V0_2)
    } else {
        Err(PlatformError::PsciTooOld(node.path()))
    }
}
