//! A file on the volume that this image came from, for boot managers that offer no initrd of their own:
//! UEFI's shell, and entries of the firmware's boot menu.

use core::ptr;

use r_efi::efi;
use r_efi::protocols::{file, simple_file_system};

use super::initrd::Initrd;
use super::{Firmware, Refused};

/// A file that is open; closed on drop.
struct Open(*mut file::Protocol);

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: firmware has opened it; closing cannot fail.
        unsafe { ((*self.0).close)(self.0) };
    }
}

const WHAT: &str = "the file of initrd= on this kernel's volume";

/// Reads the file at `path`, which ends with a NUL.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn read(firmware: &Firmware, path: &mut [u16]) -> Result<Initrd, Refused> {
    let refused = |status| Refused::Firmware(WHAT, status);
    let device = firmware.loaded()?.device_handle;
    let found = firmware.protocol(device, simple_file_system::PROTOCOL_GUID).map_err(refused)?;
    let volume: *mut simple_file_system::Protocol = found;
    let root = open(|out| {
        // SAFETY: the protocol is firmware's.
        unsafe { ((*volume).open_volume)(volume, out) }
    })?;
    let file = open(|out| {
        // SAFETY: the root is open, and the path ends with a NUL.
        unsafe { ((*root.0).open)(root.0, out, path.as_mut_ptr(), file::MODE_READ, 0) }
    })?;
    let bytes = size(&file)?;
    if bytes == 0 {
        return Err(refused(efi::Status::END_OF_FILE));
    }
    let mut pages = firmware.pages("memory for the initrd", bytes, efi::LOADER_DATA)?;
    fill(&file, &mut pages.bytes()[..bytes as usize])?;
    Ok(Initrd { pages, bytes })
}

fn open(call: impl FnOnce(*mut *mut file::Protocol) -> efi::Status) -> Result<Open, Refused> {
    let mut found = ptr::null_mut();
    let status = call(&mut found);
    if status.is_error() { Err(Refused::Firmware(WHAT, status)) } else { Ok(Open(found)) }
}

/// Bytes of a file: where its end is.
fn size(file: &Open) -> Result<u64, Refused> {
    let mut bytes = 0;
    // SAFETY: the file is open. All ones is the end of the file.
    let statuses = unsafe {
        [
            ((*file.0).set_position)(file.0, u64::MAX),
            ((*file.0).get_position)(file.0, &mut bytes),
            ((*file.0).set_position)(file.0, 0),
        ]
    };
    match statuses.into_iter().find(efi::Status::is_error) {
        Some(status) => Err(Refused::Firmware(WHAT, status)),
        None => Ok(bytes),
    }
}

/// Reads until all is there: firmware may read less at once.
fn fill(file: &Open, to: &mut [u8]) -> Result<(), Refused> {
    let mut rest = to;
    while !rest.is_empty() {
        let mut bytes = rest.len();
        // SAFETY: the file is open, and there is room for so many bytes.
        let status = unsafe { ((*file.0).read)(file.0, &mut bytes, rest.as_mut_ptr().cast()) };
        if status.is_error() || bytes == 0 || bytes > rest.len() {
            let status = if status.is_error() { status } else { efi::Status::END_OF_FILE };
            return Err(Refused::Firmware(WHAT, status));
        }
        rest = &mut rest[bytes..];
    }
    Ok(())
}
