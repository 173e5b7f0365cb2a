//! The last acts of what this machine's kernel needs to the end.

use super::Board;
use crate::aarch64::{inherited, timer, uart};
use crate::machine::quiesce::LastAct;

/// The UART.
struct Console;
/// This CPU's timer.
struct Timer;
/// The interrupt controller.
struct Controller<'a>(&'a Board);
/// The boot CPU's registers; last, since the timer's registers are reset here too.
struct Registers(u32);

impl LastAct for Console {
    fn leave(&self) {
        uart::quiesce();
    }
}

impl LastAct for Timer {
    fn leave(&self) {
        timer::disarm();
    }
}

impl LastAct for Controller<'_> {
    fn leave(&self) {
        self.0.gic.quiesce(self.0.me(), &self.0.areas);
    }
}

impl LastAct for Registers {
    fn leave(&self) {
        inherited::reset(self.0);
    }
}

impl Board {
    /// Every last act, in order.
    pub(super) fn leave_all(&self) {
        let all: [&dyn LastAct; 4] =
            [&Console, &Timer, &Controller(self), &Registers(self.entry_level)];
        all.iter().for_each(|last| last.leave());
    }
}
