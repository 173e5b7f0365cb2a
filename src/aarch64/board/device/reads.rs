//! The block device, read one sector at a time.

use alloc::format;
use alloc::string::String;

use spin::Mutex;

use super::masked;
use crate::aarch64::disk::{Disk, Verdict};
use crate::config::DEVICE_DRAIN_MS;
use crate::machine::Clock;
use crate::machine::device::{DeviceError, DiskCounts};
use crate::machine::quiesce::{Driver, Reason};

/// How often a drain checks for reads in flight that completed without an interrupt.
const LOOK_US: u64 = 100;

/// The device, and its lock.
#[derive(Default)]
pub struct DiskDriver(Mutex<Reads>);

#[derive(Default)]
struct Reads {
    disk: Option<Disk>,
    counts: DiskCounts,
    stopped: bool,
}

impl DiskDriver {
    pub fn adopt(&self, disk: Disk) {
        masked(&self.0, |reads| reads.disk = Some(disk));
    }

    pub fn submit(&self) -> Result<u32, DeviceError> {
        masked(&self.0, Reads::submit)
    }

    pub fn interrupted(&self) -> u32 {
        masked(&self.0, Reads::interrupted)
    }

    pub fn counts(&self) -> DiskCounts {
        masked(&self.0, |reads| DiskCounts { in_flight: reads.in_flight().into(), ..reads.counts })
    }
}

impl Driver for DiskDriver {
    fn name(&self) -> &'static str {
        "disk"
    }

    /// Once reset, the device touches no memory (virtio 1.2, 2.1.2); a read that has not come back
    /// by then never will.
    fn quiesce(&self, clock: &dyn Clock) -> Result<Option<String>, Reason> {
        wait_until(clock, || masked(&self.0, Reads::drained));
        masked(&self.0, |reads| reads.disk.iter_mut().for_each(Disk::reset));
        wait_until(clock, || masked(&self.0, Reads::is_reset));
        let lost = masked(&self.0, Reads::drop_lost)?;
        let told =
            || format!("{lost} reads were not answered in {DEVICE_DRAIN_MS} ms; they are dropped");
        Ok((lost > 0).then(told))
    }

    fn resume(&self) -> Result<(), Reason> {
        masked(&self.0, Reads::resume)
    }
}

impl Reads {
    fn submit(&mut self) -> Result<u32, DeviceError> {
        let disk = self.disk.as_mut().ok_or(DeviceError::NoDisk)?;
        if self.stopped {
            return Err(DeviceError::Stopped);
        }
        disk.submit()?;
        self.counts.submitted += 1;
        Ok(disk.in_flight())
    }

    /// Whether the line was up, and how many are back.
    fn take(&mut self) -> (bool, u32) {
        let (Some(disk), counts) = (&mut self.disk, &mut self.counts) else { return (false, 0) };
        let mut back = 0;
        let raised = disk.take(|verdict| {
            back += 1;
            counts.completed += u64::from(verdict != Verdict::Bad);
            counts.zeroes += u64::from(verdict == Verdict::Zeroes);
            counts.failed += u64::from(verdict == Verdict::Bad);
        });
        (raised, back)
    }

    fn interrupted(&mut self) -> u32 {
        let (raised, back) = self.take();
        self.counts.interrupts += u64::from(raised);
        self.counts.spurious += u64::from(!raised);
        back
    }

    /// No read is started from here on; true if none is in flight.
    fn drained(&mut self) -> bool {
        self.stopped = true;
        self.take();
        self.in_flight() == 0
    }

    fn in_flight(&self) -> u32 {
        self.disk.as_ref().map_or(0, Disk::in_flight)
    }

    fn is_reset(&mut self) -> bool {
        self.disk.as_ref().is_none_or(Disk::is_reset)
    }

    /// Forgets the reads in flight, whose device has been reset; how many there were.
    fn drop_lost(&mut self) -> Result<u32, Reason> {
        if !self.is_reset() {
            return Err("does not come out of its reset, and may still write to memory");
        }
        let lost = self.in_flight();
        self.counts.dropped += u64::from(lost);
        self.disk.iter_mut().for_each(Disk::forget_reads);
        Ok(lost)
    }

    fn resume(&mut self) -> Result<(), Reason> {
        if !core::mem::replace(&mut self.stopped, false) {
            return Ok(());
        }
        let Some(disk) = &mut self.disk else { return Ok(()) };
        if disk.restart() {
            return Ok(());
        }
        self.disk = None;
        Err("does not start again; there is no disk any more")
    }
}

/// Sleeps until `done` or the deadline; interrupts are served in between.
fn wait_until(clock: &dyn Clock, done: impl Fn() -> bool) {
    let deadline = clock.now() + clock.ticks_from_ms(DEVICE_DRAIN_MS);
    while !done() && clock.now() < deadline {
        clock.wait(Some(deadline.min(clock.now() + clock.ticks_from_us(LOOK_US))));
    }
}
