//! The counters of one cluster: which events are open, their totals, and the registers behind them.
//!
//! Every method that takes the machine runs inside the cluster's gate, on a CPU of the cluster. All
//! fields are relaxed. The gate orders its holders. A CPU that reads totals from outside is ordered
//! by the mail (`Mail::collect`), or by the operation that stopped the counters.
//!
//! An event counter has 32 bits, a total has 64. The hardware's counter is never written while it
//! counts; instead each look adds the difference to the last look (`fold`). A look is made at each
//! overflow, at each request, and when the counters stop. Between two looks a counter may wrap
//! once: it starts half way up, and the overflow interrupt comes at each wrap.

use super::events::{CHAIN, CYCLES, LISTED};
use super::mail::{Answer, Refusal};
use crate::machine::pmu::{ClusterPmu, PmuReg};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

const ENABLE: u64 = 1; // CLUSTERPMCR.E
const RESET: u64 = 1 << 1 | 1 << 2; // CLUSTERPMCR.P and .C: all counters to zero
const ALL: u64 = 0xffff_ffff;

/// Place 0 is the cycle counter, the others are event counters 0, 1, ...
#[cfg(not(loom))]
pub(super) const PLACES: usize = 32;
#[cfg(loom)]
pub(super) const PLACES: usize = 2; // a model with fewer words has fewer states

/// The cycle counter's place, as a mask.
const CYCLES_PLACE: u32 = 1;

/// Bit of the cycle counter in the registers that have one bit per counter.
const CYCLES_BIT: u32 = 31;

/// Start value of an event counter: half way, so that there is as much time to answer the first
/// overflow as there is before it.
const START: u64 = 1 << 31;

const OPEN: u32 = 1 << 16;
const WRAP: u64 = 1 << 32;

/// One counter.
struct CounterSlot {
    /// [`OPEN`] and the event, or 0.
    event: AtomicU32,
    /// Counted since the event was opened, up to `seen`. Stays when the event is closed.
    total: AtomicU64,
    /// The register's value at the last look.
    seen: AtomicU64,
}

/// The counters.
pub(super) struct Counters {
    slots: [CounterSlot; PLACES],
    /// Places that are open, one bit each: those whose `event` has [`OPEN`].
    open: AtomicU32,
    /// 1 while the registers are set up by an owner.
    running: AtomicU32,
    /// Event counters, plus one; 0 as long as no CPU of the cluster has looked.
    size: AtomicU32,
    /// 1 if the undefined-instruction handler stands in for the registers.
    emulated: AtomicU32,
    /// CLUSTERPMCEID1 : CLUSTERPMCEID0.
    has: AtomicU64,
    /// For people.
    overflows: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        let word = || AtomicU32::new(0);
        let slot =
            |_| CounterSlot { event: word(), total: AtomicU64::new(0), seen: AtomicU64::new(0) };
        Self {
            slots: core::array::from_fn(slot),
            open: word(),
            running: word(),
            size: word(),
            emulated: word(),
            has: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
        }
    }
}

impl Counters {
    /// True while an owner has the registers set up.
    pub(super) fn running(&self) -> bool {
        self.running.load(Relaxed) == 1
    }

    /// Event counters beside the cycle counter; `None` as long as no CPU of the cluster has looked.
    pub(super) fn size(&self) -> Option<u32> {
        self.size.load(Relaxed).checked_sub(1)
    }

    /// True if the registers are emulated.
    pub(super) fn emulated(&self) -> bool {
        self.emulated.load(Relaxed) == 1
    }

    /// Events below 0x40 that the cluster has, one bit each.
    pub(super) fn has(&self) -> u64 {
        self.has.load(Relaxed)
    }

    /// Overflows that were added to a total.
    pub(super) fn overflows(&self) -> u64 {
        self.overflows.load(Relaxed)
    }

    /// Open events with their totals as of the last look.
    pub(super) fn events(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let open = |slot: &CounterSlot| slot.event.load(Relaxed) & OPEN != 0;
        let slots = self.slots.iter().filter(move |slot| open(slot));
        slots.map(|slot| (slot.event.load(Relaxed) as u16, slot.total.load(Relaxed)))
    }

    /// The total of a place, also after the event was closed.
    pub(super) fn total(&self, place: u8) -> u64 {
        self.slots.get(usize::from(place)).map_or(0, |slot| slot.total.load(Relaxed))
    }

