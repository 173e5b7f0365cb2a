//! How drivers stop for the jump. There are two kinds, and each driver of a board is one of them.
//!
//! - What acts by itself, that is interrupts on its own or reads and writes memory, is a [`Driver`].
//!   It is stopped while everything can still be taken back, and may refuse.
//! - What the kernel needs to the end, such as the console and the interrupt controller, has a
//!   [`LastAct`], which can't fail.
//!
//! Neither trait has a method that need not be written, and the board takes its devices apart field
//! by field to list them: one that is added without a way to stop does not compile.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Clock;

/// Why a device does not stop, or does not start again; complete in a sentence that its name begins.
pub type Reason = &'static str;

/// A driver whose device acts by itself.
pub trait Driver {
    /// For people.
    fn name(&self) -> &'static str;

    /// Stops the device: when this returns `Ok`, it does not interrupt any more, and neither reads
    /// nor writes memory, until [`Driver::resume`]. What it was asked to do before gets
    /// [`DEVICE_DRAIN_MS`](crate::config::DEVICE_DRAIN_MS); sleeps meanwhile. Boot CPU, in ordinary
    /// context, other CPUs may be up.
    ///
    /// # Errors
    /// Why it does not stop. It may be half stopped: [`Driver::resume`] puts that right.
    fn quiesce(&self, clock: &dyn Clock) -> Result<(), Reason>;

    /// Goes on where [`Driver::quiesce`] stopped it; nothing if it was not stopped. Boot CPU, in
    /// ordinary context.
    ///
    /// # Errors
    /// Why it does not work any more.
    fn resume(&self) -> Result<(), Reason>;
}

/// A driver that is needed until nothing can go wrong any more.
pub trait LastAct {
    /// Leaves what it drives as it is after power-on. Boot CPU, all others off; after the point of
    /// no return, so this never allocates, prints or fails. What does not settle in time is left.
    fn leave(&self);
}

/// Stops all of them, in order.
///
/// # Errors
/// The first one that does not stop, and why. Those before it are stopped.
pub fn quiesce_all(drivers: &[&dyn Driver], clock: &dyn Clock) -> Result<(), String> {
    let stop = |driver: &&dyn Driver| {
        driver.quiesce(clock).map_err(|why| format!("{} {why}", driver.name()))
    };
    drivers.iter().try_for_each(stop)
}

/// Lets all of them go on, the last one first; says which do not, and why.
pub fn resume_all(drivers: &[&dyn Driver]) -> Vec<String> {
    let resume =
        |driver: &&dyn Driver| driver.resume().err().map(|why| format!("{} {why}", driver.name()));
    drivers.iter().rev().filter_map(resume).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::vec;
    use core::cell::{Cell, RefCell};

    use super::super::fake::Fake;
    use super::*;

    /// What drivers were told, in order.
    type Told = RefCell<Vec<(&'static str, &'static str)>>;

    struct One<'a> {
        name: &'static str,
        stops: bool,
        starts: bool,
        stopped: Cell<bool>,
        told: &'a Told,
    }

    impl<'a> One<'a> {
        fn new(name: &'static str, stops: bool, starts: bool, told: &'a Told) -> Self {
            Self { name, stops, starts, stopped: Cell::new(false), told }
        }
    }

    impl Driver for One<'_> {
        fn name(&self) -> &'static str {
            self.name
        }

        fn quiesce(&self, _: &dyn Clock) -> Result<(), Reason> {
            self.told.borrow_mut().push((self.name, "stop"));
            self.stopped.set(true);
            self.stops.then_some(()).ok_or("does not stop")
        }

        fn resume(&self) -> Result<(), Reason> {
            self.told.borrow_mut().push((self.name, "go on"));
            self.stopped.set(!self.starts);
            self.starts.then_some(()).ok_or("does not start again")
        }
    }

    #[test]
    fn the_first_that_does_not_stop_is_named_and_none_after_it_is_stopped() {
        let told = Told::default();
        let [a, b, c] = [("a", true), ("b", false), ("c", true)]
            .map(|(name, stops)| One::new(name, stops, true, &told));
        let all: [&dyn Driver; 3] = [&a, &b, &c];
        assert_eq!(quiesce_all(&all, &Fake::default()), Err("b does not stop".into()));
        assert_eq!(*told.borrow(), vec![("a", "stop"), ("b", "stop")]);
        assert_eq!(resume_all(&all), Vec::<String>::new());
        assert!(![&a, &b, &c].iter().any(|one| one.stopped.get()));
    }

    #[test]
    fn they_go_on_in_the_reverse_order_and_each_that_does_not_is_named() {
        let told = Told::default();
        let (a, b) = (One::new("a", true, false, &told), One::new("b", true, false, &told));
        let all: [&dyn Driver; 2] = [&a, &b];
        assert_eq!(quiesce_all(&all, &Fake::default()), Ok(()));
        let lost = resume_all(&all);
        assert_eq!(lost, ["b does not start again", "a does not start again"]);
        assert_eq!(told.borrow()[2..], [("b", "go on"), ("a", "go on")]);
    }
}
