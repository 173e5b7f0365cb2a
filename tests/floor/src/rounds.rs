//! The rounds: all APs on, all APs off, at once or one after the other.

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;

use smccc::psci::{AffinityState, Error as Refusal};

use crate::clock::{self, DEADLINE_S};
use crate::cpus::{Ap, Aps};
use crate::report::{self, Floor};
use crate::watch::{ALIVE, LEAVING, WATCH, yield_until};
use crate::{entry, gic, psci};

const WARM_ROUNDS: usize = 5;

/// A mode whose cold round took longer than this gets one warm round.
const SLOW_NS: u64 = 2_000_000_000;

/// Yields between two AFFINITY_INFO calls: each takes QEMU's big lock, which the AP needs too in
/// order to go.
const YIELDS_PER_CALL: usize = 100;

/// AFFINITY_INFO calls between two looks at the clock.
const CALLS_PER_LOOK: usize = 64;

/// Why the measurement stopped.
pub enum Error {
    /// AFFINITY_INFO knows no second CPU.
    NoAps,
    /// No GICv3.
    NoGic,
    /// CPU_ON of this MPIDR failed.
    Refused(u64, Refusal),
    /// APs did not do something before the deadline: what, the first one's MPIDR, how many others.
    Missing(&'static str, u64, usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAps => write!(f, "one CPU only: give QEMU -smp 2 or more"),
            Self::NoGic => write!(f, "no GICv3: give QEMU -M virt,gic-version=3"),
            Self::Refused(mpidr, why) => write!(f, "CPU_ON of MPIDR {mpidr:#x}: {why}"),
            Self::Missing(what, mpidr, others) => {
                write!(f, "MPIDR {mpidr:#x} and {others} others not {what} after {DEADLINE_S} s")
            }
        }
    }
}

/// How the APs come and go.
struct Mode {
    name: &'static str,
    /// CPU_ONs that each CPU makes, the boot CPU included.
    kicks: usize,
    /// Each AP leaves its part of the GIC quiet and asleep.
    quiet: bool,
    up: fn(&Mode, &Aps) -> Result<(), Error>,
    off: fn(&Aps) -> Result<(), Error>,
}

/// Parallel is what a kernel does whose boot CPU kicks all; the next two let CPUs that are up kick
/// others, two each or one each. Under `thread=single` they are far faster with many CPUs: there
/// each CPU_ON ends the caller's turn, and a round of all CPUs must pass before its next one.
///
/// Quiet is parallel, and each AP closes its CPU interface, drops what is pending at its
/// redistributor and puts that to sleep: what any kernel has to do that leaves a clean GIC behind.
const MODES: [Mode; 5] = [
    Mode { name: "parallel", kicks: usize::MAX, quiet: false, up: up_at_once, off: off_at_once },
    Mode { name: "quiet", kicks: usize::MAX, quiet: true, up: up_at_once, off: off_at_once },
    Mode { name: "fanout", kicks: 2, quiet: false, up: up_at_once, off: off_at_once },
    Mode { name: "chain", kicks: 1, quiet: false, up: up_at_once, off: off_at_once },
    Mode { name: "serial", kicks: 0, quiet: false, up: up_serial, off: off_serial },
];

/// Measures all rounds of all modes and prints a record after each. A mode's first round is its
/// cold one; what an earlier mode ran too (an AP's whole life, say) is warm by then.
///
/// # Errors
/// The first AP that did not do its part.
pub fn run() -> Result<(), Error> {
    if !gic::present() {
        return Err(Error::NoGic);
    }
    let aps = Aps::find();
    if aps.iter().next().is_none() {
        return Err(Error::NoAps);
    }
    gic::set_up(aps.cpus());
    MODES.iter().try_for_each(|mode| rounds(mode, &aps))
}

fn rounds(mode: &Mode, aps: &Aps) -> Result<(), Error> {
    let cold = round(mode, aps, false)?;
    let warm = if cold > SLOW_NS { 1 } else { WARM_ROUNDS };
    (0..warm).try_for_each(|_| round(mode, aps, true).map(drop))
}