    /// Takes the registers over in any state, and goes on counting the open events.
    pub(super) fn start(&self, m: &dyn ClusterPmu) {
        // Silent first: the registers are programmed while nothing counts and nothing interrupts.
        silence(m);
        // Once in a kernel's life: what the cluster has does not change, and only a CPU of the
        // cluster can look.
        if self.size().is_none() {
            self.look(m);
        }
        let open = self.open.load(Relaxed);
        places(open).for_each(|place| self.program(m, place));
        self.enable(m, open);
        self.running.store(1, Relaxed);
    }

    /// Brings the totals up to now and leaves the registers silent. Without open events the
    /// registers are silent already.
    pub(super) fn stop(&self, m: &dyn ClusterPmu) {
        let open = self.open.load(Relaxed);
        if open != 0 {
            m.pmu_write(PmuReg::Control, 0); // first: all counters stop at the same moment
            self.fold(m);
            m.pmu_write(PmuReg::CountersOff, bits(open));
            interrupts(m, PmuReg::InterruptsOff, open);
        }
        self.running.store(0, Relaxed);
    }

    /// The last owner went without stopping the counters: the counts since the last look are lost.
    pub(super) fn begin_anew(&self, m: &dyn ClusterPmu) {
        silence(m);
        self.running.store(0, Relaxed);
    }

    /// Adds to each total what was counted since the last look. No counter is written, so no
    /// counter misses an event.
    pub(super) fn fold(&self, m: &dyn ClusterPmu) {
        let open = self.open.load(Relaxed);
        // The cycle counter has 64 bits, and needs no overflow flag.
        let overflow = open & !CYCLES_PLACE != 0;
        let lapsed = if overflow { m.pmu_read(PmuReg::OverflowSet) & bits(open) } else { 0 };
        if lapsed != 0 {
            // Before the counters are read: a counter that overflows from here on sets its bit
            // again.
            m.pmu_write(PmuReg::OverflowClear, lapsed);
        }
        places(open).for_each(|place| self.fold_one(m, place, lapsed));
    }

    /// Overflow interrupts again, for what is open.
    pub(super) fn rearm(&self, m: &dyn ClusterPmu) {
        interrupts(m, PmuReg::InterruptsOn, self.open.load(Relaxed));
    }

    /// Counts one more event. The counters run.
    pub(super) fn open(&self, m: &dyn ClusterPmu, event: u16) -> Answer {
        if !self.counts(event) {
            return Err(Refusal::NoEvent);
        }
        if self.place_of(event).is_some() {
            return Err(Refusal::AlreadyOpen);
        }
        let place = self.free_place(event).ok_or(Refusal::Full)?;
        let slot = &self.slots[place];
        slot.total.store(0, Relaxed);
        slot.event.store(OPEN | u32::from(event), Relaxed);
        self.open.store(self.open.load(Relaxed) | 1 << place, Relaxed);
        self.program(m, place);
        self.enable(m, 1 << place);
        Ok(place as u8)
    }

    /// Brings the total of an event up to now and counts it no longer. The counters run.
    pub(super) fn close(&self, m: &dyn ClusterPmu, event: u16) -> Answer {
        let place = self.place_of(event).ok_or(Refusal::NotOpen)?;
        // Off before the last look, so that the total is final.
        m.pmu_write(PmuReg::CountersOff, bits(1 << place));
        self.fold(m);
        interrupts(m, PmuReg::InterruptsOff, 1 << place);
        self.slots[place].event.store(0, Relaxed);
        let rest = self.open.load(Relaxed) & !(1 << place);
        self.open.store(rest, Relaxed);
        // The last one: the whole unit is off, as `stop` expects of a cluster without open events.
        if rest == 0 {
            m.pmu_write(PmuReg::Control, 0);
        }
        Ok(place as u8)
    }

    /// Finds out what the cluster has: event counters, the events that are listed, real registers.
    fn look(&self, m: &dyn ClusterPmu) {
        let counters = (m.pmu_read(PmuReg::Control) >> 11 & 0x1f) as usize;
        let listed = |register| m.pmu_read(register) & ALL;
        self.has.store(listed(PmuReg::Events0) | listed(PmuReg::Events1) << 32, Relaxed);
        self.emulated.store(u32::from(m.pmu_emulated()), Relaxed);
        self.size.store(counters.min(PLACES - 1) as u32 + 1, Relaxed);
    }

