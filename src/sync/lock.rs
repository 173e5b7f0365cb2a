//! The lock for what is more than a word. Spins: whoever holds it does a few loads and stores, and
//! no interrupt handler ever takes it.

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use spin as imp;

/// Mutual exclusion around a `T`; loom's under `--cfg loom`.
pub struct Lock<T>(imp::Mutex<T>);

/// Holds the lock until it is dropped.
pub type Guard<'a, T> = imp::MutexGuard<'a, T>;

impl<T> Lock<T> {
    /// Around `value`, not held.
    pub fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    /// Waits until nobody else holds it. Ordinary context only.
    #[cfg(not(loom))]
    pub fn lock(&self) -> Guard<'_, T> {
        self.0.lock()
    }

    /// Waits until nobody else holds it.
    #[cfg(loom)]
    pub fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap()
    }

    /// Takes it if it is free.
    #[cfg(not(loom))]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock()
    }

    /// Takes it if it is free.
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
