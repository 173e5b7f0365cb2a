//! The generic counter and this CPU's virtual timer.

use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTKCTL_EL1, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, ReadWriteable, Readable,
    Writeable,
};

use super::regs;

/// The counter; the ISB keeps the read behind all earlier instructions.
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
    // ISB: the timer is armed before the caller sleeps.
    regs::isb();
}

/// Turns the timer off.
pub fn disarm() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR + CNTV_CTL_EL0::IMASK::SET);
    // ISB: the timer is off before this returns.
    regs::isb();
}

/// Lets an event end every WFE of this CPU after a millisecond at most (Arm ARM D11.2.4).
pub fn start_event_stream() {
    let bit = (hz() / 1000).max(2).ilog2() - 1;
    CNTKCTL_EL1.modify(CNTKCTL_EL1::EVNTI.val(u64::from(bit.min(15))) + CNTKCTL_EL1::EVNTEN::SET);
    // ISB: the stream is on before the first WFE that relies on it.
    regs::isb();
}

/// The timer has fired: silences its line until the timer is armed again.
pub fn silence() {
    CNTV_CTL_EL0.modify(CNTV_CTL_EL0::IMASK::SET);
    // ISB: the line is low before the handler returns and the interrupt is ended.
    regs::isb();
}
