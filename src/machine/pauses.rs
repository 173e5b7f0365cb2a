//! Looks at something in pauses, until it is done or a deadline passes.

use super::Clock;

/// Pauses between two looks, which double.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pauses {
    /// The first, microseconds.
    pub first_us: u64,
    /// The longest, microseconds.
    pub longest_us: u64,
}

impl Pauses {
    /// For a change after which no CPU sends an IPI.
    pub const POLLING: Self = Self { first_us: 20, longest_us: 1000 };

    /// Calls `sleep` between looks for `done`, with the time (ticks) at which the sleep has to be
    /// over. True if done before the deadline (ticks).
    pub fn look_until<M: Clock + ?Sized>(
        self,
        m: &M,
        deadline: u64,
        mut sleep: impl FnMut(u64),
        mut done: impl FnMut() -> bool,
    ) -> bool {
        let mut pause = self.first_us;
        loop {
            if done() {
                return true;
            }
            let now = m.now();
            if now >= deadline {
                return false;
            }
            sleep(deadline.min(now + m.ticks_from_us(pause)));
            pause = (pause * 2).min(self.longest_us);
        }
    }
}
