//! Firmware's services, as far as the stub needs them.

use core::ffi::c_void;
use core::{ptr, slice};

use r_efi::efi;
use r_efi::protocols::loaded_image;

use super::{Pages, Refused, console};

/// Firmware, before boot services are left.
pub struct Firmware {
    handle: efi::Handle,
    system: *mut efi::SystemTable,
    boot: *mut efi::BootServices,
}

impl Firmware {
    /// Also opens the console.
    ///
    /// # Safety
    /// Both are firmware's, and boot services are there as long as this is used.
    pub unsafe fn new(handle: efi::Handle, system: *mut efi::SystemTable) -> Self {
        console::open(handle, system);
        // SAFETY: the caller vouches for the table.
        let boot = unsafe { (*system).boot_services };
        Self { handle, system, boot }
    }

    /// This image's handle.
    pub fn handle(&self) -> efi::Handle {
        self.handle
    }

    /// Where the system table is.
    pub fn system(&self) -> *mut efi::SystemTable {
        self.system
    }

    /// The boot services.
    pub fn boot(&self) -> &efi::BootServices {
        // SAFETY: they are there as long as `self` is used: see `new`.
        unsafe { &*self.boot }
    }

    /// The runtime services.
    pub fn runtime(&self) -> &efi::RuntimeServices {
        // SAFETY: as for `boot`; these even stay.
        unsafe { &*(*self.system).runtime_services }
    }

    /// Memory; `what` says what for.
    pub fn pages(
        &self,
        what: &'static str,
        bytes: u64,
        kind: efi::MemoryType,
    ) -> Result<Pages, Refused> {
        // SAFETY: the services are firmware's; pages are dropped before `self` is, or nothing returns.
        let pages = unsafe { Pages::new(self.boot, bytes, kind) };
        pages.map_err(|status| Refused::Firmware(what, status))
    }

    /// A protocol of a handle.
    pub fn protocol<T>(
        &self,
        handle: efi::Handle,
        mut guid: efi::Guid,
    ) -> Result<*mut T, efi::Status> {
        let mut found: *mut c_void = ptr::null_mut();
        // SAFETY: the service writes a pointer, and reads a GUID.
        let status = unsafe { (self.boot().handle_protocol)(handle, &mut guid, &mut found) };
        if status.is_error() { Err(status) } else { Ok(found.cast()) }
    }

    /// A protocol of any handle.
    pub fn locate<T>(&self, mut guid: efi::Guid) -> Option<*mut T> {
        let mut found: *mut c_void = ptr::null_mut();
        // SAFETY: the service writes a pointer, and reads a GUID.
        let status =
            unsafe { (self.boot().locate_protocol)(&mut guid, ptr::null_mut(), &mut found) };
        (!status.is_error() && !found.is_null()).then(|| found.cast())
    }

    /// How this image was loaded.
    pub fn loaded(&self) -> Result<&loaded_image::Protocol, Refused> {
        let found = self.protocol(self.handle, loaded_image::PROTOCOL_GUID);
        let found: *mut loaded_image::Protocol =
            found.map_err(|status| Refused::Firmware("how the kernel was loaded", status))?;
        // SAFETY: firmware keeps the protocol as long as the image is loaded.
        Ok(unsafe { &*found })
    }

    /// The load options, as bytes.
    pub fn options(&self) -> Result<&[u8], Refused> {
        let loaded = self.loaded()?;
        if loaded.load_options.is_null() {
            return Ok(&[]);
        }
        let (at, bytes) = (loaded.load_options.cast::<u8>(), loaded.load_options_size as usize);
        // SAFETY: the loader of this image has put so many bytes there.
        Ok(unsafe { slice::from_raw_parts(at, bytes) })
    }

    /// Where a configuration table is.
    pub fn table(&self, guid: efi::Guid) -> Option<*const u8> {
        // SAFETY: the table of configuration tables is firmware's, and as long as is said.
        let tables = unsafe {
            let system = &*self.system;
            match system.configuration_table.is_null() {
                true => &[][..],
                false => slice::from_raw_parts(
                    system.configuration_table,
                    system.number_of_table_entries,
                ),
            }
        };
        let found = tables.iter().find(|table| table.vendor_guid == guid)?;
        (!found.vendor_table.is_null()).then(|| found.vendor_table.cast_const().cast())
    }
}
