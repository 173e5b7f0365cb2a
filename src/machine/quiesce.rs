//! How drivers stop for the jump. There are two kinds, and each driver of a board is of one kind.
//!
//! - A device that acts on its own, that is interrupts or reads and writes memory unasked, has a
//!   [`Driver`]. The driver stops the device while the jump can still be called off, and may
//!   refuse.
//! - What the kernel needs to the end, such as the console and the interrupt controller, has a
//!   [`LastAct`], which can't fail.
//!
//! Neither trait has default methods, and the board destructures its devices field by field to list
//! the drivers: a device added without a way to stop does not compile.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Clock;

/// Why a device does not stop, or does not start again; complete in a sentence that its name
/// begins.
pub type Reason = &'static str;

/// A driver whose device acts on its own.
pub trait Driver {
    /// For people.
    fn name(&self) -> &'static str;

    /// Stops the device: when this returns `Ok`, the device does not interrupt, and neither reads
    /// nor writes memory, until [`Driver::resume`]. Requests made before get
    /// [`DEVICE_DRAIN_MS`](crate::config::DEVICE_DRAIN_MS); to finish, during which this CPU
    /// sleeps. Returns what the driver had to give up for that, for people, if anything. Boot CPU,
    /// in ordinary context, other CPUs may be up.
    ///
    /// # Errors
    /// Why the device does not stop. The device may be half stopped: [`Driver::resume`] puts that
    /// right.
    fn quiesce(&self, clock: &dyn Clock) -> Result<Option<String>, Reason>;

    /// Lets the device go on where [`Driver::quiesce`] stopped; does nothing to a device that was
    /// not stopped. Boot CPU, in ordinary context.
    ///
    /// # Errors
    /// Why the device does not work any more.
    fn resume(&self) -> Result<(), Reason>;
}

/// A driver that is needed until nothing can go wrong any more.
pub trait LastAct {
    /// Puts the device into its state after power-on. Boot CPU, all others off; after the point of
    /// no return, so this never allocates, prints or fails. A part that does not settle in time is
    /// left so.
    fn leave(&self);
}

/// Stops all devices, in order; returns what their drivers had to give up.
///
/// # Errors
/// The first device that does not stop, and why. The devices before that one are stopped.
pub fn quiesce_all(drivers: &[&dyn Driver], clock: &dyn Clock) -> Result<Vec<String>, String> {
    let mut given_up = Vec::new();
    for driver in drivers {
        let name = driver.name();
        let lost = driver.quiesce(clock).map_err(|why| format!("{name} {why}"))?;
        given_up.extend(lost.map(|what| format!("{name}: {what}")));
    }
    Ok(given_up)
}

/// Lets all devices go on, the last one first; returns those that fail, and why.
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

        fn quiesce(&self, _: &dyn Clock) -> Result<Option<String>, Reason> {
            self.told.borrow_mut().push((self.name, "stop"));
            self.stopped.set(true);
            let lost = (self.name == "a").then(|| "2 reads".into());
            self.stops.then_some(lost).ok_or("does not stop")
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
        assert_eq!(quiesce_all(&all, &Fake::default()), Ok(vec!["a: 2 reads".into()]));
        let lost = resume_all(&all);
        assert_eq!(lost, ["b does not start again", "a does not start again"]);
        assert_eq!(told.borrow()[2..], [("b", "go on"), ("a", "go on")]);
    }
}
