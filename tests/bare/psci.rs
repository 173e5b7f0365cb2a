//! PSCI (Arm DEN 0022) of a bare payload, by the conduit that QEMU virt has for the exception level
//! we run at: HVC at EL1, SMC at EL2.

use aarch64_cpu::asm;
use aarch64_cpu::registers::{CurrentEL, Readable};
use smccc::psci::{self, AffinityState, Error, LowestAffinityLevel};
use smccc::{Hvc, Smc};

fn by_smc() -> bool {
    CurrentEL.read(CurrentEL::EL) == 2
}

/// CPU_ON: the CPU starts at `entry` with `context` in x0.
///
/// # Errors
/// What the firmware answered.
pub fn cpu_on(mpidr: u64, entry: u64, context: u64) -> Result<(), Error> {
    if by_smc() {
        psci::cpu_on::<Smc>(mpidr, entry, context)
    } else {
        psci::cpu_on::<Hvc>(mpidr, entry, context)
    }
}

/// AFFINITY_INFO of one CPU.
///
/// # Errors
/// What the firmware answered; INVALID_PARAMETERS when there is no such CPU.
pub fn affinity_info(mpidr: u64) -> Result<AffinityState, Error> {
    let level = LowestAffinityLevel::All;
    if by_smc() {
        psci::affinity_info::<Smc>(mpidr, level)
    } else {
        psci::affinity_info::<Hvc>(mpidr, level)
    }
}

/// CPU_OFF. If the firmware refuses, the CPU sleeps.
pub fn cpu_off() -> ! {
    let _ = if by_smc() { psci::cpu_off::<Smc>() } else { psci::cpu_off::<Hvc>() };
    sleep()
}

/// SYSTEM_OFF. If the firmware refuses, there is nothing left to do but sleep.
pub fn power_off() -> ! {
    let _ = if by_smc() { psci::system_off::<Smc>() } else { psci::system_off::<Hvc>() };
    sleep()
}

fn sleep() -> ! {
    loop {
        asm::wfi();
    }
}
