//! The lock for data of more than a word. A CPU that waits spins: the holder does a few loads and
//! stores, and no interrupt handler ever takes a lock.

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use spin as imp;

/// Mutual exclusion around a `T`; loom's under `--cfg loom`.
pub struct Lock<T>(imp::Mutex<T>);

/// The lock is held until the guard is dropped.
pub type Guard<'a, T> = imp::MutexGuard<'a, T>;

impl<T> Lock<T> {
    /// Around `value`, not held.
    pub fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    /// Takes the lock; spins until the holder has released it. Ordinary context only.
    #[cfg(not(loom))]
    pub fn lock(&self) -> Guard<'_, T> {
        self.0.lock()
    }

    /// Takes the lock; waits until the holder has released it.
    #[cfg(loom)]
    pub fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap()
    }

    /// Takes the lock if no CPU holds it.
    #[cfg(not(loom))]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock()
    }

    /// Takes the lock if no CPU holds it.
    #[cfg(loom)]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock().ok()
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
