//! Device registers: each is read and written by one plain load or store.
//!
//! A hypervisor that emulates a device learns what a trapped access wanted from the syndrome, and
//! the processor fills that in only for a load or store of one general register without write-back
//! (Arm ARM DDI 0487, ISS encoding for a Data Abort, ISV). For any other form KVM answers with an
//! external abort. A volatile access leaves the form to the compiler, and a loop over an array of
//! registers becomes `ldr w0, [x1], #4`. So the instruction is written out here, and nothing else
//! in this crate touches a device: the types below take the place of the register types of
//! tock-registers, whose field definitions and access traits work unchanged on the types below. The
//! drivers of the UART and of virtio are on crate safe-mmio, which writes out the same
//! instructions.

pub mod plain;

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::{RegisterLongName, UIntLike};

use super::layout;
use crate::config::PAGE;
use crate::memory::Range;

/// The registers of one device: the piece of address space that its driver owns, and the driver's
/// only way to an address. Made where the machine that was found is mapped, and nowhere else.
pub struct Registers {
    /// Virtual address of the first.
    at: u64,
    /// Bytes.
    size: u64,
}

impl Registers {
    /// The registers at physical addresses `range`.
    ///
    /// # Safety
    /// The pages of the range are mapped as device memory in the linear map, for good, and hold
    /// registers only; no other piece covers any of `range`.
    pub unsafe fn new(range: Range) -> Self {
        Self { at: layout::linear(range.start), size: range.size() }
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// The block of registers that begins `offset` bytes behind the first; `None` past the end. A
    /// device that is described with less than a page has the whole page.
    pub fn block<B: Block>(&self, offset: u64) -> Option<&'static B> {
        let size = size_of::<B>() as u64;
        let end = offset.checked_add(size)?;
        let fits = end <= self.size.next_multiple_of(PAGE);
        // SAFETY: mapped as device for good, as `new` was promised. A block consists of registers,
        // for which shared references may be as many as one likes.
        fits.then(|| unsafe { &*((self.at + offset) as *const B) })
    }

    /// The first register, for a driver that another crate provides.
    pub fn pointer<T>(&self) -> NonNull<T> {
        NonNull::new(self.at as *mut T).expect("the linear map does not begin at 0")
    }
}

/// The layout of a block of registers.
///
/// # Safety
/// Every field is a register of this module or padding that is never accessed.
pub unsafe trait Block {}

/// A width that devices have registers of.
pub trait Width: UIntLike {
    /// Loads from a register.
    ///
    /// # Safety
    /// `at` is the address of a mapped device register of this width that may be read.
    unsafe fn load(at: *const Self) -> Self;

    /// Stores to a register.
    ///
    /// # Safety
    /// `at` is the address of a mapped device register of this width that may be written, and what
    /// the device then does breaks no promise that other code relies on.
    unsafe fn store(at: *mut Self, value: Self);
}

macro_rules! width {
    ($type:ty, $load:path, $store:path) => {
        impl Width for $type {
            unsafe fn load(at: *const Self) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $load(at) }
            }

            unsafe fn store(at: *mut Self, value: Self) {
                // SAFETY: as the caller promises.
                unsafe { $store(at, value) }
            }
        }
    };
}

width!(u8, plain::load8, plain::store8);
width!(u32, plain::load32, plain::store32);
width!(u64, plain::load64, plain::store64);

macro_rules! register {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        // A register changes by itself and is written through shared references, by several CPUs.
        #[repr(transparent)]
        pub struct $name<T: Width, R: RegisterLongName = ()> {
            value: UnsafeCell<T>,
            fields: PhantomData<R>,
        }

        // SAFETY: each access is one instruction on a device, which orders those of several CPUs.
        unsafe impl<T: Width, R: RegisterLongName> Sync for $name<T, R> {}
    };
    (readable $name:ident) => {
        impl<T: Width, R: RegisterLongName> Readable for $name<T, R> {
            type T = T;
            type R = R;

            #[inline(always)]
            fn get(&self) -> T {
                // SAFETY: a reference to a register is only ever made by a driver, from the address
                // of registers that are mapped as device for good.
                unsafe { T::load(self.value.get()) }
            }
        }
    };
    (writeable $name:ident) => {
        impl<T: Width, R: RegisterLongName> Writeable for $name<T, R> {
            type T = T;
            type R = R;

            #[inline(always)]
            fn set(&self, value: T) {
                // SAFETY: as for reading; the driver that made the reference answers for the
                // effect.
                unsafe { T::store(self.value.get(), value) }
            }
        }
    };
}

register! {
    /// A register that is read and written.
    ReadWrite
}
register! {
    /// A register that is only read.
    ReadOnly
}
register! {
    /// A register that is only written.
    WriteOnly
}
register!(readable ReadWrite);
register!(writeable ReadWrite);
register!(readable ReadOnly);
register!(writeable WriteOnly);
