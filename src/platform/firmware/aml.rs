//! The devices of a table of AML code (ACPI specification 6.5, chapters 19 and 20), read without
//! running it.
//!
//! What is read: scopes, devices, names with a constant, and methods that do no more than return a
//! constant. What has a length is skipped; what has none that is known here ends the package that it
//! is in, and reading goes on behind that package. A device whose names are computed is not seen.

mod code;
mod resources;
mod value;
mod walk;

use alloc::string::String;

pub use resources::{Resources, resources};
pub use value::Value;
pub use walk::Devices;

/// A device, as far as it is written down.
#[derive(Clone, Debug, Default)]
pub struct Device<'t> {
    /// Its full path.
    pub path: String,
    /// What it is.
    pub hid: Option<Value<'t>>,
    /// What it is compatible with; of a list, the first.
    pub cid: Option<Value<'t>>,
    /// Its number among those of its kind.
    pub uid: Option<Value<'t>>,
    /// Whether it is there.
    pub sta: Option<Value<'t>>,
    /// Its registers and interrupts.
    pub crs: Option<&'t [u8]>,
}

/// The bit of _STA for a device that is there.
const PRESENT: u64 = 1;

impl Device<'_> {
    /// True for a device of this kind.
    pub fn is(&self, id: &str) -> bool {
        let is = |value: &Option<Value<'_>>| value.as_ref().is_some_and(|value| value.is_id(id));
        is(&self.hid) || is(&self.cid)
    }

    /// True unless _STA says that the device is not there. A device whose _STA is computed counts as
    /// absent.
    pub fn is_present(&self) -> bool {
        match self.sta {
            None => true,
            Some(Value::Number(bits)) => bits & PRESENT != 0,
            Some(_) => false,
        }
    }

    /// The path of the device or scope that it is in.
    pub fn parent(&self) -> &str {
        self.path.rsplit_once('.').map_or("\\", |(parent, _)| parent)
    }
}
