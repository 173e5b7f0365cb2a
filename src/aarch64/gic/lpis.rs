//! LPIs that an earlier kernel left enabled (IHI 0069 5.1). Needed before there is a heap: where they
//! stay on, their tables are memory that no kernel may use.

use spin::Mutex;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};

use super::redistributor::{CTLR, Frame, each_frame, patiently};
use crate::aarch64::mmio::Registers;
use crate::platform::{Frames, LpiTables};

/// Frames that are kept account of.
const MAX_FRAMES: usize = 512;

/// What became of the LPIs that an earlier kernel left enabled; this kernel never enables LPIs.
pub struct Lpis {
    /// Frames whose LPIs stay enabled.
    pub left_on: heapless::Vec<LpiTables, MAX_FRAMES>,
    /// Number of frames whose LPIs could be turned off.
    pub turned_off: u32,
}

/// Static, since it is too large for the stack, and needed before there is a heap.
pub(super) static LPIS: Mutex<Lpis> =
    Mutex::new(Lpis { left_on: heapless::Vec::new(), turned_off: 0 });

impl Lpis {
    /// In all frames.
    pub fn turn_off(&mut self, regions: &[Registers], stride: Option<u64>, frames: Frames) {
        each_frame(regions, stride, frames, |frame| {
            if frame.ctlr.is_set(CTLR::ENABLE_LPIS) {
                self.turn_off_in(frame);
            }
        });
    }

    fn turn_off_in(&mut self, frame: &Frame) {
        let tables =
            LpiTables { properties: frame.propbaser.get(), pending: frame.pendbaser.get() };
        if turn_lpis_off(frame) {
            self.turned_off += 1;
        } else {
            let kept = self.left_on.push(tables);
            kept.expect("LPIs are on in more redistributors than can be kept account of");
        }
    }
}

/// Turns LPIs off where the frame says that this can be done (IHI 0069 12.11.2, CES), and clears
/// the addresses of the LPI tables; false if LPIs stay on. RWP says that the frame still writes
/// what is pending to its table: only when RWP clears, the memory of the table is free for other
/// use.
fn turn_lpis_off(f: &Frame) -> bool {
    if !f.ctlr.is_set(CTLR::CES) {
        return false;
    }
    f.ctlr.modify(CTLR::ENABLE_LPIS::CLEAR);
    let off = || {
        let now = f.ctlr.extract();
        !now.is_set(CTLR::ENABLE_LPIS) && !now.is_set(CTLR::RWP)
    };
    if !patiently(off) {
        return false;
    }
    f.propbaser.set(0);
    f.pendbaser.set(0);
    true
}
