//! The other CPUs.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use smccc::psci::{AffinityState, Error};

use crate::console::{item, of};
use crate::{entry, gic, mrs, psci, registers};

/// The context of an AP that is not to say anything.
const SILENT: u64 = u64::MAX;

/// Seconds after which a CPU that is leaving is given up. Under a KVM that is translated itself each
/// character of a CPU takes a millisecond.
const PATIENCE: u64 = 30;

/// CPU_ONs whose CPU has said its last. With the MMU off plain loads and stores are in order enough:
/// one CPU writes at a time. AFFINITY_INFO may say OFF for a while after CPU_ON.
static GONE: AtomicU64 = AtomicU64::new(0);

/// What the firmware answered, as the number that it is. Affinities are the CPUs' numbers: QEMU virt
/// has 16 of them in a cluster with a GICv3, 8 with a GICv2, and tests have no more than 8.
fn number(answer: Result<u64, Error>) -> u64 {
    answer.unwrap_or_else(|why| i64::from(why) as u64)
}

/// This CPU's number.
pub fn own() -> u64 {
    mrs!("mpidr_el1").unwrap_or(0) & 0xff
}

/// How many CPUs there are.
pub fn count() -> u64 {
    (0..8).take_while(|&cpu| psci::affinity_info(cpu) != Err(Error::InvalidParameters)).count()
        as u64
}

fn state(cpu: u64) -> u64 {
    number(psci::affinity_info(cpu).map(|state| state as u64))
}

fn is_off(cpu: u64) -> bool {
    psci::affinity_info(cpu) == Ok(AffinityState::Off)
}

/// Turns a CPU on at an address.
pub fn on(cpu: u64, entry: u64) -> u64 {
    number(psci::cpu_on(cpu, entry, cpu).map(|()| 0))
}

/// Turns a CPU on, which turns itself off without a word.
pub fn on_and_off(cpu: u64) {
    let gone = GONE.load(SeqCst);
    let _ = psci::cpu_on(cpu, entry::ap_address(), SILENT); // `went` finds out
    went(cpu, gone);
}

/// Turns this AP off.
fn off() -> ! {
    GONE.store(GONE.load(SeqCst) + 1, SeqCst);
    psci::cpu_off()
}

/// Waits until the CPU that came last has said its last and is OFF; false if it does not get there.
fn went(cpu: u64, before: u64) -> bool {
    within(|| GONE.load(SeqCst) != before) && within(|| is_off(cpu))
}

/// True once it is so; false if it is not in time.
fn within(so: impl Fn() -> bool) -> bool {
    let now = || mrs!("cntvct_el0").unwrap_or(0);
    let end = now() + PATIENCE * mrs!("cntfrq_el0").unwrap_or(0);
    loop {
        if so() {
            return true;
        }
        if now() > end {
            return false;
        }
    }
}

/// What firmware says of each CPU; then each of those that are OFF says what it finds itself.
pub fn show() {
    let (own, count) = (own(), count());
    item("cpus", count);
    (0..count).for_each(|cpu| of("cpu", cpu, ".affinity_info", state(cpu)));
    for cpu in (0..count).filter(|&cpu| cpu != own && is_off(cpu)) {
        let gone = GONE.load(SeqCst);
        let answer = on(cpu, entry::ap_address());
        let went = went(cpu, gone);
        of("cpu", cpu, ".cpu_on", answer);
        of("cpu", cpu, ".came_and_went", went.into());
    }
}

/// An AP: says what it finds, and goes.
pub extern "C" fn secondary(cpu: u64, daif: u64) -> ! {
    if cpu == SILENT {
        off();
    }
    of("cpu", cpu, ".level", registers::level());
    of("cpu", cpu, ".daif", daif);
    let value = |register: Option<u64>| register.unwrap_or(0);
    of("cpu", cpu, ".cntv_ctl_el0", value(mrs!("cntv_ctl_el0")));
    of("cpu", cpu, ".cntkctl_el1", value(mrs!("cntkctl_el1")));
    of("cpu", cpu, ".tpidr_el1", value(mrs!("tpidr_el1")));
    of("cpu", cpu, ".icc_igrpen1_el1", value(mrs!("S3_0_C12_C12_7")));
    of("cpu", cpu, ".icc_hppir1_el1", value(mrs!("S3_0_C12_C12_2")));
    if !gic::is_v3() {
        gic::show_banked(cpu);
    }
    off()
}
