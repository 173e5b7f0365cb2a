//! Loads and stores of a fixed form that the compiler can't change: one general register, base
//! address only. Shared with the bare payloads in `tests/`.

use core::arch::asm;

macro_rules! access {
    ($load:ident, $store:ident, $type:ty, $ldr:literal, $str:literal) => {
        /// Loads from a device register.
        ///
        /// # Safety
        /// `at` is the address of a mapped device register of this width that may be read.
        #[inline(always)]
        #[must_use]
        pub unsafe fn $load(at: *const $type) -> $type {
            let value;
            // SAFETY: the caller's promise. No `nomem`: accesses keep their order, as volatile
            // ones.
            unsafe {
                asm!($ldr, value = out(reg) value, at = in(reg) at, options(nostack, preserves_flags));
            }
            value
        }

        /// Stores to a device register.
        ///
        /// # Safety
        /// `at` is the address of a mapped device register of this width that may be written, and
        /// what the device then does breaks no promise that other code relies on.
        #[inline(always)]
        pub unsafe fn $store(at: *mut $type, value: $type) {
            // SAFETY: the caller's promise.
            unsafe {
                asm!($str, value = in(reg) value, at = in(reg) at, options(nostack, preserves_flags));
            }
        }
    };
}

access!(load8, store8, u8, "ldrb {value:w}, [{at}]", "strb {value:w}, [{at}]");
access!(load32, store32, u32, "ldr {value:w}, [{at}]", "str {value:w}, [{at}]");
access!(load64, store64, u64, "ldr {value:x}, [{at}]", "str {value:x}, [{at}]");
