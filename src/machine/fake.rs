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

    fn look_again(&self, _: &crate::sync::atomic::AtomicU64, _: u64) {}
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
    fn wake(&self, _: &CpuMask) {}
}

impl CpuMemory for Fake {
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

impl IrqChip for Fake {
    fn configure(&self, _: crate::interrupt::Interrupt) {}

    fn apply(&self, routes: &[Route]) -> Result<(), RouteError> {
        routes.first().map_or(Ok(()), |r| Err(RouteError { intid: r.intid, is: None }))
    }

    fn route_of(&self, _: u32) -> Option<CpuId> {
        None
    }

    fn enable(&self, _: u32, _: bool) {}

    fn pend(&self, _: u32) {}

    fn status_of(&self, _: u32) -> irq::Status {
        irq::Status::default()
    }

    fn private_taken(&self) -> irq::Private {
        irq::Private::default()
    }

    fn lpis_left_on(&self) -> usize {
        0
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
