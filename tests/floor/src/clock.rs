//! The virtual counter, and the virtual timer as an alarm that ends a WFI which nobody else ends.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, Readable, Writeable,
};

/// How long any one CPU may keep the boot CPU waiting, seconds.
pub const DEADLINE_S: u64 = 30;

/// When the timer is set to fire, counter ticks; it is moved only when it has fired, because
/// setting a timer wakes QEMU's main loop.
static ALARM: AtomicU64 = AtomicU64::new(0);

/// CNTVCT_EL0. Costs QEMU's big lock under MTTCG, so it is read at most once per wake-up.
pub fn now() -> u64 {
    barrier::isb(barrier::SY);
    CNTVCT_EL0.get()
}

/// Counter ticks as nanoseconds.
pub fn nanoseconds(ticks: u64) -> u64 {
    let hz = CNTFRQ_EL0.get();
    ticks / hz * 1_000_000_000 + ticks % hz * 1_000_000_000 / hz
}

/// The moment until which a wait that begins now may last.
pub fn deadline() -> u64 {
    now() + DEADLINE_S * CNTFRQ_EL0.get()
}

/// Sets the alarm for `at`.
pub fn set_alarm(at: u64) {
    ALARM.store(at, Relaxed);
    CNTV_CVAL_EL0.set(at);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
}

/// Whether `deadline` has passed. An alarm of an earlier wait is moved to this one.
pub fn expired(deadline: u64) -> bool {
    let now = now();
    if now >= ALARM.load(Relaxed) && now < deadline {
        set_alarm(deadline);
    }
    now >= deadline
}
