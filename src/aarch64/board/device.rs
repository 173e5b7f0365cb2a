//! The devices that interrupt, behind the seam.
//!
//! Each has one lock, that of the disk is never taken with the other held. Interrupt handlers take
//! these locks too, so every holder, on any CPU, has its interrupts masked; a lock is held for a
//! few accesses to registers and one sector.

mod alarm;
mod reads;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use spin::Mutex;

use self::alarm::AlarmDriver;
use self::reads::DiskDriver;
use super::Board;
use crate::aarch64::disk::{self, Disk};
use crate::aarch64::mmio::Registers;
use crate::aarch64::mmu::Kind;
use crate::aarch64::regs;
use crate::aarch64::rtc::Rtc;
use crate::config::PAGE;
use crate::machine::device::{
    DeviceAt, DeviceCounts, DeviceError, Devices, DevicesAt, DevicesFound,
};
use crate::machine::quiesce::Driver;
use crate::memory::{Range, join};

/// The devices of a machine: a driver each.
#[derive(Default)]
pub struct Held {
    alarm: AlarmDriver,
    disk: DiskDriver,
}

/// Runs `body` with what the lock guards, interrupts masked.
pub(super) fn masked<T, R>(lock: &Mutex<T>, body: impl FnOnce(&mut T) -> R) -> R {
    let daif = regs::irq_save();
    let result = body(&mut lock.lock());
    regs::irq_restore(daif);
    result
}

impl Held {
    /// Every field: one that is added has to be a driver that can stop.
    fn drivers(&self) -> Vec<&dyn Driver> {
        let Self { alarm, disk } = self;
        Vec::from([alarm as &dyn Driver, disk])
    }

    /// Stops whatever sits in the places for virtio devices, and starts the first disk. Counts
    /// what ran.
    fn start_disk(&self, places: &[DeviceAt], found: &mut DevicesFound) {
        let mut first = None;
        for place in places {
            let Some(mut transport) = disk::look(piece(place)) else { continue };
            found.left_running += u32::from(disk::stop(&mut transport));
            if first.is_none() && disk::is_disk(&transport) {
                first = Disk::start(transport).map(|disk| (disk, place.interrupt));
            }
        }
        let Some((disk, interrupt)) = first else { return };
        found.disk = Some(interrupt);
        self.disk.adopt(disk);
    }

    fn start_clock(&self, place: &DeviceAt, found: &mut DevicesFound) {
        let Some((clock, left)) = Rtc::start(piece(place)) else { return };
        found.alarm = Some(place.interrupt);
        found.left_running += u32::from(left);
        self.alarm.adopt(clock);
    }
}

/// The registers of a device.
fn piece(place: &DeviceAt) -> Registers {
    // SAFETY: `devices_start`, which comes here once for each place, has mapped the registers for
    // good; the tree gives each device a range of its own.
    unsafe { Registers::new(place.registers) }
}

/// The pages of all these registers. Neighbours are joined: many virtio devices share a page.
fn pages(at: &DevicesAt) -> Vec<Range> {
    let all = at.clock.iter().chain(&at.virtio);
    join(all.filter_map(|place| place.registers.grow_to(PAGE)).collect())
}

impl Devices for Board {
    fn devices_start(&self, at: &DevicesAt) -> Result<DevicesFound, String> {
        for range in pages(at) {
            // SAFETY: no RAM, as `DevicesAt` says, so that what is there is registers. If the
            // console's are in one of these pages, that page is mapped as it was.
            let mapped = unsafe { self.tables.lock().map(range, Kind::Device) };
            mapped.map_err(|why| format!("mapping the registers at {range}: {why}"))?;
        }
        let mut found = DevicesFound::default();
        at.clock.iter().for_each(|place| self.devices.start_clock(place, &mut found));
        self.devices.start_disk(&at.virtio, &mut found);
        Ok(found)
    }

    fn alarm(&self, seconds: u32) -> Result<(), DeviceError> {
        self.devices.alarm.set(seconds)
    }

    fn alarm_taken(&self) -> bool {
        self.devices.alarm.taken()
    }

    fn disk_submit(&self) -> Result<u32, DeviceError> {
        self.devices.disk.submit()
    }

    fn disk_taken(&self) -> u32 {
        self.devices.disk.interrupted()
    }

    fn device_counts(&self) -> DeviceCounts {
        DeviceCounts { alarm: self.devices.alarm.counts(), disk: self.devices.disk.counts() }
    }

    fn drivers(&self) -> Vec<&dyn Driver> {
        self.devices.drivers()
    }
}
