//! The devices that interrupt, behind the seam.
//!
//! Each has one lock, that of the disk is never taken with the other held. Interrupt handlers take
//! these locks too, so every holder, on any CPU, has its interrupts masked; a lock is held for a
//! few accesses to registers and one sector.

mod alarm;
mod reads;

use alloc::vec::Vec;

use spin::Mutex;

use self::alarm::AlarmDriver;
use self::reads::DiskDriver;
use super::Board;
use crate::aarch64::boot::Places;
use crate::aarch64::disk::{self, Disk};
use crate::aarch64::mmio::Registers;
use crate::aarch64::regs;
use crate::aarch64::rtc::Rtc;
use crate::interrupt::Interrupt;
use crate::machine::device::{DeviceCounts, DeviceError, Devices, DevicesFound};
use crate::machine::quiesce::Driver;

/// The registers and the interrupt of a device that is there or may be there.
pub struct Place {
    /// Its registers.
    pub registers: Registers,
    /// Its interrupt, an SPI.
    pub interrupt: Interrupt,
}

/// The devices of a machine: their places, and a driver each.
pub struct Held {
    /// Taken when devices are started.
    places: Mutex<Option<Places>>,
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
    /// Of the machine that was found; nothing is touched yet.
    pub fn new(places: Places) -> Self {
        let places = Mutex::new(Some(places));
        Self { places, alarm: AlarmDriver::default(), disk: DiskDriver::default() }
    }

    /// Every field but the places: one that is added has to be a driver that can stop.
    fn drivers(&self) -> Vec<&dyn Driver> {
        let Self { places: _, alarm, disk } = self;
        Vec::from([alarm as &dyn Driver, disk])
    }

    /// Stops whatever sits in the places for virtio devices, and starts the first disk. Counts
    /// what ran.
    fn start_disk(&self, places: Vec<Place>, found: &mut DevicesFound) {
        let mut first = None;
        for place in places {
            let Some(mut transport) = disk::look(place.registers) else { continue };
            found.left_running += u32::from(disk::stop(&mut transport));
            if first.is_none() && disk::is_disk(&transport) {
                first = Disk::start(transport).map(|disk| (disk, place.interrupt));
            }
        }
        let Some((disk, interrupt)) = first else { return };
        found.disk = Some(interrupt);
        self.disk.adopt(disk);
    }

    fn start_clock(&self, device: Place, found: &mut DevicesFound) {
        let Some((clock, left)) = Rtc::start(device.registers) else { return };
        found.alarm = Some(device.interrupt);
        found.left_running += u32::from(left);
        self.alarm.adopt(clock);
    }
}

impl Devices for Board {
    fn devices_start(&self) -> DevicesFound {
        let mut found = DevicesFound::default();
        let Some(places) = self.devices.places.lock().take() else { return found };
        if let Some(clock) = places.clock {
            self.devices.start_clock(clock, &mut found);
        }
        self.devices.start_disk(places.virtio, &mut found);
        found
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
