//! The PMU registers of one cluster as a value: what the undefined-instruction handler answers on
//! cores that have no DSU, and what the tests run on. All counts are modelled, not measured, and
//! are called emulated wherever shown.
//!
//! Events come at fixed rates of the generic counter, whose ticks every method is given: so the
//! counts are exact, the same in every run, and cost nothing between two accesses.
//!
//! How many events have happened since tick 0 is a function of the tick alone ([`Rate::until`]); a
//! counter gets the difference of two values of that function. So no fraction of an event is lost,
//! however often the registers are read.

use super::events::CYCLES;
use crate::machine::pmu::PmuReg;

/// Event counters, as a DSU has them (Arm DSU TRM: six and the cycle counter).
pub const COUNTERS: usize = 6;

/// Modelled events: number, and `multiplier` / 2^`shift` events per tick.
pub const RATES: [Rate; 7] = [
    Rate { event: CYCLES, multiplier: 16, shift: 0 },
    Rate { event: 0x19, multiplier: 3, shift: 2 }, // bus_access
    Rate { event: 0x1d, multiplier: 8, shift: 0 }, // bus_cycles
    Rate { event: 0x29, multiplier: 1, shift: 3 }, // l3d_cache_allocate
    Rate { event: 0x2a, multiplier: 1, shift: 2 }, // l3d_cache_refill
    Rate { event: 0x2b, multiplier: 5, shift: 1 }, // l3d_cache
    Rate { event: 0x2c, multiplier: 1, shift: 4 }, // l3d_cache_wb
];

/// The cycle counter, in registers with one bit for each counter.
const CYCLE_BIT: u32 = 1 << 31;
/// Counters that are there; bits of other counters can't be set.
const IMPLEMENTED: u32 = CYCLE_BIT | ((1 << COUNTERS) - 1);
const WRAP: u64 = 1 << 32;

/// How often an event happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// The event's number.
    pub event: u16,
    multiplier: u64,
    shift: u32,
}

impl Rate {
    /// The rate of an event that is modelled; of all others none ever happen.
    pub fn of(event: u16) -> Option<Self> {
        RATES.into_iter().find(|rate| rate.event == event)
    }

    /// How many have happened at `ticks`, since tick 0.
    pub const fn until(self, ticks: u64) -> u64 {
        ((ticks as u128 * self.multiplier as u128) >> self.shift) as u64
    }

    /// The tick at which the `count`th has happened; none in a counter's life time is the last.
    const fn tick_of(self, count: u64) -> u64 {
        ((count as u128) << self.shift).div_ceil(self.multiplier as u128) as u64
    }
}

#[derive(Clone, Copy, Default, Debug)]
struct Counter {
    event: u16,
    value: u32,
}

/// The registers. Every access first counts up to its own time.
#[derive(Clone, Default, Debug)]
pub struct ClusterModel {
    counters: [Counter; COUNTERS],
    cycles: u64,
    /// CLUSTERPMCR.E: nothing counts without it.
    enabled: bool,
    /// Counters that are on, one bit each.
    on: u32,
    /// Counters whose overflow may raise the line, one bit each.
    interrupts: u32,
    /// Overflow flags that were not cleared, one bit each.
    overflowed: u32,
    /// The counter that event type and count registers stand for; may be one that is not there.
    selected: usize,
    /// Up to which tick all has been counted.
    until: u64,
}

impl ClusterModel {
    /// MRS at `now` (ticks). Registers that can only be written, and counters that are not there,
    /// read as zero.
    pub fn read(&mut self, register: PmuReg, now: u64) -> u64 {
        self.advance(now);
        let selected = self.counters.get(self.selected).copied().unwrap_or_default();
        match register {
            PmuReg::Control => u64::from(self.enabled) | (COUNTERS as u64) << 11,
            PmuReg::CountersOn | PmuReg::CountersOff => u64::from(self.on),
            PmuReg::OverflowSet | PmuReg::OverflowClear => u64::from(self.overflowed),
            PmuReg::Select => self.selected as u64,
            PmuReg::InterruptsOn | PmuReg::InterruptsOff => u64::from(self.interrupts),
            PmuReg::Cycles => self.cycles,
            PmuReg::EventType => u64::from(selected.event),
            PmuReg::EventCount => u64::from(selected.value),
            PmuReg::Events0 => listed(0),
            PmuReg::Events1 => listed(32),
        }
    }

