//! Faults on purpose, so that their report can be seen and tested.

use core::arch::asm;
use core::hint::black_box;

use crate::aarch64::layout;
use crate::machine::CrashKind;

/// Makes this CPU fault. Returns only if the machine did not fault. `loaded` is the
/// physical address of a loaded kernel.
pub fn crash(kind: CrashKind, loaded: u64) {
    match kind {
        // SAFETY: raises an undefined instruction exception, which is what was asked for.
        CrashKind::Undef => unsafe { asm!("udf #0") },
        CrashKind::Stack => drop(black_box(deeper(0))),
        CrashKind::WriteText => poke(layout::image_start()),
        CrashKind::WriteLoaded => poke(layout::linear(loaded)),
        CrashKind::Null => peek(0),
        CrashKind::Panic => panic!("on purpose"),
    }
}

/// Uses more stack than there is.
#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    let ballast = black_box([depth; 64]);
    black_box(deeper(depth + 1)) + ballast[7]
}

fn poke(address: u64) {
    // SAFETY: raises a data abort: code can't be written, nor what is loaded.
    unsafe { asm!("str xzr, [{0}]", in(reg) address) };
}

fn peek(address: u64) {
    // SAFETY: raises a data abort: address 0 is not mapped.
    unsafe { asm!("ldr {0}, [{0}]", inout(reg) address => _) };
}