/// One round; its length in nanoseconds.
fn round(mode: &Mode, aps: &Aps, warm: bool) -> Result<u64, Error> {
    aps.reset(mode.kicks, mode.quiet);
    gic::wake_redistributors(aps.cpus());
    gic::clear_all_sgis(aps.cpus());
    clock::set_alarm(clock::deadline());
    let up_ns = timed(|| (mode.up)(mode, aps))?;
    let off_ns = timed(|| (mode.off)(aps))?;
    report::floor(&Floor { cpus: aps.iter().count(), mode: mode.name, warm, up_ns, off_ns });
    Ok(up_ns + off_ns)
}

fn timed(act: impl FnOnce() -> Result<(), Error>) -> Result<u64, Error> {
    let begin = clock::now();
    act()?;
    Ok(clock::nanoseconds(clock::now() - begin))
}

/// The AP that is kicked last is watched first.
fn up_at_once(mode: &Mode, aps: &Aps) -> Result<(), Error> {
    aps.iter().take(mode.kicks).try_for_each(|ap| kick(&ap))?;
    all(aps, "alive", |ap| WATCH.wait(ap.slot, ALIVE), |ap| ap.slot.reached(ALIVE))
}

fn off_at_once(aps: &Aps) -> Result<(), Error> {
    aps.iter().for_each(|ap| ap.slot.leave.store(1, Relaxed));
    gic::wake_others();
    all(aps, "awake", |ap| WATCH.wait(ap.slot, LEAVING), |ap| ap.slot.reached(LEAVING))?;
    all(aps, "OFF", wait_off, is_off)
}

/// Waits for all APs, last first; when one is missing, names the first and counts the others.
fn all(
    aps: &Aps,
    what: &'static str,
    wait: fn(&Ap) -> bool,
    done: fn(&Ap) -> bool,
) -> Result<(), Error> {
    if aps.iter().rev().all(|ap| wait(&ap)) {
        return Ok(());
    }
    let mut missing = aps.iter().filter(|ap| !done(ap)).map(|ap| ap.mpidr);
    // All came between the deadline and now.
    let Some(first) = missing.next() else { return Ok(()) };
    Err(Error::Missing(what, first, missing.count()))
}

fn up_serial(_: &Mode, aps: &Aps) -> Result<(), Error> {
    aps.iter().try_for_each(|ap| {
        kick(&ap)?;
        one(&ap, "alive", WATCH.wait(ap.slot, ALIVE))
    })
}

fn off_serial(aps: &Aps) -> Result<(), Error> {
    aps.iter().try_for_each(|ap| {
        ap.slot.leave.store(1, Relaxed);
        gic::wake(ap.mpidr);
        one(&ap, "awake", WATCH.wait(ap.slot, LEAVING))?;
        one(&ap, "OFF", wait_off(&ap))
    })
}

fn one(ap: &Ap, what: &'static str, done: bool) -> Result<(), Error> {
    if done { Ok(()) } else { Err(Error::Missing(what, ap.mpidr, 0)) }
}

fn kick(ap: &Ap) -> Result<(), Error> {
    psci::cpu_on(ap.mpidr, entry::ap_address(), ap.slot.address())
        .map_err(|why| Error::Refused(ap.mpidr, why))
}

/// Asks until the AP is OFF: it is on its way to CPU_OFF, and nobody tells us when it gets there.
/// False if the deadline passed first.
fn wait_off(ap: &Ap) -> bool {
    if asked_off(ap) {
        return true;
    }
    let deadline = clock::deadline();
    while !clock::expired(deadline) {
        if asked_off(ap) {
            return true;
        }
    }
    false
}

fn asked_off(ap: &Ap) -> bool {
    (0..CALLS_PER_LOOK).any(|_| is_off(ap) || yield_until(YIELDS_PER_CALL, || false))
}

fn is_off(ap: &Ap) -> bool {
    psci::affinity_info(ap.mpidr) == Ok(AffinityState::Off)
}