    /// MSR at `now` (ticks). What is written to a register that can only be read is ignored.
    pub fn write(&mut self, register: PmuReg, value: u64, now: u64) {
        self.advance(now);
        let bits = value as u32 & IMPLEMENTED;
        match register {
            PmuReg::Control => self.control(value),
            PmuReg::CountersOn => self.on |= bits,
            PmuReg::CountersOff => self.on &= !bits,
            PmuReg::OverflowSet => self.overflowed |= bits,
            PmuReg::OverflowClear => self.overflowed &= !bits,
            PmuReg::Select => self.selected = (value & 0x1f) as usize,
            PmuReg::InterruptsOn => self.interrupts |= bits,
            PmuReg::InterruptsOff => self.interrupts &= !bits,
            PmuReg::Cycles => self.cycles = value,
            PmuReg::EventType => self.with_selected(|counter| counter.event = value as u16),
            PmuReg::EventCount => self.with_selected(|counter| counter.value = value as u32),
            PmuReg::Events0 | PmuReg::Events1 => {}
        }
    }

    /// The interrupt line at `now`: a level, up while there is an overflow that is not cleared and
    /// whose interrupt is enabled.
    pub fn line(&mut self, now: u64) -> bool {
        self.advance(now);
        self.enabled && self.overflowed & self.interrupts != 0
    }

    /// The tick at which the line goes up, if nothing is written before; `None` if the line never
    /// does, or is up already. As of the last access.
    pub fn next_overflow(&self) -> Option<u64> {
        let armed = if self.enabled { self.on & self.interrupts & !self.overflowed } else { 0 };
        let events = self.counters.iter().enumerate().filter(|(i, _)| armed >> i & 1 == 1);
        let cycles = (armed & CYCLE_BIT != 0)
            .then(|| self.after(CYCLES, u64::MAX.wrapping_sub(self.cycles).checked_add(1)?))
            .flatten();
        events
            .filter_map(|(_, c)| self.after(c.event, WRAP - u64::from(c.value)))
            .chain(cycles)
            .min()
            .filter(|_| self.overflowed & self.interrupts == 0)
    }

    /// The tick after which `count` more of an event have happened.
    fn after(&self, event: u16, count: u64) -> Option<u64> {
        let rate = Rate::of(event)?;
        Some(rate.tick_of(rate.until(self.until).checked_add(count)?))
    }

    fn control(&mut self, value: u64) {
        self.enabled = value & 1 != 0;
        if value & 1 << 1 != 0 {
            self.counters.iter_mut().for_each(|counter| counter.value = 0);
        }
        if value & 1 << 2 != 0 {
            self.cycles = 0;
        }
    }

    fn with_selected(&mut self, change: impl FnOnce(&mut Counter)) {
        if let Some(counter) = self.counters.get_mut(self.selected) {
            change(counter);
        }
    }

    /// Counts what has happened until `now`. Time does not go back: if two CPUs read the clock at
    /// once, the later time counts for both.
    fn advance(&mut self, now: u64) {
        let from = self.until;
        self.until = from.max(now);
        // Time passes for a unit that is off, too: what happens meanwhile is not counted later.
        if !self.enabled || self.until == from {
            return;
        }
        let happened = |event| Rate::of(event).map_or(0, |r| r.until(now) - r.until(from));
        for (i, counter) in self.counters.iter_mut().enumerate() {
            if self.on >> i & 1 == 1 {
                let sum = u64::from(counter.value).wrapping_add(happened(counter.event));
                counter.value = sum as u32;
                self.overflowed |= u32::from(sum >= WRAP) << i;
            }
        }
        if self.on & CYCLE_BIT != 0 {
            let (sum, wrapped) = self.cycles.overflowing_add(happened(CYCLES));
            self.cycles = sum;
            self.overflowed |= u32::from(wrapped) << 31;
        }
    }
}

