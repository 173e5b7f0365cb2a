//! PL011 output, polled, where QEMU virt has it. Other machines have it elsewhere. QEMU takes a byte
//! at once or when its reader does, so the wait for room has no deadline.

use core::fmt;

use crate::plain;

const BASE: usize = 0x0900_0000;
const DR: usize = 0x00;
const FR: usize = 0x18;
const CR: usize = 0x30;
const FR_TXFF: u32 = 1 << 5;
const CR_UARTEN_TXE: u32 = 1 | (1 << 8);

fn register(offset: usize) -> *mut u32 {
    (BASE + offset) as *mut u32
}

/// Turns the transmitter on; the line settings mean nothing to QEMU.
pub fn enable() {
    // SAFETY: the PL011 of QEMU virt is here, nobody else uses it, and device memory aliases
    // nothing of Rust's.
    unsafe { plain::store32(register(CR), CR_UARTEN_TXE) }
}

fn put(byte: u8) {
    // SAFETY: as in `enable`; only the boot CPU prints.
    unsafe {
        while plain::load32(register(FR)) & FR_TXFF != 0 {}
        plain::store32(register(DR), byte.into());
    }
}

/// The console as a place to write text to.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put);
        Ok(())
    }
}
