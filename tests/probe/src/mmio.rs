//! Device registers and plain memory, by address.

/// Reads a device's register.
pub fn read(address: u64) -> u32 {
    // SAFETY: callers pass registers of QEMU virt's devices; device memory aliases nothing of Rust's.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes a device's register, or memory that nobody else has.
pub fn write(address: u64, value: u32) {
    // SAFETY: as in `read`; memory written is far from this image, see `dirty`.
    unsafe { (address as *mut u32).write_volatile(value) }
}

/// Reads one of 64 bits.
pub fn read64(address: u64) -> u64 {
    // SAFETY: as in `read`.
    unsafe { (address as *const u64).read_volatile() }
}

/// Writes one of 64 bits.
pub fn write64(address: u64, value: u64) {
    // SAFETY: as in `write`.
    unsafe { (address as *mut u64).write_volatile(value) }
}
