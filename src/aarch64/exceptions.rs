//! What the vectors call: interrupts, and the report of everything that should not happen.

use core::arch::global_asm;
use core::fmt;

use aarch64_cpu::registers::{MPIDR_EL1, Readable};

use super::{board, layout, panic, percpu};
use crate::machine::pmu::instruction::Access;

global_asm!(
    include_str!("vectors.S"),
    exception_rust = sym exception_rust,
    irq_rust = sym irq_rust,
    synchronous_rust = sym synchronous_rust,
);

/// What `vectors.S` saves; the order is its.
#[repr(C)]
pub struct Frame {
    x: [u64; 31],
    sp: u64,
    elr: u64,
    spsr: u64,
    esr: u64,
    far: u64,
}

/// Exception classes of ESR_EL1 (Arm ARM D19.2.37).
const UNDEFINED: u64 = 0x00;
/// MSR, MRS or system instruction that is trapped.
const TRAPPED_REGISTER: u64 = 0x18;

const _: () = assert!(size_of::<Frame>() == 36 * 8);

extern "C" fn irq_rust() {
    board::interrupt();
}

/// An access to a cluster's performance monitors on a core without them is emulated; every other
/// synchronous exception is reported and ends the kernel.
extern "C" fn synchronous_rust(frame: &mut Frame, vector: u64) {
    if emulated(frame).is_none() {
        exception_rust(frame, vector)
    }
}

/// Carries out the instruction at which the exception was taken, and goes on to the next one.
fn emulated(frame: &mut Frame) -> Option<()> {
    let class = frame.esr >> 26 & 0x3f;
    if class != UNDEFINED && class != TRAPPED_REGISTER {
        return None;
    }
    let access = Access::decode(instruction(frame.elr)?)?;
    let general = frame.x.get_mut(usize::from(access.general)); // none is XZR
    let value = board::emulate(access, general.as_deref().copied().unwrap_or(0))?;
    if let Some(general) = general.filter(|_| !access.write) {
        *general = value;
    }
    frame.elr += 4;
    Some(())
}

/// An instruction of this kernel that has been fetched.
fn instruction(at: u64) -> Option<u32> {
    let inside = (layout::image_start()..layout::image_end()).contains(&at);
    // SAFETY: `at` lies in the image, and an instruction that was fetched can be read: code is
    // mapped readable.
    (inside && at.is_multiple_of(4)).then(|| unsafe { (at as *const u32).read_volatile() })
}

extern "C" fn exception_rust(frame: &Frame, vector: u64) -> ! {
    let what = What { frame, vector };
    panic::report(&what, &format_args!("{:#x}", frame.elr), Some(frame))
}

/// An exception in words.
struct What<'a> {
    frame: &'a Frame,
    vector: u64,
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (esr, far) = (self.frame.esr, self.frame.far);
        match self.vector & 3 {
            1 => f.write_str("unexpected IRQ")?,
            2 => f.write_str("unexpected FIQ")?,
            3 => write!(f, "SError, ESR {esr:#x}")?,
            _ => write_synchronous(f, esr, far)?,
        }
        match self.vector {
            4..8 => f.write_str(", inside an exception handler"),
            8.. => f.write_str(", from a lower exception level"),
            _ => Ok(()),
        }
    }
}

/// Exception classes of ESR_EL1 (Arm ARM D19.2.37).
fn write_synchronous(f: &mut fmt::Formatter<'_>, esr: u64, far: u64) -> fmt::Result {
    let write = esr >> 6 & 1 == 1;
    match esr >> 26 & 0x3f {
        0x00 => f.write_str("undefined instruction"),
        0x0e => f.write_str("illegal execution state"),
        0x20 | 0x21 => write!(f, "instruction abort at {far:#x}: {}", fault(esr)),
        0x22 => f.write_str("misaligned program counter"),
        0x24 | 0x25 => {
            let access = if write { "write" } else { "read" };
            write!(f, "data abort, {access} at {far:#x}: {}", fault(esr))?;
            match board::guard_page_of(far) {
                Some(stack) => write!(f, ": stack overflow, guard page of {stack}"),
                None => Ok(()),
            }
        }
        0x26 => f.write_str("misaligned stack pointer"),
        0x3c => f.write_str("breakpoint instruction"),
        class => write!(f, "exception class {class:#x}, ESR {esr:#x}"),
    }
}

fn fault(esr: u64) -> &'static str {
    match esr & 0x3f {
        0x00..=0x03 => "address size",
        0x04..=0x07 => "not mapped",
        0x09..=0x0b => "access flag",
        0x0d..=0x0f => "permission",
        0x10 | 0x13..=0x17 => "external abort",
        0x21 => "alignment",
        _ => "other fault",
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mpidr = MPIDR_EL1.get();
        writeln!(f, "elr {:016x} spsr {:08x} esr {:08x}", self.elr, self.spsr, self.esr)?;
        writeln!(f, "far {:016x} sp {:016x} mpidr {mpidr:x}", self.far, self.sp)?;
        for (i, row) in self.x.chunks(4).enumerate() {
            for (j, value) in row.iter().enumerate() {
                write!(f, "x{:<2} {value:016x} ", i * 4 + j)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The CPU's logical number, once TPIDR_EL1 holds a per-CPU area.
pub fn this_cpu() -> Option<crate::cpu::CpuId> {
    percpu::current().map(|area| area.cpu)
}
