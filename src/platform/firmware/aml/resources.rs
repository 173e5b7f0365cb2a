//! The registers and interrupts of a device (ACPI specification 6.5, 6.4).

use super::super::read;
use crate::interrupt::Interrupt;
use crate::memory::Range;

/// The first of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resources {
    /// Registers.
    pub registers: Option<Range>,
    /// The interrupt.
    pub interrupt: Option<Interrupt>,
}

/// Tags of descriptors: a fixed range of 32 bits; ranges of 64 and of 32 bits; interrupts.
const MEMORY32_FIXED: u8 = 0x86;
const QWORD: u8 = 0x8a;
const DWORD: u8 = 0x87;
const INTERRUPTS: u8 = 0x89;

/// The end of a list.
const END: u8 = 0xf;

/// Flag of an interrupt: an edge.
const EDGE: u8 = 1 << 1;

/// What a _CRS says, up to what makes no sense.
pub fn resources(mut list: &[u8]) -> Resources {
    let mut found = Resources::default();
    while let Some((tag, body, rest)) = next(list) {
        match tag {
            MEMORY32_FIXED | QWORD | DWORD => {
                found.registers = found.registers.or_else(|| range(tag, body));
            }
            INTERRUPTS => found.interrupt = found.interrupt.or_else(|| interrupt(body)),
            _ => {}
        }
        list = rest;
    }
    found
}

/// The next descriptor: tag, contents, and what follows. Small ones count by their upper bits.
fn next(list: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let tag = *list.first()?;
    let (head, length) = match tag & 0x80 {
        0 if tag >> 3 == END => return None,
        0 => (1, usize::from(tag & 7)),
        _ => (3, usize::from(read::u16(list, 1)?)),
    };
    let (body, rest) = list.get(head..)?.split_at_checked(length)?;
    Some((tag, body, rest))
}

/// The range of memory; a range of another kind has another type.
fn range(tag: u8, body: &[u8]) -> Option<Range> {
    let word = |at| read::u32(body, at).map(u64::from);
    let (start, size) = match tag {
        MEMORY32_FIXED => (word(1)?, word(5)?),
        _ if *body.first()? != 0 => return None,
        QWORD => (read::u64(body, 11)?, read::u64(body, 35)?),
        _ => (word(7)?, word(19)?),
    };
    Range::sized(start, size).filter(|range| !range.is_empty())
}

fn interrupt(body: &[u8]) -> Option<Interrupt> {
    let (flags, count) = (*body.first()?, *body.get(1)?);
    let intid = read::u32(body, 2).filter(|_| count > 0)?;
    Some(if flags & EDGE != 0 { Interrupt::edge(intid) } else { Interrupt::level(intid) })
}
