//! Tables that redistributors write on their own, because an earlier kernel left LPIs enabled.
//!
//! Whether EnableLPIs can be cleared again is up to the implementation, which may say so in
//! GICR_CTLR.CES, and the addresses of the tables may not change while the bit is set (IHI 0069
//! 5.1, GICR_CTLR). Where the bit can be cleared, LPIs have been turned off and nothing is kept.
//! Elsewhere bit and tables stay unchanged, and the memory is kept, by this kernel and all later
//! ones.

use alloc::format;
use alloc::vec::Vec;

use super::Reserved;
use crate::memory::Range;

/// Where the addresses are in both registers; a pending table begins at a multiple of 64 KiB.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const PENDING_ADDRESS: u64 = ADDRESS & !0xffff;

/// The lowest LPI; fewer identifier bits than this takes mean that there is no table.
const FIRST_BITS: u32 = 13;

/// Linux gives each table whole multiples of so much, and reuses tables found at boot only if all
/// of that is reserved; otherwise Linux reports corrupted memory.
const GRANULE: u64 = 0x10000;

/// What the tables' reservations are called.
pub const LPI_TABLES: &str = "lpi-tables";

/// Registers of one redistributor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LpiTables {
    /// GICR_PROPBASER (12.11.29): a byte for each LPI.
    pub properties: u64,
    /// GICR_PENDBASER (12.11.28): a bit for each interrupt.
    pub pending: u64,
}

impl LpiTables {
    /// The memory of both. `most` is how many identifier bits the distributor has, which limits
    /// what the register says.
    pub fn ranges(&self, most: u32) -> [Option<Range>; 2] {
        let bits = ((self.properties & 0x1f) as u32 + 1).min(most);
        if bits <= FIRST_BITS {
            return [None, None];
        }
        let ids = 1u64 << bits;
        [
            whole(self.properties & ADDRESS, ids - (1 << FIRST_BITS)),
            whole(self.pending & PENDING_ADDRESS, ids / 8),
        ]
    }
}

fn whole(start: u64, size: u64) -> Option<Range> {
    Range::sized(start, size.next_multiple_of(GRANULE))
}

/// What has to be kept for these redistributors, each range once.
pub fn lpi_tables(left_on: &[LpiTables], most: u32) -> Vec<Reserved> {
    let mut ranges: Vec<Range> =
        left_on.iter().flat_map(|tables| tables.ranges(most)).flatten().collect();
    ranges.sort_unstable();
    ranges.dedup();
    let keep = |range: Range| Reserved {
        range,
        name: format!("{LPI_TABLES}@{:x}", range.start),
        no_map: false,
    };
    ranges.into_iter().map(keep).collect()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    /// Two redistributors with one property table for 16 identifier bits, cacheability bits set.
    const PAIR: [LpiTables; 2] = [
        LpiTables { properties: 0x4010_0780 | 15, pending: 0x4011_0780 },
        LpiTables { properties: 0x4010_0780 | 15, pending: 0x4012_0780 | 1 << 62 },
    ];

    #[test]
    fn tables_are_as_long_as_there_are_interrupts() {
        let kept: Vec<Range> = lpi_tables(&PAIR, 24).into_iter().map(|r| r.range).collect();
        let property = Range::new(0x4010_0000, 0x4010_0000 + 0x10000);
        let pending = [0x4011_0000, 0x4012_0000].map(|at| Range::new(at, at + 0x10000));
        assert_eq!(kept, [property, pending[0], pending[1]], "the shared one once");
    }

    #[test]
    fn the_distributor_limits_what_the_register_says() {
        let sizes = |most| PAIR[0].ranges(most).map(|range| range.map(|r| r.size()));
        assert_eq!(sizes(14), [Some(0x10000), Some(0x10000)], "never less than a granule");
        let most = LpiTables { properties: 0x4010_0000 | 18, pending: 0x4020_0000 };
        let sizes = |bits| most.ranges(bits).map(|range| range.map(|r| r.size()));
        assert_eq!(sizes(24), [Some(0x80000), Some(0x10000)], "2^19 identifiers");
        assert_eq!(sizes(17), [Some(0x20000), Some(0x10000)]);
        assert_eq!(PAIR[0].ranges(13), [None, None]);
        assert_eq!(LpiTables { properties: 12, pending: 0 }.ranges(24), [None, None]);
    }
}
