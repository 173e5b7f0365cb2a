//! A machine for tests of what needs only its clock: one CPU that never has to wait.

use core::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// The time, which stands still until a test moves it.
#[derive(Default)]
pub(crate) struct Fake(AtomicU64);

impl Fake {
    /// With the counter at `now`.
    pub(crate) fn at(now: u64) -> Self {
        Self(AtomicU64::new(now))
    }

    /// Moves the counter.
    pub(crate) fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for Fake {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn hz(&self) -> u64 {
        1_000_000_000
    }

    fn wait(&self, deadline: Option<u64>) {
        deadline.into_iter().for_each(|at| self.set(at.max(self.now())));
    }
}

impl Power for Fake {
    fn cpu_on(&self, _: CpuId) -> Result<(), PsciError> {
        Err(PsciError::NotSupported)
    }

    fn affinity_info(&self, _: CpuId) -> Result<Affinity, PsciError> {
        Err(PsciError::NotSupported)
    }
}

impl Ipi for Fake {
    fn kick(&self, _: &CpuMask) {}
}

impl Bringup for Fake {
    fn prepare(&self, _: CpuId) -> Result<(), StepError> {
        Err(StepError::NoMemory)
    }

    fn release(&self, _: CpuId) {}

    fn write_record(&self, _: CpuId, _: u32) {}
}

impl Local for Fake {
    fn check(&self) -> Result<(), StepError> {
        Ok(())
    }

    fn gic_up(&self) -> Result<(), StepError> {
        Ok(())
    }

    fn gic_down(&self) -> Result<(), StepError> {
        Ok(())
    }

    fn timer_up(&self) {}

    fn timer_down(&self) {}

    fn ipi_up(&self) {}

    fn ipi_down(&self) {}

    fn interrupts(&self, _: bool) {}
}

impl Interrupts for Fake {
    fn console_target(&self) -> Option<CpuId> {
        None
    }

    fn route_console(&self, _: Target) -> Result<(), StepError> {
        Err(StepError::RouteRejected)
    }

    fn quiesce(&self) {}
}

impl ClusterPmu for Fake {
    fn pmu_read(&self, _: pmu::PmuReg) -> u64 {
        0
    }

    fn pmu_write(&self, _: pmu::PmuReg, _: u64) {}

    fn pmu_emulated(&self) -> bool {
        true
    }
}

impl Recorder for Fake {
    fn record(&self, _: Event) {}
}
