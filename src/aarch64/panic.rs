//! The end of a kernel that can't go on: one report, for people and for programs, then off.
//!
//! Written straight to the UART whoever holds its lock, without allocation: the heap may be what
//! broke.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use super::exceptions::{Frame, this_cpu};
use super::{board, psci, regs, uart};
use crate::report::PREFIX;

/// Set by the CPU that reports; a second one keeps quiet.
static REPORTING: AtomicBool = AtomicBool::new(false);

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
    if REPORTING.swap(true, Ordering::Relaxed) {
        sleep();
    }
    // Writing to the UART can't fail.
    let _ = write_report(what, place, frame);
    psci::system_off();
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
