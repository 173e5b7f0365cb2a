//! The generic counter and this CPU's virtual timer.

use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, ReadWriteable, Readable, Writeable,
};

use super::regs;

/// The counter; not read ahead of what comes before it.
pub fn now() -> u64 {
    regs::isb();
    CNTVCT_EL0.get()
}

/// Ticks per second.
pub fn hz() -> u64 {
    CNTFRQ_EL0.get().max(1)
}

/// Fires this CPU's timer at `deadline`.
pub fn arm(deadline: u64) {
    CNTV_CVAL_EL0.set(deadline);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
    regs::isb();
}

/// Turns the timer off.
pub fn disarm() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR + CNTV_CTL_EL0::IMASK::SET);
    regs::isb();
}

/// The timer has fired: silences its line until it is armed again.
pub fn silence() {
    CNTV_CTL_EL0.modify(CNTV_CTL_EL0::IMASK::SET);
    regs::isb();
}
