//! Entry, and what happens at a panic.

use core::arch::global_asm;
use core::panic::PanicInfo;

use r_efi::efi;

use super::{Firmware, boot, console};

global_asm!(include_str!("entry.S"));

/// Called by `entry.S`; `stub` is where the stub lies, `offset` where it begins in the file.
#[unsafe(no_mangle)]
extern "efiapi" fn efi_main(
    handle: efi::Handle,
    system: *mut efi::SystemTable,
    stub: u64,
    offset: u64,
) -> efi::Status {
    // SAFETY: firmware has called with its own handle and table, and boot services are there.
    let firmware = unsafe { Firmware::new(handle, system) };
    let Err(refused) = boot::boot(&firmware, stub, offset);
    console::say(format_args!("baton: {refused}\n"));
    console::close();
    refused.status()
}

/// Nothing here is meant to panic. If boot services are there, firmware gets the machine back.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    console::say(format_args!("baton: the UEFI stub has a fault, report it: {info}\n"));
    console::give_back();
    loop {
        core::hint::spin_loop();
    }
}
