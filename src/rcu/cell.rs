//! A value that many read and few replace. The only place outside the hardware layer with `unsafe`:
//! it owns its value through a raw pointer, because readers may still be at a value that is no
//! longer its own.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::{How, Rcu, ReadGuard, Stall};
use crate::cpu::CpuId;
use crate::machine::{Clock, Ipi};
use crate::sync::atomic::{AtomicPtr, Ordering};

/// A pointer to a value, read under a [`ReadGuard`] and replaced as a whole. Whoever replaces it by
/// something made from the old value holds a lock of its own meanwhile.
pub struct RcuCell<T> {
    /// From `Box::into_raw`. Owned, though readers may have it borrowed.
    value: AtomicPtr<T>,
    owns: PhantomData<T>,
}

/// A value that was replaced. Readers may still be at it: give it to [`Rcu::free_later`] or
/// [`Rcu::free_after`]. If it is dropped instead, its memory is lost, and nothing worse.
#[must_use = "its memory is lost unless it is given to free_later or free_after"]
pub struct Retired<T>(NonNull<T>);

// SAFETY: it is the only owner of the value, and nothing but its address is used until no reader
// is left. The value can be sent and shared: `RcuCell::new` takes no other.
unsafe impl<T: Send + Sync> Send for Retired<T> {}

// What makes a cell shareable is that its value can be sent (replacing hands it to another CPU) and
// shared (readers). The pointer asks for neither, so it is asked for here.
impl<T: Send + Sync> RcuCell<T> {
    /// With a first value.
    pub fn new(value: Box<T>) -> Self {
        Self { value: AtomicPtr::new(Box::into_raw(value)), owns: PhantomData }
    }
}

impl<T> RcuCell<T> {
    /// The value as of now. It stays as it is while the guard lives, even if it is replaced.
    pub fn read<'a>(&'a self, _guard: &'a ReadGuard<'_>) -> &'a T {
        // Acquire: what was written to the value before it was published.
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: it came from a box, was whole when it was published, and nobody has `&mut` to it.
        // It is freed only with the cell, which is borrowed here, or after a grace period that
        // began when it was no longer in the cell; the guard keeps that one from ending.
        unsafe { &*value }
    }

    /// Puts another value in its place. Readers find the old one or the new one.
    pub fn replace(&self, value: Box<T>) -> Retired<T> {
        // Release publishes the value; acquire is for whoever gets the old one from us.
        let old = self.value.swap(Box::into_raw(value), Ordering::AcqRel);
        // SAFETY: it came from a box and is not null.
        Retired(unsafe { NonNull::new_unchecked(old) })
    }
}

impl<T> Drop for RcuCell<T> {
    fn drop(&mut self) {
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: it came from a box and was not given away. Nobody borrows the cell, and readers
        // do as long as they read.
        drop(unsafe { Box::from_raw(value) });
    }
}

impl<T> Retired<T> {
    /// # Safety
    /// A grace period has passed since the value was replaced.
    unsafe fn into_box(self) -> Box<T> {
        // SAFETY: it came from a box, and this is its only owner: readers that had it are gone by
        // the caller's word, and no other can find it.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

impl Rcu {
    /// Frees a replaced value after a grace period, without waiting for it. `cpu` is the calling
    /// one.
    pub fn free_later<T: Send + Sync + 'static>(&self, cpu: CpuId, retired: Retired<T>) {
        self.call(
            cpu,
            Box::new(move || {
                // SAFETY: callbacks run after a grace period that began when they were queued.
                drop(unsafe { retired.into_box() });
            }),
        );
    }

    /// Waits for a grace period and gives back what was replaced before.
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
        // SAFETY: the grace period began after it was replaced, and is over.
        Ok(unsafe { retired.into_box() })
    }
}
