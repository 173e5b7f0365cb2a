//! The way out of boot services, with the memory map that the kernel gets.

use baton_efi::map::{self, Place};
use r_efi::efi;

use super::{Firmware, Pages, Refused, console};

/// Times that the map may have changed on the way.
const TRIES: u32 = 8;

/// Room for the map, and for those entries of the map that are for the runtime services.
pub struct Room {
    map: Pages,
    runtime: Pages,
}

/// The map as it was when boot services were left.
pub struct Left {
    room: Room,
    size: usize,
    stride: usize,
    version: u32,
}

impl Room {
    /// Room for the map as it is, with slack for what is allocated until boot services are left.
    ///
    /// # Errors
    /// The map cannot be read, or there is no memory.
    pub fn new(firmware: &Firmware) -> Result<Self, Refused> {
        let mut size = 0;
        let (status, stride, ..) = read(firmware, core::ptr::null_mut(), &mut size);
        if status != efi::Status::BUFFER_TOO_SMALL {
            return Err(Refused::Firmware("the size of the memory map", status));
        }
        let bytes = (size + map::SLACK * stride) as u64;
        let what = "memory for the memory map";
        // A type that kernels keep: each one that follows reads the map.
        let map = firmware.pages(what, bytes, efi::ACPI_RECLAIM_MEMORY)?;
        Ok(Self { map, runtime: firmware.pages(what, bytes, efi::LOADER_DATA)? })
    }

    /// Where the map will be.
    pub fn at(&self) -> u64 {
        self.map.at()
    }

    /// Leaves boot services. If the map has changed on the way, it is read again, to the same place:
    /// nothing can be allocated any more.
    ///
    /// # Errors
    /// Firmware does not let go. Its console may be gone then.
    pub fn leave(mut self, firmware: &Firmware) -> Result<Left, Refused> {
        let mut last = efi::Status::ABORTED;
        for _ in 0..TRIES {
            let mut size = self.map.bytes().len();
            let (status, stride, version, key) =
                read(firmware, self.map.bytes().as_mut_ptr(), &mut size);
            if status.is_error() {
                return Err(Refused::Firmware("the memory map", status));
            }
            console::close();
            // SAFETY: the handle is this image's. Behind this, no boot service is called.
            last = unsafe { (firmware.boot().exit_boot_services)(firmware.handle(), key) };
            if !last.is_error() {
                return Ok(Left { room: self, size, stride, version });
            }
            if last != efi::Status::INVALID_PARAMETER {
                break;
            }
        }
        Err(Refused::Firmware("leaving boot services", last))
    }
}

/// Reads the map to `to`: status, stride, version and key.
fn read(firmware: &Firmware, to: *mut u8, size: &mut usize) -> (efi::Status, usize, u32, usize) {
    let (mut key, mut stride, mut version) = (0, 0, 0);
    // SAFETY: there is room for `size` bytes.
    let status = unsafe {
        (firmware.boot().get_memory_map)(size, to.cast(), &mut key, &mut stride, &mut version)
    };
    (status, stride, version, key)
}

impl Left {
    /// Says in the map where the runtime services are to be, and tells firmware if `tell`.
    pub fn place_runtime(&mut self, services: &efi::RuntimeServices, tell: bool) {
        let map = &mut self.room.map.bytes()[..self.size];
        if !tell {
            map::place(map, self.stride, Place::Physical, &mut []);
            return;
        }
        let runtime = self.room.runtime.bytes();
        let bytes = map::place(map, self.stride, Place::Low, runtime);
        let entries = runtime.as_mut_ptr().cast();
        // SAFETY: boot services are gone, the MMU is as firmware has left it, and the entries are
        // whole. This is called once.
        let status = unsafe {
            (services.set_virtual_address_map)(bytes, self.stride, self.version, entries)
        };
        if status.is_error() {
            map::place(map, self.stride, Place::Nowhere, &mut []);
        }
    }

    /// Size, stride and version of the map.
    pub fn words(&self) -> [u32; 3] {
        [self.size as u32, self.stride as u32, self.version]
    }

    /// Where the map lies, and its bytes.
    pub fn range(&self) -> (u64, u64) {
        (self.room.at(), self.size as u64)
    }
}
