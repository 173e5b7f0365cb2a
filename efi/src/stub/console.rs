//! The firmware's console, which is there until boot services are left.

use core::fmt::{self, Write as _};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use r_efi::efi;

/// The system table while the console may be used, and this image's handle. One CPU runs.
static SYSTEM: AtomicPtr<efi::SystemTable> = AtomicPtr::new(ptr::null_mut());
static HANDLE: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(ptr::null_mut());

/// From here on something can be said.
pub fn open(handle: efi::Handle, system: *mut efi::SystemTable) {
    HANDLE.store(handle, Ordering::Relaxed);
    SYSTEM.store(system, Ordering::Relaxed);
}

/// Boot services are about to go, or the stub to return.
pub fn close() {
    SYSTEM.store(ptr::null_mut(), Ordering::Relaxed);
}

/// Prints on the firmware's console, if there is one.
pub fn say(text: fmt::Arguments<'_>) {
    let _ = Out.write_fmt(text); // there is no other place to say that this failed
}

/// Ends this image, if boot services are there.
pub fn give_back() {
    let (system, handle) = (SYSTEM.load(Ordering::Relaxed), HANDLE.load(Ordering::Relaxed));
    close();
    if !system.is_null() {
        // SAFETY: the table is firmware's, and boot services have not been left.
        unsafe {
            ((*(*system).boot_services).exit)(handle, efi::Status::ABORTED, 0, ptr::null_mut())
        };
    }
}

struct Out;

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut line = [0u16; 64];
        let mut len = 0;
        for unit in text.encode_utf16() {
            if len + 3 > line.len() {
                flush(&mut line, &mut len);
            }
            if unit == u16::from(b'\n') {
                line[len] = u16::from(b'\r');
                len += 1;
            }
            line[len] = unit;
            len += 1;
        }
        flush(&mut line, &mut len);
        Ok(())
    }
}

fn flush(line: &mut [u16; 64], len: &mut usize) {
    let system = SYSTEM.load(Ordering::Relaxed);
    line[*len] = 0;
    *len = 0;
    // SAFETY: the table is firmware's, boot services have not been left, and the text ends with a NUL.
    unsafe {
        if !system.is_null() && !(*system).con_out.is_null() {
            let out = (*system).con_out;
            ((*out).output_string)(out, line.as_mut_ptr());
        }
    }
}
