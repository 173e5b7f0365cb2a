//! PL011 output of a bare payload, polled, where QEMU virt has it; other machines have it
//! elsewhere. QEMU needs no set-up of the line, and takes a byte at once or when its reader does, so
//! the wait for room has no deadline.

use crate::mmio::{read, write};

/// The PL011.
pub const UART: u64 = 0x0900_0000;
const DR: u64 = 0x00;
const FR: u64 = 0x18;
const FR_TXFF: u32 = 1 << 5;

/// Prints a byte.
pub fn put(byte: u8) {
    while read(UART + FR) & FR_TXFF != 0 {}
    write(UART + DR, byte.into());
}
