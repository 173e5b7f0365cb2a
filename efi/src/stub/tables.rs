//! Configuration tables, variables and random numbers of firmware.

use core::{ptr, slice};

use baton_efi::tree::Seeds;
use baton_efi::{smbios, tree};
use r_efi::efi;
use r_efi::protocols::rng;

use super::guids::{DEVICE_TREE, GLOBAL, MEMRESERVE, RANDOM_SEED, SHIM, SMBIOS3};
use super::{Firmware, Pages, Refused};

/// Bytes of a seed.
const SEED: usize = 32;

/// The firmware's device tree, if it has one.
///
/// # Errors
/// What it says is one is none.
pub fn device_tree(firmware: &Firmware) -> Result<Option<&[u8]>, Refused> {
    let Some(at) = firmware.table(DEVICE_TREE) else { return Ok(None) };
    // SAFETY: firmware says that a tree lies there, and a tree says how long it is.
    let header = unsafe { slice::from_raw_parts(at, 8) };
    let bytes = tree::size(header)?;
    // SAFETY: as above.
    Ok(Some(unsafe { slice::from_raw_parts(at, bytes) }))
}

/// True if the runtime services have to be given virtual addresses.
pub fn needs_virtual_addresses(firmware: &Firmware) -> bool {
    let Some(at) = firmware.table(SMBIOS3) else { return false };
    // SAFETY: firmware says that an entry point of SMBIOS lies there, and that says where the
    // structures are and how long at most.
    unsafe {
        let entry = slice::from_raw_parts(at, smbios::ENTRY);
        smbios::structures(entry).is_some_and(|(at, bytes)| {
            smbios::needs_virtual_addresses(slice::from_raw_parts(at as *const u8, bytes))
        })
    }
}

/// Sees to it that there is a list for memory that is reserved for good: a Linux that follows cannot
/// install one. Pages that were installed stay.
///
/// # Errors
/// There is no memory for it, or no room among the tables.
pub fn reserve_list(firmware: &Firmware) -> Result<(), Refused> {
    if firmware.table(MEMRESERVE).is_some() {
        return Ok(());
    }
    // Loader data, as Linux has it: a kernel that adds to the list writes there.
    let mut list = firmware.pages("the list of reserved memory", 16, efi::LOADER_DATA)?;
    list.bytes()[..16].fill(0); // no capacity, no entries, nothing next
    install(firmware, MEMRESERVE, list)
}

/// Fresh numbers for this kernel; a part is left in a table for the ones that follow. `None` if the
/// firmware has none.
///
/// # Errors
/// There is no memory for the table, or no room among the tables.
pub fn seeds(firmware: &Firmware) -> Result<Option<Seeds>, Refused> {
    let Some(source) = firmware.locate::<rng::Protocol>(rng::PROTOCOL_GUID) else {
        return Ok(None);
    };
    let mut random = [0; 2 * SEED + 8];
    // SAFETY: the protocol is firmware's, and writes so many bytes.
    let status =
        unsafe { ((*source).get_rng)(source, ptr::null_mut(), random.len(), random.as_mut_ptr()) };
    if status.is_error() {
        return Ok(None);
    }
    let (mut rng, mut kaslr) = ([0; SEED], [0; 8]);
    rng.copy_from_slice(&random[..SEED]);
    kaslr.copy_from_slice(&random[2 * SEED..]);
    let kaslr = u64::from_be_bytes(kaslr);
    if firmware.table(RANDOM_SEED).is_none() {
        let mut pages = firmware.pages(
            "the seed of later kernels",
            4 + SEED as u64,
            efi::ACPI_RECLAIM_MEMORY,
        )?;
        let table = pages.bytes();
        table[..4].copy_from_slice(&(SEED as u32).to_le_bytes());
        table[4..4 + SEED].copy_from_slice(&random[SEED..2 * SEED]);
        install(firmware, RANDOM_SEED, pages)?;
    }
    random.fill(0);
    core::hint::black_box(&random); // the stores count
    Ok(Some(Seeds { rng, kaslr }))
}

fn install(firmware: &Firmware, mut guid: efi::Guid, pages: Pages) -> Result<(), Refused> {
    let at = pages.at() as *mut core::ffi::c_void;
    // SAFETY: the service copies the GUID, and keeps the address of pages that stay.
    let status = unsafe { (firmware.boot().install_configuration_table)(&mut guid, at) };
    if status.is_error() {
        return Err(Refused::Firmware("a configuration table", status));
    }
    core::mem::forget(pages);
    Ok(())
}

/// What Linux calls the state of Secure Boot: 1 not known, 2 disabled, 3 enabled.
pub fn secure_boot(firmware: &Firmware) -> u32 {
    const NOT_KNOWN: u32 = 1;
    const DISABLED: u32 = 2;
    const ENABLED: u32 = 3;
    let global = |name: &[u16]| byte(firmware, name, GLOBAL);
    match (global(&wide(b"SecureBoot\0")), global(&wide(b"SetupMode\0"))) {
        (Err(efi::Status::NOT_FOUND), _) => DISABLED,
        (Err(_), _) | (_, Err(_)) => NOT_KNOWN,
        (Ok(1), Ok(0)) => match byte(firmware, &wide(b"MokSBState\0"), SHIM) {
            Ok(1) => DISABLED, // shim was told not to check
            _ => ENABLED,
        },
        _ => DISABLED,
    }
}

/// A variable of one byte.
fn byte(firmware: &Firmware, name: &[u16], mut vendor: efi::Guid) -> Result<u8, efi::Status> {
    let (mut value, mut bytes) = (0u8, 1);
    let name = name.as_ptr().cast_mut();
    // SAFETY: the service reads name and GUID, and writes a byte at most.
    let status = unsafe {
        (firmware.runtime().get_variable)(
            name,
            &mut vendor,
            ptr::null_mut(),
            &mut bytes,
            (&raw mut value).cast(),
        )
    };
    if status.is_error() { Err(status) } else { Ok(value) }
}

const fn wide<const N: usize>(text: &[u8; N]) -> [u16; N] {
    let mut wide = [0; N];
    let mut i = 0;
    while i < N {
        wide[i] = text[i] as u16;
        i += 1;
    }
    wide
}
