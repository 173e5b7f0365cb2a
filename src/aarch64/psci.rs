//! PSCI through the conduit that the device tree names (crate smccc makes the calls).

use core::sync::atomic::{AtomicU8, Ordering};

use smccc::psci::{self, AffinityState, LowestAffinityLevel};
use smccc::{Call, Hvc, Smc};

use crate::cpu::Mpidr;
use crate::machine::{Affinity, PsciError};
use crate::platform::Conduit;

/// How firmware is called, once it is known.
static CONDUIT: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const HVC: u8 = 1;
const SMC: u8 = 2;
/// Not known yet, and HVC is not the way: it would lead to the stub that this kernel has at EL2.
const NONE: u8 = 3;

/// The conduit found at run time.
struct Firmware;

impl Call for Firmware {
    /// Through the 64-bit form, which tells the compiler that x0 to x17 may change: PSCI 0.2
    /// promises no more (SMCCC 1.0; from 1.1 on x4 to x17 stay). A 32-bit function looks at the
    /// lower halves of its arguments only, and the lower half of a result is the result.
    fn call32(function: u32, args: [u32; 7]) -> [u32; 8] {
        let wide = core::array::from_fn(|i| args.get(i).copied().map_or(0, u64::from));
        let results = Self::call64(function, wide);
        core::array::from_fn(|i| results[i] as u32)
    }

    fn call64(function: u32, args: [u64; 17]) -> [u64; 18] {
        if CONDUIT.load(Ordering::Relaxed) == SMC {
            Smc::call64(function, args)
        } else {
            Hvc::call64(function, args)
        }
    }
}

/// Chooses the conduit. Boot CPU, before any call.
pub fn set_conduit(conduit: Conduit) {
    CONDUIT.store(if conduit == Conduit::Smc { SMC } else { HVC }, Ordering::Relaxed);
}

/// Tells at which exception level the kernel was entered. Boot CPU, first of all.
pub fn entered_at(level: u32) {
    CONDUIT.store(if level == 2 { NONE } else { UNKNOWN }, Ordering::Relaxed);
}

/// True if a call can reach firmware. Before the conduit is known it is HVC, which a hypervisor answers;
/// but a kernel that was entered at EL2 would only call its own stub.
pub fn can_be_called() -> bool {
    CONDUIT.load(Ordering::Relaxed) != NONE
}

/// True if firmware is called by SMC.
pub fn by_smc() -> bool {
    CONDUIT.load(Ordering::Relaxed) == SMC
}

/// What a call that should not have come back has answered, by its x0. A 32-bit function answers in
/// the lower half.
pub fn answer(x0: u64) -> PsciError {
    let code = x0 as u32 as i32;
    PsciError::from_code(code).unwrap_or(PsciError::Unknown(code))
}

/// PSCI_VERSION as (major, minor).
///
/// # Errors
/// Firmware does not know the call: there is no PSCI 0.2 or later behind this conduit.
pub fn version() -> Result<(u32, u32), PsciError> {
    let version = psci::version::<Firmware>().map_err(named)?;
    Ok((u32::from(version.major), u32::from(version.minor)))
}

/// CPU_ON.
///
/// # Safety
/// The code at physical address `entry` establishes all that the kernel relies on, with the MMU off
/// and from the physical address `context` alone.
///
/// # Errors
/// What firmware answered.
pub unsafe fn cpu_on(target: Mpidr, entry: u64, context: u64) -> Result<(), PsciError> {
    psci::cpu_on::<Firmware>(target.value(), entry, context).map_err(named)
}

/// CPU_OFF of the calling CPU; returns only if firmware denies the call.
pub fn cpu_off() -> PsciError {
    match psci::cpu_off::<Firmware>() {
        Err(error) => named(error),
        Ok(()) => PsciError::Unknown(0),
    }
}

/// AFFINITY_INFO of one CPU.
///
/// # Errors
/// What firmware answered.
pub fn affinity_info(target: Mpidr) -> Result<Affinity, PsciError> {
    let level = LowestAffinityLevel::All;
    psci::affinity_info::<Firmware>(target.value(), level).map_err(named).map(|state| match state {
        AffinityState::On => Affinity::On,
        AffinityState::Off => Affinity::Off,
        AffinityState::OnPending => Affinity::OnPending,
    })
}

/// SYSTEM_OFF; returns only if firmware can't.
pub fn system_off() -> PsciError {
    psci::system_off::<Firmware>().map_or_else(named, |()| PsciError::Unknown(0))
}

/// SYSTEM_RESET; returns only if firmware can't.
pub fn system_reset() -> PsciError {
    psci::system_reset::<Firmware>().map_or_else(named, |()| PsciError::Unknown(0))
}

fn named(error: psci::Error) -> PsciError {
    let code = i32::try_from(i64::from(error)).unwrap_or(i32::MIN);
    PsciError::from_code(code).unwrap_or(PsciError::Unknown(code))
}
