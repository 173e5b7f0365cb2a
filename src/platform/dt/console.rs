//! The console's UART: the one that `/chosen` names, or else the first that has a driver.

use alloc::format;
use alloc::string::String;

use super::super::shared::is_shared;
use super::super::{Console, Uart, Warnings, warn};
use super::device::registers;
use super::interrupts::interrupts;
use super::roles::{PL011, Roles, SBSA};
use crate::fdt::{Node, Properties, Tree, region};
use crate::memory::Range;

/// Bytes of registers up to UARTDMACR (Arm DDI 0183, table 3-1).
pub const UART_BYTES: u64 = 0x4c;

pub(super) fn console<'t>(
    tree: &'t Tree<'t>,
    roles: &Roles<'t>,
    gic: Node<'_>,
    warnings: &mut Warnings,
) -> Option<Console> {
    let wanted = stdout(tree).and_then(|path| match named(tree, path) {
        Ok(node) => Some(node),
        Err(why) => {
            warn(warnings, "/chosen", format!("stdout-path not used: {why}"));
            None
        }
    });
    let node = wanted.or(roles.uart)?;
    let base = match registers(node, UART_BYTES) {
        Ok(base) => base,
        Err(why) => {
            warn(warnings, &node.path(), format!("no console: {why}"));
            return None;
        }
    };
    let interrupt = interrupts(node, gic).next().flatten().filter(|i| is_shared(*i));
    if interrupt.is_none() {
        warn(warnings, &node.path(), "no usable interrupt, the console is polled");
    }
    Some(Console { base, interrupt, uart: uart(node)? })
}

/// What `/chosen` names, without the options after the colon.
fn stdout<'t>(tree: &'t Tree<'t>) -> Option<&'t str> {
    let chosen = tree.find("/chosen")?;
    let path = chosen.string("stdout-path").or_else(|| chosen.string("linux,stdout-path"))?;
    path.split(':').next()
}

fn named<'t>(tree: &'t Tree<'t>, path: &str) -> Result<Node<'t>, String> {
    let node = resolve(tree, path).ok_or_else(|| format!("there is no {path}"))?;
    if !node.is_available() {
        return Err(format!("{} is disabled", node.path()));
    }
    match uart(node) {
        Some(_) => Ok(node),
        None => Err(format!("{} has no driver", node.path())),
    }
}

/// A full path, or an alias followed by more path.
fn resolve<'t>(tree: &'t Tree<'t>, path: &str) -> Option<Node<'t>> {
    if path.starts_with('/') {
        return tree.find(path);
    }
    let (alias, rest) = path.split_once('/').unwrap_or((path, ""));
    let node = tree.find(tree.find("/aliases")?.string(alias)?)?;
    let parts = rest.split('/').filter(|part| !part.is_empty());
    parts.into_iter().try_fold(node, |node, part| node.child(part))
}

/// The registers of a UART that has a driver; not checked against RAM.
pub fn uart_base<'t>(node: impl Properties<'t>) -> Option<Range> {
    Some(node).filter(|node| is_uart(*node))?;
    region(node, 0).ok().filter(|base| base.size() >= UART_BYTES)
}

/// True for a UART that has a driver.
pub fn is_uart<'t>(node: impl Properties<'t>) -> bool {
    node.is_available() && uart(node).is_some()
}

fn uart<'t>(node: impl Properties<'t>) -> Option<Uart> {
    if node.is_compatible(PL011) {
        Some(Uart::Pl011)
    } else {
        node.is_compatible(SBSA).then_some(Uart::Sbsa)
    }
}