    /// Sets up a counter that is off. Its overflow flag is cleared too: a flag of an earlier event
    /// would count as a wrap of this one.
    fn program(&self, m: &dyn ClusterPmu, place: usize) {
        let slot = &self.slots[place];
        let from = if place == 0 { 0 } else { START };
        if place == 0 {
            m.pmu_write(PmuReg::Cycles, from);
        } else {
            m.pmu_write(PmuReg::Select, place as u64 - 1);
            m.pmu_write(PmuReg::EventType, u64::from(slot.event.load(Relaxed) as u16));
            m.pmu_write(PmuReg::EventCount, from);
        }
        m.pmu_write(PmuReg::OverflowClear, bits(1 << place));
        slot.seen.store(from, Relaxed);
    }

    /// Turns programmed counters on, and their overflow interrupts. The whole unit comes last, so
    /// that all counters begin at the same moment if the unit was off.
    fn enable(&self, m: &dyn ClusterPmu, places: u32) {
        if places != 0 {
            interrupts(m, PmuReg::InterruptsOn, places);
            m.pmu_write(PmuReg::CountersOn, bits(places));
            m.pmu_write(PmuReg::Control, ENABLE);
        }
    }

    /// Adds what one counter has counted since the last look. `lapsed` has the overflow flags as
    /// read and cleared before; a value below the last one shows a wrap that came after that.
    fn fold_one(&self, m: &dyn ClusterPmu, place: usize, lapsed: u64) {
        let slot = &self.slots[place];
        let (seen, bit) = (slot.seen.load(Relaxed), bits(1 << place));
        let now = read(m, place);
        let wrapped = lapsed & bit != 0 || now < seen;
        if wrapped && lapsed & bit == 0 {
            // The counter overflowed after the flags were read: this overflow is counted here, and
            // its flag cleared.
            m.pmu_write(PmuReg::OverflowClear, bit);
        }
        // The 64-bit cycle counter needs no correction: its difference is right by itself.
        let wrap = if wrapped && place != 0 { WRAP } else { 0 };
        let counted = now.wrapping_sub(seen).wrapping_add(wrap);
        slot.total.store(slot.total.load(Relaxed).wrapping_add(counted), Relaxed);
        slot.seen.store(now, Relaxed);
        self.overflows.store(self.overflows.load(Relaxed) + u64::from(wrapped), Relaxed);
    }

    /// True if the cluster may be asked for this event. No register tells whether the cluster has
    /// an event from [`LISTED`] on, so any of these is accepted.
    fn counts(&self, event: u16) -> bool {
        let listed = event < LISTED && self.has() >> event & 1 == 1;
        event == CYCLES || event != CHAIN && (listed || event >= LISTED)
    }

    fn place_of(&self, event: u16) -> Option<usize> {
        let wanted = OPEN | u32::from(event);
        self.slots.iter().position(|slot| slot.event.load(Relaxed) == wanted)
    }

    /// A place that is free. Cycles have place 0 for themselves, and are counted nowhere else.
    fn free_place(&self, event: u16) -> Option<usize> {
        let open = self.open.load(Relaxed);
        let mut events = 1..=self.size()? as usize;
        if event == CYCLES { Some(0) } else { events.find(|place| open >> place & 1 == 0) }
    }
}

/// Turns the overflow interrupts of places on or off. The cycle counter's interrupt is never on: 64
/// bits last for centuries, and the counter is read long before.
fn interrupts(m: &dyn ClusterPmu, register: PmuReg, places: u32) {
    if places & !CYCLES_PLACE != 0 {
        m.pmu_write(register, bits(places & !CYCLES_PLACE));
    }
}

/// Nothing counts and nothing interrupts, whatever was there before.
fn silence(m: &dyn ClusterPmu) {
    m.pmu_write(PmuReg::Control, RESET);
    m.pmu_write(PmuReg::CountersOff, ALL);
    m.pmu_write(PmuReg::InterruptsOff, ALL);
    m.pmu_write(PmuReg::OverflowClear, ALL);
}

/// The register of a place.
fn read(m: &dyn ClusterPmu, place: usize) -> u64 {
    if place == 0 {
        return m.pmu_read(PmuReg::Cycles);
    }
    m.pmu_write(PmuReg::Select, place as u64 - 1);
    m.pmu_read(PmuReg::EventCount) & ALL
}

/// Places as the registers have them: counter n in bit n, cycles in bit 31.
fn bits(places: u32) -> u64 {
    u64::from(places >> 1 | (places & 1) << CYCLES_BIT)
}

fn places(mut mask: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (place < 32).then_some(place as usize)
    })
}
