//! A value that is read often and replaced rarely. The only place outside the hardware layer with
//! `unsafe`: the cell owns its value through a raw pointer, because readers may still hold a value
//! that the cell no longer owns.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::{How, Rcu, ReadGuard, Stall};
use crate::cpu::CpuId;
use crate::machine::{Clock, Ipi};
use crate::sync::atomic::{AtomicPtr, Ordering};

/// A pointer to a value, read under a [`ReadGuard`] and replaced as a whole. A writer that makes
/// the new value out of the old one holds a lock of its own meanwhile.
pub struct RcuCell<T> {
    /// From `Box::into_raw`. Owned, though readers may have borrowed the value.
    value: AtomicPtr<T>,
    owns: PhantomData<T>,
}

/// A value that was replaced. Readers may still hold it, so the writer gives it to
/// [`Rcu::free_later`] or [`Rcu::free_after`]. A dropped `Retired` leaks its memory, and does no
/// other harm.
#[must_use = "its memory is lost unless it is given to free_later or free_after"]
pub struct Retired<T>(NonNull<T>);

// SAFETY: a `Retired` is the only owner of the value, and nothing but the address is used until no
// reader is left. The value can be sent and shared: `RcuCell::new` takes no other.
unsafe impl<T: Send + Sync> Send for Retired<T> {}

// A cell can be shared if its value can be sent (`replace` hands the value to another CPU) and
// shared (readers). `AtomicPtr` asks for neither, so the bounds stand here.
impl<T: Send + Sync> RcuCell<T> {
    /// With a first value.
    pub fn new(value: Box<T>) -> Self {
        Self { value: AtomicPtr::new(Box::into_raw(value)), owns: PhantomData }
    }
}

impl<T> RcuCell<T> {
    /// The value as of now. The reference stays valid while the guard lives, even if a writer
    /// replaces the value.
    pub fn read<'a>(&'a self, _guard: &'a ReadGuard<'_>) -> &'a T {
        // Acquire: pairs with the swap of `replace`; the reader sees the value as written before it
        // was published.
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: the pointer came from a box, the value was whole when it was published, and no
        // `&mut` to it exists. The value is freed only with the cell, which is borrowed here, or
        // after a grace period that began when the value was no longer in the cell; the guard keeps
        // that grace period from ending.
        unsafe { &*value }
    }

    /// Replaces the value. Every reader finds the old one or the new one.
    pub fn replace(&self, value: Box<T>) -> Retired<T> {
        // Release: pairs with `read`. Acquire: pairs with the swap that published the old value,
        // which the caller gets.
        let old = self.value.swap(Box::into_raw(value), Ordering::AcqRel);
        // SAFETY: the pointer came from a box and is not null.
        Retired(unsafe { NonNull::new_unchecked(old) })
    }
}

impl<T> Drop for RcuCell<T> {
    fn drop(&mut self) {
        // Acquire: pairs with the swap of `replace`.
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: the pointer came from a box and was not given away. The cell is not borrowed any
        // more, and a reader borrows the cell as long as it reads.
        drop(unsafe { Box::from_raw(value) });
    }
}

impl<T> Retired<T> {
    /// # Safety
    /// A grace period has passed since the value was replaced.
    unsafe fn into_box(self) -> Box<T> {
        // SAFETY: the pointer came from a box, and this is the only owner: by the caller's word the
        // readers that held the value are gone, and no other reader can find it.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

impl Rcu {
    /// Frees a replaced value after a grace period, without waiting. `cpu` is the calling CPU.
    pub fn free_later<T: Send + Sync + 'static>(&self, cpu: CpuId, retired: Retired<T>) {
        self.call(
            cpu,
            Box::new(move || {
                // SAFETY: callbacks run after a grace period that began when they were queued.
                drop(unsafe { retired.into_box() });
            }),
        );
    }

    /// Waits for a grace period and gives the replaced value back.
    ///
    /// # Errors
    /// As [`Rcu::synchronize`]. The value is freed later then.
    pub fn free_after<T: Send + Sync + 'static, M: Clock + Ipi + ?Sized>(
        &self,
        m: &M,
        me: CpuId,
        how: How,
        deadline: u64,
        retired: Retired<T>,
    ) -> Result<Box<T>, Stall> {
        if let Err(stall) = self.synchronize(m, me, how, deadline) {
            self.free_later(me, retired);
            return Err(stall);
        }
        // SAFETY: the grace period began after the value was replaced, and is over.
        Ok(unsafe { retired.into_box() })
    }
}