/// CLUSTERPMCEID: the modelled events from `first` on, one bit each.
fn listed(first: u16) -> u64 {
    let offset = |rate: &Rate| rate.event.checked_sub(first).filter(|&bit| bit < 32);
    RATES.iter().filter_map(offset).fold(0, |bits, bit| bits | 1 << bit)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn counting(event: u16, from: u64, now: u64) -> ClusterModel {
        let mut model = ClusterModel::default();
        for (register, value) in [
            (PmuReg::Select, 2),
            (PmuReg::EventType, u64::from(event)),
            (PmuReg::EventCount, from),
            (PmuReg::CountersOn, u64::from(CYCLE_BIT | 4)),
            (PmuReg::InterruptsOn, 4),
            (PmuReg::Control, 1),
        ] {
            model.write(register, value, now);
        }
        model
    }

    #[test]
    fn counts_follow_the_rate_from_the_moment_it_is_enabled() {
        let mut model = counting(0x19, 0, 1001);
        for now in [1001, 1003, 2048, 1 << 40] {
            let expected = Rate::of(0x19).unwrap();
            let expected = (expected.until(now) - expected.until(1001)) & 0xffff_ffff;
            assert_eq!(model.read(PmuReg::EventCount, now), expected);
            assert_eq!(model.read(PmuReg::Cycles, now), 16 * (now - 1001));
        }
        model.write(PmuReg::Control, 0, 1 << 40);
        let stopped = model.read(PmuReg::Cycles, 1 << 40);
        assert_eq!(model.read(PmuReg::Cycles, 1 << 41), stopped);
    }

    #[test]
    fn the_line_goes_up_at_the_tick_that_was_announced_and_not_before() {
        for rate in RATES {
            let mut model = counting(rate.event, 0xffff_ff00, 777);
            let at = model.next_overflow().unwrap();
            assert!(!model.line(at - 1), "{rate:?} too early");
            assert!(model.line(at), "{rate:?} too late");
            assert_eq!((model.read(PmuReg::OverflowSet, at), model.next_overflow()), (4, None));
        }
    }

    #[test]
    fn the_line_is_up_only_while_flag_interrupt_and_the_whole_are_on() {
        let mut model = counting(0x1d, 0xffff_ffff, 0);
        assert!(model.line(10));
        model.write(PmuReg::InterruptsOff, 0xffff_ffff, 10);
        assert!(!model.line(10));
        model.write(PmuReg::InterruptsOn, 4, 10);
        model.write(PmuReg::Control, 0, 10);
        assert!(!model.line(10));
        model.write(PmuReg::Control, 1, 10);
        assert!(model.line(10));
        model.write(PmuReg::OverflowClear, 4, 10);
        assert!(!model.line(10) && model.next_overflow().is_some());
    }

    #[test]
    fn what_is_not_there_reads_as_zero_and_ignores_writes() {
        let mut model = ClusterModel::default();
        model.write(PmuReg::CountersOn, u64::MAX, 0);
        assert_eq!(model.read(PmuReg::CountersOff, 0), u64::from(IMPLEMENTED));
        model.write(PmuReg::Select, COUNTERS as u64, 0);
        model.write(PmuReg::EventCount, 5, 0);
        assert_eq!(model.read(PmuReg::EventCount, 0), 0);
        model.write(PmuReg::Events0, 0, 0);
        assert_eq!(model.read(PmuReg::Events0, 0), 1 << 0x11 | 1 << 0x19 | 1 << 0x1d);
        assert_eq!(model.read(PmuReg::Events1, 0), 0b1111 << 9);
        assert_eq!(model.next_overflow(), None);
    }

    #[test]
    fn an_event_that_is_not_modelled_never_happens() {
        let mut model = counting(0x123, 7, 0);
        assert_eq!(model.read(PmuReg::EventCount, 1 << 50), 7);
        assert_eq!(model.next_overflow(), None);
    }

    #[test]
    fn the_cycle_counter_wraps_at_64_bits() {
        let mut model = counting(0x123, 0, 0);
        model.write(PmuReg::Cycles, u64::MAX - 31, 0);
        model.write(PmuReg::InterruptsOn, u64::from(CYCLE_BIT), 0);
        assert_eq!(model.next_overflow(), Some(2));
        assert_eq!((model.read(PmuReg::Cycles, 3), model.line(3)), (16, true));
    }
}
