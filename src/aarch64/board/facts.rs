//! What the machine is made of, behind the seam.

use core::sync::atomic::Ordering;

use super::{Board, crash};
use crate::aarch64::mmu::FIRMWARE;
use crate::aarch64::{layout, regs};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::inherited::Inherited;
use crate::machine::{CrashKind, Facts, Granules};
use crate::memory::{Physical, Range};

impl Facts for Board {
    fn gic_version(&self) -> u32 {
        self.gic.version()
    }

    fn psci_version(&self) -> (u32, u32) {
        self.psci_version
    }

    fn granules(&self) -> Granules {
        regs::granules()
    }

    fn random(&self) -> Option<u64> {
        regs::random()
    }

    fn inherited(&self) -> &Inherited {
        &self.inherited
    }

    fn silence(&self, cpu: CpuId) {
        self.gic.silence(&self.areas[cpu.index()]);
    }

    fn firmware(&self) -> &dyn Physical {
        &FIRMWARE
    }

    fn amend(&self, at: u64, bytes: &[u8]) -> bool {
        FIRMWARE.amend(at, bytes)
    }

    fn park_range(&self) -> Range {
        // The code, and the page tables that the parking CPU needs until its MMU is off.
        layout::image()
    }

    fn crash(&self, kind: CrashKind, loaded: u64) {
        crash::crash(kind, loaded);
    }

    fn crash_on(&self, cpu: CpuId, kind: CrashKind, loaded: u64) {
        self.crash_at.store(loaded, Ordering::Relaxed);
        self.crash.1.store(kind as u8, Ordering::Relaxed);
        // Release: kind and address come before the number; pairs with `crash_if_told`.
        self.crash.0.store(u64::from(cpu.0), Ordering::Release);
        self.send_ipi(&CpuMask::from_iter([cpu]));
    }
}
