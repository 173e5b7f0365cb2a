//! The PL031 real-time clock (Arm DDI 0224, chapter 3): a counter of seconds, and one alarm.

use super::mmio::{self, Block, ReadOnly, ReadWrite, WriteOnly};
use super::regs;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;

register_structs! {
    Pl031 {
        /// RTCDR: seconds.
        (0x00 => data: ReadOnly<u32>),
        /// RTCMR: the second of the alarm.
        (0x04 => matches: ReadWrite<u32>),
        /// RTCLR: sets the counter; never written, the time is others' too.
        (0x08 => _load),
        /// RTCCR: bit 0 starts the counter.
        (0x0c => control: ReadWrite<u32>),
        /// RTCIMSC: bit 0 lets the alarm interrupt.
        (0x10 => unmask: ReadWrite<u32>),
        /// RTCRIS: bit 0 is set when the alarm has rung, masked or not.
        (0x14 => raw: ReadOnly<u32>),
        /// RTCMIS: the same bit, 0 while masked.
        (0x18 => masked: ReadOnly<u32>),
        /// RTCICR: bit 0 ends the ringing.
        (0x1c => clear: WriteOnly<u32>),
        (0x20 => @END),
    }
}

// SAFETY: all fields are registers.
unsafe impl Block for Pl031 {}

/// The one bit that all control registers have.
const ALARM: u32 = 1;

/// How often a second may pass between reading the clock and setting the alarm.
const TRIES: u32 = 3;

/// A PL031. One owner at a time.
pub struct Rtc {
    registers: &'static Pl031,
    /// The second for which the alarm was set when the clock was stopped.
    stopped_at: u32,
}

impl Rtc {
    /// Takes over the clock, and ends what an earlier kernel has left. True if that was something.
    /// `None` if the registers are too few for a PL031.
    pub fn start(registers: mmio::Registers) -> Option<(Self, bool)> {
        let clock = Self { registers: registers.block(0)?, stopped_at: 0 };
        let registers = clock.registers();
        let left = registers.unmask.get() & ALARM != 0;
        clock.quiet();
        if registers.control.get() & ALARM == 0 {
            registers.control.set(ALARM);
        }
        Some((clock, left))
    }

    /// Rings in so many seconds. If a second passes in the middle, so that the clock is past the
    /// alarm before that is set, a later one is set.
    pub fn set(&self, seconds: u32) {
        let registers = self.registers();
        registers.unmask.set(ALARM);
        for _ in 0..TRIES {
            let at = registers.data.get().wrapping_add(seconds.max(1));
            registers.matches.set(at);
            let ahead = at.wrapping_sub(registers.data.get()) as i32 > 0;
            if ahead || self.rings() {
                return;
            }
        }
    }

    /// True if the alarm has rung and has not been silenced.
    pub fn rings(&self) -> bool {
        self.registers().masked.get() & ALARM != 0
    }

    /// No alarm any more: the line is low when this returns.
    pub fn quiet(&self) {
        let registers = self.registers();
        registers.unmask.set(0);
        registers.clear.set(ALARM);
        regs::dsb_sy(); // the writes have reached the clock before the interrupt is ended
    }

    /// No alarm, and the registers as after power-on; [`Self::resume`] knows what there was.
    pub fn stop(&mut self) {
        self.stopped_at = self.registers().matches.get();
        self.quiet();
        self.registers().matches.set(0);
        self.registers().clear.set(ALARM);
    }

    /// Sets the alarm for the second that it had when stopped, or, if that has passed, for the next
    /// second.
    pub fn resume(&self) {
        let registers = self.registers();
        let ahead = self.stopped_at.wrapping_sub(registers.data.get()) as i32;
        self.set(u32::try_from(ahead).unwrap_or(0));
    }

    fn registers(&self) -> &'static Pl031 {
        self.registers
    }
}
