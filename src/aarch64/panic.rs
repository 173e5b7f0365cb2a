//! The end of a kernel that can't go on: one report, for people and for programs, then off.
//!
//! Written straight to the UART whoever holds its lock, without allocation: the heap may be what
//! broke.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::{MPIDR_EL1, Readable};

use super::exceptions::{Frame, this_cpu};
use super::{board, boot, psci, regs, uart};
use crate::report::PREFIX;

/// MPIDR_EL1 of the CPU that reports, 0 if none does; a second one keeps quiet. (Bit 31 is RES1.)
static REPORTING: AtomicU64 = AtomicU64::new(0);

struct Raw;

impl Write for Raw {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        uart::write_unlocked(text);
        Ok(())
    }
}

/// Text inside a JSON string: quotes, backslashes and control characters escaped.
struct Escaped;

impl Write for Escaped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(Raw, "\\{c}")?,
                c if c < ' ' => write!(Raw, "\\u{:04x}", c as u32)?,
                c => write!(Raw, "{c}")?,
            }
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(place) => report(&info.message(), &place, None),
        None => report(&info.message(), &"unknown", None),
    }
}

/// Says what happened, where and on which CPU, and turns the machine off.
pub fn report(what: &dyn fmt::Display, place: &dyn fmt::Display, frame: Option<&Frame>) -> ! {
    regs::mask_all();
    let me = MPIDR_EL1.get();
    match REPORTING.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => uart::silence(),
        Err(other) if other == me => {
            off() // the report itself faulted: enough has been said
        }
        Err(_) => sleep(),
    }
    let _ = boot::console_of_last_resort();
    // Writing to the UART can't fail.
    let _ = write_report(what, place, frame);
    off()
}

/// Turns the machine off, if it is known how.
fn off() -> ! {
    if psci::can_be_called() {
        psci::system_off();
    }
    sleep()
}

fn write_report(
    what: &dyn fmt::Display,
    place: &dyn fmt::Display,
    frame: Option<&Frame>,
) -> fmt::Result {
    let cpu = this_cpu();
    let mark = cpu.and_then(board::mark).map_or("-", |mark| mark.name());
    write!(Raw, "\npanic on CPU ")?;
    match cpu {
        Some(cpu) => write!(Raw, "{cpu}")?,
        None => write!(Raw, "? (early)")?,
    }
    writeln!(Raw, " at {mark}: {what}\nat {place}")?;
    if let Some(frame) = frame {
        write!(Raw, "{frame}")?;
    }
    write!(Raw, "{PREFIX}{{\"v\":1,\"record\":\"panic\",\"what\":\"")?;
    write!(Escaped, "{what}")?;
    write!(Raw, "\",\"where\":\"")?;
    write!(Escaped, "{place}")?;
    match cpu {
        Some(cpu) => write!(Raw, "\",\"cpu\":{cpu}")?,
        None => write!(Raw, "\",\"cpu\":null")?,
    }
    writeln!(Raw, ",\"mark\":\"{mark}\"}}")
}

fn sleep() -> ! {
    loop {
        regs::wfi();
    }
}
