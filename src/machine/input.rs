//! What was typed and has not been read yet.
//!
//! The line is never read further than there is room: what finds no room stays in the UART, whose
//! interrupt is masked until the reader has made room, and whoever sends is held back. Ctrl-C
//! discards what was typed before it, as the interrupt character of a terminal does, so that a
//! command that runs finds it at the front.

use alloc::vec::Vec;

use crate::config::MAX_TYPED;

/// What Ctrl-C sends.
const CTRL_C: Typed = Typed::Byte(3);

/// One thing that came in on the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Typed {
    /// A byte.
    Byte(u8),
    /// A byte that the UART received with an error: framing, parity or break.
    Damaged,
    /// The UART had no room, and bytes are missing here.
    Lost,
}

/// The receiving half of a UART.
pub trait Receiver {
    /// Clears what the receive interrupts have told so far. A byte that comes in later tells again.
    fn acknowledge(&mut self);

    /// Takes the oldest thing out of the FIFO.
    fn read(&mut self) -> Option<Typed>;

    /// Lets received bytes interrupt, or masks these interrupts.
    fn interrupt(&mut self, on: bool);
}

/// How what is typed is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Gate {
    /// Not at all: everything stays in the UART.
    #[default]
    Shut,
    /// The reader looks.
    Polled,
    /// The UART interrupts.
    Interrupts,
}

/// The bytes between the UART and the shell.
#[derive(Default)]
pub struct Input {
    waiting: heapless::Deque<Typed, MAX_TYPED>,
    gate: Gate,
    /// The receive interrupts are unmasked.
    unmasked: bool,
    /// The UART was not read to its end, for want of room.
    held_back: bool,
}

impl Input {
    /// Begins to take what is typed, by interrupts or, without, whenever the reader looks. What
    /// came in before is taken at once: for that no interrupt comes.
    pub fn open(&mut self, interrupts: bool, from: &mut dyn Receiver) {
        self.gate = if interrupts { Gate::Interrupts } else { Gate::Polled };
        self.receive(from);
    }

    /// Takes nothing any more: from now on everything stays in the UART.
    pub fn shut(&mut self, from: &mut dyn Receiver) {
        self.gate = Gate::Shut;
        self.unmask(false, from);
    }

    /// Takes what has come in, as far as there is room; false if there was nothing to take.
    pub fn receive(&mut self, from: &mut dyn Receiver) -> bool {
        if self.gate == Gate::Shut {
            self.unmask(false, from);
            return true;
        }
        // Before the FIFO is emptied: a byte that comes in between interrupts again.
        from.acknowledge();
        let mut any = false;
        while !self.waiting.is_full()
            && let Some(typed) = from.read()
        {
            self.push(typed);
            any = true;
        }
        self.held_back = self.waiting.is_full();
        self.unmask(self.gate == Gate::Interrupts && !self.held_back, from);
        any || self.held_back
    }

    /// The next thing that was typed. With half of the room free, the UART is read on.
    pub fn next(&mut self, from: &mut dyn Receiver) -> Option<Typed> {
        let next = self.waiting.pop_front();
        let look = self.gate == Gate::Polled && next.is_none();
        if look || self.held_back && self.waiting.len() <= MAX_TYPED / 2 {
            self.receive(from);
        }
        next.or_else(|| self.waiting.pop_front())
    }

    /// True if Ctrl-C waits. Where nothing interrupts, this looks.
    pub fn interrupted(&mut self, from: &mut dyn Receiver) -> bool {
        if self.gate == Gate::Polled {
            self.receive(from);
        }
        self.waiting.front() == Some(&CTRL_C)
    }

    /// Takes the Ctrl-C that waits; false if none does.
    pub fn take_interrupt(&mut self, from: &mut dyn Receiver) -> bool {
        let interrupted = self.interrupted(from);
        if interrupted {
            self.next(from);
        }
        interrupted
    }

    /// Everything that waits, oldest first.
    pub fn waiting(&self) -> Vec<Typed> {
        self.waiting.iter().copied().collect()
    }

    /// Lets this wait, before anything else is taken. What has no room is left out, and named by a
    /// [`Typed::Lost`].
    pub fn restore(&mut self, typed: &[Typed]) {
        for &one in typed {
            if self.waiting.push_back(one).is_err() {
                self.waiting.pop_back();
                let _ = self.waiting.push_back(Typed::Lost);
            }
        }
    }

    fn push(&mut self, typed: Typed) {
        if typed == CTRL_C {
            self.waiting.clear();
        }
        // The caller has seen that there is room.
        let _ = self.waiting.push_back(typed);
    }

    fn unmask(&mut self, on: bool, from: &mut dyn Receiver) {
        if on != self.unmasked {
            self.unmasked = on;
            from.interrupt(on);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
