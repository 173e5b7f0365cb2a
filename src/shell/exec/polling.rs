//! When the boot CPU looks at a console that does not interrupt.

use crate::machine::Clock;

/// Between two looks while nothing is typed. A look costs the boot CPU about a microsecond.
const IDLE_MS: u64 = 15;

/// Between two looks while something is: a UART without a FIFO holds one byte.
const BUSY_US: u64 = 250;

/// How long after a byte the next one is likely.
const BUSY_FOR_MS: u64 = 100;

/// The rhythm of the looks. The boot CPU sleeps in between.
#[derive(Default)]
pub(super) struct Polling {
    /// Until when something is likely to come in, ticks.
    busy_until: u64,
}

impl Polling {
    /// Something was typed.
    pub(super) fn typed(&mut self, clock: &(impl Clock + ?Sized)) {
        self.busy_until = clock.now() + clock.ticks_from_ms(BUSY_FOR_MS);
    }

    /// The tick of the next look.
    pub(super) fn next(&self, clock: &(impl Clock + ?Sized)) -> u64 {
        let now = clock.now();
        let busy = now < self.busy_until;
        now + if busy { clock.ticks_from_us(BUSY_US) } else { clock.ticks_from_ms(IDLE_MS) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::machine::fake::Fake;

    #[test]
    fn looks_are_rare_unless_something_was_typed_just_now() {
        let clock = Fake::at(1_000_000_000);
        let mut polling = Polling::default();
        assert_eq!(polling.next(&clock), clock.now() + 15_000_000);
        polling.typed(&clock);
        assert_eq!(polling.next(&clock), clock.now() + 250_000);
        clock.set(clock.now() + 100_000_000);
        assert_eq!(polling.next(&clock), clock.now() + 15_000_000);
    }
}
