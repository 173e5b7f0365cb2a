//! The walk over the terms of a table (ACPI specification 6.5, 20.2.5).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::code::Code;
use super::{Device, Value};
use crate::platform::firmware::tables::{HEADER, Table};

/// How deep devices and scopes lie in each other.
const MAX_DEPTH: usize = 24;

/// Devices of all tables: many times what a machine has.
const MAX_DEVICES: usize = 16 << 10;

/// All devices of some tables.
#[derive(Default)]
pub struct Devices<'t> {
    /// In the order of the tables.
    pub all: Vec<Device<'t>>,
    /// Where in `all` the device at a path is.
    by_path: BTreeMap<String, usize>,
    /// Packages that could not be read to their end.
    pub unread: usize,
}

/// Where the walk is.
#[derive(Clone, Copy)]
struct Place<'s> {
    scope: &'s str,
    /// The device of that scope.
    device: Option<usize>,
    depth: usize,
}

impl<'t> Devices<'t> {
    /// Adds the devices of a table.
    pub fn add(&mut self, table: &Table<'t>) {
        let code = Code(&table.bytes[HEADER..]);
        self.package(code, Place { scope: "\\", device: None, depth: 0 });
    }

    /// The terms of a package, as far as they can be read.
    fn package(&mut self, mut code: Code<'t>, place: Place<'_>) {
        while !code.is_empty() {
            if place.depth > MAX_DEPTH || self.term(&mut code, place).is_none() {
                self.unread += 1;
                return;
            }
        }
    }

    /// One term. `None` if it is not known where it ends.
    fn term(&mut self, code: &mut Code<'t>, place: Place<'_>) -> Option<()> {
        match code.byte()? {
            0x06 => alias(code),
            0x08 => self.name(code, place),
            0x10 => self.scope(code.package()?, place),
            0x14 => self.method(code.package()?, place),
            0x15 => external(code),
            0xa0..=0xa2 => code.package().map(drop), // If, Else, While
            0x5b => self.extended(code, place),
            _ => None,
        }
    }

    /// A term of two bytes.
    fn extended(&mut self, code: &mut Code<'t>, place: Place<'_>) -> Option<()> {
        match code.byte()? {
            0x01 => code.path().and_then(|_| code.byte()).map(drop), // Mutex
            0x02 => code.path().map(drop),                           // Event
            0x80 => region(code),
            0x82 => self.device(code.package()?, place),
            0x81 | 0x83..=0x87 => code.package().map(drop), // fields, processors, power, thermal
            _ => None,
        }
    }

    fn name(&mut self, code: &mut Code<'t>, place: Place<'_>) -> Option<()> {
        let name = code.path()?;
        let value = Value::read(code)?;
        self.put(place, &name, value);
        Some(())
    }

    /// A method counts as a name if all that it does is to return a constant. One that does more
    /// still hides a constant of the same name.
    fn method(&mut self, mut code: Code<'t>, place: Place<'_>) -> Option<()> {
        let (name, flags) = (code.path()?, code.byte()?);
        let value = (flags & 7 == 0 && code.byte() == Some(0xa4)).then(|| Value::read(&mut code));
        let constant = value.flatten().filter(|_| code.is_empty());
        self.put(place, &name, constant.unwrap_or(Value::Other));
        Some(())
    }

    fn scope(&mut self, mut code: Code<'t>, place: Place<'_>) -> Option<()> {
        let scope = joined(place.scope, &code.path()?);
        let device = self.by_path.get(&scope).copied();
        self.package(code, Place { scope: &scope, device, depth: place.depth + 1 });
        Some(())
    }

    fn device(&mut self, mut code: Code<'t>, place: Place<'_>) -> Option<()> {
        let scope = joined(place.scope, &code.path()?);
        if self.all.len() >= MAX_DEVICES {
            return None;
        }
        let device = self.all.len();
        self.all.push(Device { path: scope.clone(), ..Device::default() });
        self.by_path.insert(scope.clone(), device);
        self.package(code, Place { scope: &scope, device: Some(device), depth: place.depth + 1 });
        Some(())
    }

    /// Gives the device whose package this is a value.
    fn put(&mut self, place: Place<'_>, name: &str, value: Value<'t>) {
        let Some(device) = place.device.and_then(|device| self.all.get_mut(device)) else { return };
        match name {
            "_HID" => device.hid = Some(value),
            "_CID" => device.cid = Some(value),
            "_UID" => device.uid = Some(value),
            "_STA" => device.sta = Some(value),
            "_CRS" => {
                device.crs = if let Value::Buffer(bytes) = value { Some(bytes) } else { None };
            }
            _ => {}
        }
    }
}

fn alias(code: &mut Code<'_>) -> Option<()> {
    code.path()?;
    code.path().map(drop)
}

/// Skips the declaration of a name of another table: the name, the type and the arguments.
fn external(code: &mut Code<'_>) -> Option<()> {
    code.path()?;
    code.take(2).map(drop)
}

/// A name, a space, and two numbers.
fn region(code: &mut Code<'_>) -> Option<()> {
    code.path()?;
    code.byte()?;
    Value::read(code)?;
    Value::read(code).map(drop)
}

/// A path that is seen from a scope.
fn joined(scope: &str, path: &str) -> String {
    if let Some(rest) = path.strip_prefix('\\') {
        return below("\\", rest);
    }
    let name = path.trim_start_matches('^');
    let mut scope = scope;
    for _ in 0..path.len() - name.len() {
        scope = scope.rsplit_once('.').map_or("\\", |(parent, _)| parent);
    }
    below(scope, name)
}

/// The root's path ends with its own sign.
fn below(scope: &str, name: &str) -> String {
    let dot = if scope == "\\" || name.is_empty() { "" } else { "." };
    [scope, dot, name].concat()
}
