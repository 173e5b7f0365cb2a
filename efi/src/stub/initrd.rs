//! The initrd: from the boot loader (LINUX_EFI_INITRD_MEDIA), or else the file that `initrd=`
//! names on the volume of this image.

use core::ptr;

use baton_efi::command_line;
use r_efi::efi;
use r_efi::protocols::{device_path, load_file2};

use super::guids::INITRD_MEDIA;
use super::{Firmware, Pages, Refused, volume};

/// UTF-16 letters of a path.
const PATH: usize = 512;

/// A device path: a vendor's medium, and the end.
#[repr(C)]
struct MediaPath {
    media: [u8; 4],
    guid: efi::Guid,
    end: [u8; 4],
}

/// An initrd in memory.
pub struct Initrd {
    pub(super) pages: Pages,
    pub(super) bytes: u64,
}

impl Initrd {
    /// Its first address, and the one behind its last.
    pub fn range(&self) -> (u64, u64) {
        (self.pages.at(), self.pages.at() + self.bytes)
    }
}

/// Loads the initrd, if there is one.
///
/// # Errors
/// There is one, and it cannot be loaded.
pub fn load(firmware: &Firmware, line: &str) -> Result<Option<Initrd>, Refused> {
    if let Some(protocol) = provider(firmware) {
        return read(firmware, protocol);
    }
    let mut path = [0; PATH];
    match command_line::initrd(line, &mut path)? {
        Some(path) => volume::read(firmware, path).map(Some),
        None => Ok(None),
    }
}

/// The protocol of a boot loader that has an initrd.
fn provider(firmware: &Firmware) -> Option<*mut load_file2::Protocol> {
    let mut path = media_path();
    let mut rest = (&raw mut path).cast::<device_path::Protocol>();
    let mut handle: efi::Handle = ptr::null_mut();
    let mut guid = load_file2::PROTOCOL_GUID;
    // SAFETY: the service reads GUID and path, which are whole, and writes two pointers.
    let status = unsafe { (firmware.boot().locate_device_path)(&mut guid, &mut rest, &mut handle) };
    let found: Option<*mut load_file2::Protocol> =
        if status.is_error() { None } else { firmware.protocol(handle, guid).ok() };
    found.filter(|protocol| !protocol.is_null())
}

fn media_path() -> MediaPath {
    MediaPath { media: [4, 3, 20, 0], guid: INITRD_MEDIA, end: [0x7f, 0xff, 4, 0] }
}

fn read(firmware: &Firmware, from: *mut load_file2::Protocol) -> Result<Option<Initrd>, Refused> {
    let mut bytes = 0;
    let status = call(from, &mut bytes, ptr::null_mut());
    match status {
        efi::Status::BUFFER_TOO_SMALL => {}
        efi::Status::SUCCESS | efi::Status::NOT_FOUND => return Ok(None), // none, or an empty one
        _ => return Err(Refused::Firmware("the size of the initrd", status)),
    }
    let pages = firmware.pages("memory for the initrd", bytes as u64, efi::LOADER_DATA)?;
    let status = call(from, &mut bytes, pages.at() as *mut u8);
    if status.is_error() {
        return Err(Refused::Firmware("reading the initrd", status));
    }
    Ok((bytes > 0).then_some(Initrd { pages, bytes: bytes as u64 }))
}

fn call(from: *mut load_file2::Protocol, bytes: &mut usize, to: *mut u8) -> efi::Status {
    let mut path = media_path();
    let end = (&raw mut path.end).cast();
    // SAFETY: the protocol is firmware's, and `to` has room for `bytes`, or is null.
    unsafe { ((*from).load_file)(from, end, efi::Boolean::FALSE, bytes, to.cast()) }
}
