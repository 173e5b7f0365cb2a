//! The other CPUs, by PSCI (Arm DEN 0022): HVC at EL1, SMC at EL2, as QEMU virt has it.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::console::{item, of};
use crate::{entry, gic, mrs, registers};

const CPU_OFF: u64 = 0x8400_0002;
const CPU_ON: u64 = 0xc400_0003;
const AFFINITY_INFO: u64 = 0xc400_0004;
const SYSTEM_OFF: u64 = 0x8400_0008;
const OFF: u64 = 1;
const INVALID_PARAMETERS: u64 = -2_i64 as u64;

/// The context of an AP that is not to say anything.
const SILENT: u64 = u64::MAX;

/// Seconds after which a CPU that is leaving is given up. Under a KVM that is translated itself each
/// character of a CPU takes a millisecond.
const PATIENCE: u64 = 30;

/// CPU_ONs whose CPU has said its last. With the MMU off plain loads and stores are in order enough:
/// one CPU writes at a time. AFFINITY_INFO may say OFF for a while after CPU_ON.
static GONE: AtomicU64 = AtomicU64::new(0);

fn call(function: u64, arguments: [u64; 3]) -> u64 {
    let [x1, x2, x3] = arguments;
    let result;
    // SAFETY: a call of firmware, with the registers that it may change declared.
    unsafe {
        if registers::level() == 2 {
            asm!("smc #0", inout("x0") function => result, inout("x1") x1 => _, inout("x2") x2 => _,
                inout("x3") x3 => _, out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _,
                out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _,
                out("x15") _, out("x16") _, out("x17") _);
        } else {
            asm!("hvc #0", inout("x0") function => result, inout("x1") x1 => _, inout("x2") x2 => _,
                inout("x3") x3 => _, out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _,
                out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _,
                out("x15") _, out("x16") _, out("x17") _);
        }
    }
    result
}

/// Affinity of QEMU virt's CPU with this number; 16 of them in a cluster with a GICv3, 8 with a
/// GICv2. Tests have no more than 8.
fn mpidr(cpu: u64) -> u64 {
    cpu
}

/// This CPU's number.
pub fn own() -> u64 {
    mrs!("mpidr_el1").unwrap_or(0) & 0xff
}

/// How many CPUs there are.
pub fn count() -> u64 {
    (0..8).take_while(|&cpu| state(cpu) != INVALID_PARAMETERS).count() as u64
}

fn state(cpu: u64) -> u64 {
    call(AFFINITY_INFO, [mpidr(cpu), 0, 0])
}

/// Turns a CPU on at an address.
pub fn on(cpu: u64, entry: u64) -> u64 {
    call(CPU_ON, [mpidr(cpu), entry, cpu])
}

/// Turns a CPU on, which turns itself off without a word.
pub fn on_and_off(cpu: u64) {
    let gone = GONE.load(SeqCst);
    call(CPU_ON, [mpidr(cpu), entry::ap_address(), SILENT]);
    went(cpu, gone);
}

/// Turns this AP off.
fn off() -> ! {
    GONE.store(GONE.load(SeqCst) + 1, SeqCst);
    call(CPU_OFF, [0; 3]);
    stop()
}

/// Ends the machine.
pub fn power_off() -> ! {
    call(SYSTEM_OFF, [0; 3]);
    stop()
}

fn stop() -> ! {
    loop {
        // SAFETY: only waits.
        unsafe { asm!("wfi") };
    }
}

/// Waits until the CPU that came last has said its last and is OFF; false if it does not get there.
fn went(cpu: u64, before: u64) -> bool {
    within(|| GONE.load(SeqCst) != before) && within(|| state(cpu) == OFF)
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
    for cpu in (0..count).filter(|&cpu| cpu != own && state(cpu) == OFF) {
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
