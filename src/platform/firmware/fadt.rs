//! The fixed description (ACPI specification 6.5, 5.2.9): how firmware is called, and where the
//! devices are described. What Linux refuses here is refused.

use super::FirmwareError;
use super::read;
use super::tables::{FADT, Tables};
use crate::platform::{Conduit, Psci, PsciVersion};

/// Flag: hardware of the reduced profile.
const REDUCED: u32 = 1 << 20;

/// Flags of Arm: there is PSCI; by HVC, not by SMC.
const PSCI: u16 = 1;
const HVC: u16 = 2;

/// What of it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fadt {
    /// How firmware starts and stops CPUs. The flag promises PSCI 0.2; PSCI_VERSION tells what is
    /// there.
    pub psci: Psci,
    /// Where the DSDT is; 0 if there is none.
    pub dsdt: u64,
}

/// Reads the table.
///
/// # Errors
/// [`FirmwareError`] if it is not there, is too old, or has no PSCI.
pub fn fadt(tables: &Tables<'_>) -> Result<Fadt, FirmwareError> {
    let table = tables.need(FADT)?;
    let (major, minor) = (table.revision(), table.field(read::u8, 131)? & 0xf);
    if (major, minor) < (5, 1) {
        return Err(FirmwareError::TooOld { major, minor });
    }
    if table.field(read::u32, 112)? & REDUCED == 0 {
        return Err(FirmwareError::NotReduced);
    }
    let flags = table.field(read::u16, 129)?;
    if flags & PSCI == 0 {
        return Err(FirmwareError::NoPsci);
    }
    let conduit = if flags & HVC == 0 { Conduit::Smc } else { Conduit::Hvc };
    let wide = read::u64(table.bytes, 140).filter(|&at| at != 0);
    let narrow = read::u32(table.bytes, 40).map(u64::from);
    let psci = Psci { conduit, version: PsciVersion::V0_2 };
    Ok(Fadt { psci, dsdt: wide.or(narrow).unwrap_or(0) })
}
