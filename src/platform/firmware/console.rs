//! The console of a machine that has firmware's tables.

use alloc::format;

use super::aml::Devices;
use super::devices;
use super::serial::{self, Kind, Port};
use super::tables::Tables;
use crate::interrupt::Interrupt;
use crate::platform::shared::is_shared;
use crate::platform::{Console, Warnings, warn};

/// The first port that has a driver. A port that has none costs a warning.
pub fn console(
    tables: &Tables<'_>,
    devices: &Devices<'_>,
    warnings: &mut Warnings,
) -> Option<Console> {
    for port in serial::ports(tables) {
        let port = match port {
            Ok(port) => port,
            Err(why) => {
                warn(warnings, "console", why);
                continue;
            }
        };
        match of_port(&port, devices, warnings) {
            Some(console) => return Some(console),
            None => {
                let what = format!("{} at {:#x} is not used: no driver", port.kind, port.base);
                warn(warnings, port.table, what);
            }
        }
    }
    let (base, uart) = devices::uart(devices)?;
    of_port(&Port { table: "DSDT", base, kind: Kind::Driven(uart), gsiv: None }, devices, warnings)
}

/// The console at a port. An interrupt that only the device's own description has is taken from
/// there.
fn of_port(port: &Port, devices: &Devices<'_>, warnings: &mut Warnings) -> Option<Console> {
    let Kind::Driven(uart) = port.kind else { return None };
    let base = port.registers()?;
    let said = port.gsiv.map(Interrupt::level);
    let interrupt = said.or_else(|| devices::interrupt_at(devices, base.start));
    let interrupt = interrupt.filter(|interrupt| is_shared(*interrupt));
    if interrupt.is_none() {
        warn(warnings, port.table, "no usable interrupt, the console is polled");
    }
    Some(Console { base, interrupt, uart })
}
