//! Device registers and plain memory of a bare payload, by address.

#[allow(dead_code)] // bytes are not needed here
#[path = "../../src/aarch64/mmio/plain.rs"]
mod plain;

/// Reads a device's register.
pub fn read(address: u64) -> u32 {
    // SAFETY: callers pass registers of QEMU virt's devices; device memory aliases nothing of Rust's.
    unsafe { plain::load32(address as *const u32) }
}

/// Writes a device's register, or memory that nobody else has.
pub fn write(address: u64, value: u32) {
    // SAFETY: as in `read`; what the register does is the caller's to know, and memory that is written
    // is far from this image.
    unsafe { plain::store32(address as *mut u32, value) }
}

/// Reads one of 64 bits.
pub fn read64(address: u64) -> u64 {
    // SAFETY: as in `read`.
    unsafe { plain::load64(address as *const u64) }
}

/// Writes one of 64 bits.
pub fn write64(address: u64, value: u64) {
    // SAFETY: as in `write`.
    unsafe { plain::store64(address as *mut u64, value) }
}
