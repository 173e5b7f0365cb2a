//! How CPUs are taken down: in which order, with how many grace periods, and when these end.

use crate::report::{Grace, TeardownMode};

/// The order of a teardown and its grace periods. A mode alone has the grace periods of that mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// One CPU after the other, or all at once.
    pub mode: TeardownMode,
    /// A grace period for each CPU, or one for all.
    pub grace: Grace,
}

impl From<TeardownMode> for Way {
    fn from(mode: TeardownMode) -> Self {
        Self { mode, grace: mode.grace() }
    }
}

/// When a grace period that began at `begin` ends where Linux waits for ticks: `rcu.tick=HZ`. All
/// times are ticks of a counter with `counter_hz`.
///
/// What is modelled: Linux finds idle and dying CPUs quiescent in its first scan for quiescent states,
/// which it makes at a timer of `jiffies_till_first_fqs`: 1 tick, 2 above 250 HZ, 3 above 500, and one
/// more for every 256 CPUs. So the end is that many ticks later than the last tick before `begin`: the
/// earliest moment at which that timer can expire. What Linux waits for besides (a granule of its
/// timer wheel, the tick at which the waiting CPU runs its callbacks, CPUs that are busy) is left
/// out, so Linux takes no less.
pub fn modelled_end(begin: u64, counter_hz: u64, tick_hz: u32, cpus: usize) -> u64 {
    let (hz, counter) = (u128::from(tick_hz.max(1)), u128::from(counter_hz));
    let ticks = 1 + u128::from(tick_hz > 250) + u128::from(tick_hz > 500) + cpus as u128 / 256;
    let end = u128::from(begin) * hz / counter + ticks;
    (end * counter).div_ceil(hz) as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const COUNTER: u64 = 62_500_000;

    #[test]
    fn a_grace_period_ends_at_a_tick_that_is_still_to_come() {
        for hz in [100, 250, 300, 1000] {
            let tick = COUNTER / u64::from(hz);
            for begin in [0, 1, tick - 2, tick, tick + 1, 1234 * tick + 77] {
                let end = modelled_end(begin, COUNTER, hz, 80);
                let ticks = end as f64 * f64::from(hz) / COUNTER as f64;
                assert!((ticks - ticks.round()).abs() < 1e-3, "{hz} {begin}: {ticks}");
                let scan = 1 + u64::from(hz > 250) + u64::from(hz > 500);
                let wait = end - begin;
                assert!(wait > (scan - 1) * tick && wait <= scan * (tick + 1), "{hz} {begin}");
            }
        }
        let more = modelled_end(0, COUNTER, 100, 512) - modelled_end(0, COUNTER, 100, 80);
        assert_eq!(more, 2 * COUNTER / 100);
    }

    #[test]
    fn a_mode_alone_has_its_own_grace_periods() {
        assert_eq!(Way::from(TeardownMode::Serial).grace, Grace::Each);
        assert_eq!(Way::from(TeardownMode::Parallel).grace, Grace::Once);
    }
}
