//! QEMU's gdbstub as a way to change a byte of the guest's physical memory behind its back.

use anyhow::Result;
use baton_qemu::gdb::{Place, Stub};

use crate::check::same;
use crate::vm::Setup;

/// The stub of a machine.
pub struct Gdb(Place);

impl Gdb {
    /// Gives a machine a stub.
    pub fn with(setup: Setup) -> Result<(Setup, Self)> {
        let place = Place::free()?;
        let [option, device] = place.arguments();
        Ok((setup.qemu(&[&option, &device]), Self(place)))
    }

    /// Flips a bit in the byte at this physical address. The machine stands still meanwhile.
    pub fn flip(&self, at: u64) -> Result<()> {
        let mut stub = Stub::open(self.0)?;
        let old = stub.byte(at)?;
        stub.ok(&format!("M{at:x},1:{:02x}", old ^ 0x10))?;
        same("the byte", stub.byte(at)?, old ^ 0x10)?;
        stub.ok("D")
    }
}
