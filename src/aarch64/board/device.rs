//! The devices that interrupt, behind the seam.
//!
//! Each has one lock, that of the disk is never taken with the other held. A handler takes them
//! too, so whoever takes one has interrupts masked, on every CPU; what is done under them are a few
//! accesses to registers and one sector.

use alloc::vec::Vec;

use spin::Mutex;

use super::Board;
use crate::aarch64::disk::{self, Disk, Verdict};
use crate::aarch64::regs;
use crate::aarch64::rtc::Rtc;
use crate::config::DEVICE_DRAIN_MS;
use crate::machine::Clock;
use crate::machine::device::{
    AlarmCounts, DeviceCounts, DeviceError, Devices, DevicesFound, DiskCounts,
};
use crate::platform::Device;

/// How often reads in flight are looked for at the jump, if no interrupt says that they are back.
const LOOK_US: u64 = 100;

/// The devices of a machine.
pub struct Held {
    clock: Option<Device>,
    places: Vec<Device>,
    alarm: Mutex<Alarm>,
    disk: Mutex<Reads>,
}

/// The clock's alarm.
#[derive(Default)]
struct Alarm {
    clock: Option<Rtc>,
    counts: AlarmCounts,
    stopped: bool,
}

/// The block device.
#[derive(Default)]
struct Reads {
    disk: Option<Disk>,
    counts: DiskCounts,
    stopped: bool,
}

/// Runs `body` with what the lock guards, interrupts masked.
fn masked<T, R>(lock: &Mutex<T>, body: impl FnOnce(&mut T) -> R) -> R {
    let daif = regs::irq_save();
    let result = body(&mut lock.lock());
    regs::irq_restore(daif);
    result
}

impl Held {
    /// Of the machine that the tree describes; nothing is touched yet. `base` is the image's.
    pub fn new(clock: Option<Device>, places: Vec<Device>, base: u64) -> Self {
        disk::set_base(base);
        Self { clock, places, alarm: Mutex::default(), disk: Mutex::default() }
    }

    /// Stops whatever sits in the places for virtio devices, and starts the first disk. Counts
    /// what ran.
    fn start_disk(&self, found: &mut DevicesFound) {
        let mut first = None;
        for place in &self.places {
            let Some(mut transport) = disk::look(place) else { continue };
            found.left_running += u32::from(disk::stop(&mut transport));
            if first.is_none() && disk::is_disk(&transport) {
                first = Disk::start(transport).map(|disk| (disk, place.intid));
            }
        }
        let Some((disk, intid)) = first else { return };
        found.disk = Some(intid);
        masked(&self.disk, |reads| reads.disk = Some(disk));
    }

    fn start_clock(&self, found: &mut DevicesFound) {
        let Some(device) = &self.clock else { return };
        let (clock, left) = Rtc::start(device.base.start);
        found.alarm = Some(device.intid);
        found.left_running += u32::from(left);
        masked(&self.alarm, |alarm| alarm.clock = Some(clock));
    }
}

impl Alarm {
    fn set(&mut self, seconds: u32) -> Result<(), DeviceError> {
        let clock = self.clock.as_ref().ok_or(DeviceError::NoClock)?;
        if self.stopped {
            return Err(DeviceError::Stopped);
        }
        if clock.rings() {
            return Err(DeviceError::Ringing);
        }
        self.counts.replaced += self.counts.armed;
        self.counts.set += 1;
        self.counts.armed = 1;
        clock.set(seconds);
        Ok(())
    }

    fn taken(&mut self) -> bool {
        let rang = self.clock.as_ref().is_some_and(Rtc::rings);
        if rang {
            self.clock.iter().for_each(Rtc::quiet);
            self.counts.taken += 1;
            self.counts.armed = 0;
        } else {
            self.counts.spurious += 1;
        }
        rang
    }

    /// True if this is the first time.
    fn stop(&mut self) -> bool {
        self.clock.iter().for_each(Rtc::quiet);
        self.counts.dropped += self.counts.armed;
        self.counts.armed = 0;
        !core::mem::replace(&mut self.stopped, true)
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

    fn counts(&self) -> DiskCounts {
        let in_flight = u64::from(self.in_flight()).saturating_sub(self.counts.dropped);
        DiskCounts { in_flight, ..self.counts }
    }
}

impl Board {
    fn stop_disk(&self) {
        let disk = &self.devices.disk;
        self.wait_until(|| masked(disk, Reads::drained));
        masked(disk, |reads| reads.disk.iter_mut().for_each(Disk::reset));
        self.wait_until(|| masked(disk, |reads| reads.disk.as_ref().is_none_or(Disk::is_reset)));
        masked(disk, |reads| reads.counts.dropped = u64::from(reads.in_flight()));
    }

    /// Sleeps until `done` or the deadline; interrupts are served in between.
    fn wait_until(&self, done: impl Fn() -> bool) {
        let deadline = self.now() + self.ticks_from_ms(DEVICE_DRAIN_MS);
        while !done() && self.now() < deadline {
            self.wait(Some(deadline.min(self.now() + self.ticks_from_us(LOOK_US))));
        }
    }
}

impl Devices for Board {
    fn devices_start(&self) -> DevicesFound {
        let mut found = DevicesFound::default();
        self.devices.start_clock(&mut found);
        self.devices.start_disk(&mut found);
        found
    }

    fn alarm(&self, seconds: u32) -> Result<(), DeviceError> {
        masked(&self.devices.alarm, |alarm| alarm.set(seconds))
    }

    fn alarm_taken(&self) -> bool {
        masked(&self.devices.alarm, Alarm::taken)
    }

    fn disk_submit(&self) -> Result<u32, DeviceError> {
        masked(&self.devices.disk, Reads::submit)
    }

    fn disk_taken(&self) -> u32 {
        masked(&self.devices.disk, Reads::interrupted)
    }

    fn device_counts(&self) -> DeviceCounts {
        let alarm = masked(&self.devices.alarm, |alarm| alarm.counts);
        let disk = masked(&self.devices.disk, |reads| reads.counts());
        DeviceCounts { alarm, disk }
    }

    fn devices_quiesce(&self) -> DeviceCounts {
        if masked(&self.devices.alarm, Alarm::stop) {
            self.stop_disk();
        }
        self.device_counts()
    }
}
