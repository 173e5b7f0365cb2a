//! Devices that interrupt: the real-time clock's alarm, and a block device with reads in flight.
//!
//! The kernel needs both only as sources of real interrupts. A machine may have neither; then every
//! call returns that as an error.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::quiesce::Driver;
use crate::interrupt::Interrupt;
use crate::memory::Range;

/// Where a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceAt {
    /// Its registers.
    pub registers: Range,
    /// Its interrupt, an SPI.
    pub interrupt: Interrupt,
}

/// Where the devices of a machine are, or may be. None of them lies in RAM.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DevicesAt {
    /// The real-time clock.
    pub clock: Option<DeviceAt>,
    /// virtio-mmio; many may be empty.
    pub virtio: Vec<DeviceAt>,
}

/// The devices of a machine, and their state when found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DevicesFound {
    /// Interrupt of the clock's alarm.
    pub alarm: Option<Interrupt>,
    /// Interrupt of the block device.
    pub disk: Option<Interrupt>,
    /// Devices that an earlier kernel or firmware left running. These are stopped now.
    pub left_running: u32,
}

/// Why a device does not do what was asked. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceError {
    /// The machine has no clock that has a driver.
    NoClock,
    /// The alarm rings at this moment, and its interrupt has not been taken.
    Ringing,
    /// The machine has no block device, or none that could be started.
    NoDisk,
    /// As many reads are in flight as fit.
    Full,
    /// All devices have been stopped for the jump.
    Stopped,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoClock => "there is no clock: the device tree has no arm,pl031 that can be used",
            Self::Ringing => "the alarm rings and its interrupt is not taken; try again",
            Self::NoDisk => "there is no disk; give the machine a virtio-mmio block device",
            Self::Full => "as many reads are in flight as fit; wait until some are back",
            Self::Stopped => "the devices have been stopped for the jump",
        })
    }
}

/// What the alarm has done since this kernel started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AlarmCounts {
    /// Alarms that were set.
    pub set: u64,
    /// Alarms whose interrupt was taken.
    pub taken: u64,
    /// Alarms that were replaced before ringing.
    pub replaced: u64,
    /// 1 while an alarm is set.
    pub armed: u64,
    /// Interrupts that found nothing to take.
    pub spurious: u64,
}

impl AlarmCounts {
    /// True if every alarm is accounted for: none lost, none taken twice.
    pub fn balanced(&self) -> bool {
        self.set == self.taken + self.replaced + self.armed
    }
}

/// What the block device has done since this kernel started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DiskCounts {
    /// Reads given to the device.
    pub submitted: u64,
    /// Reads that came back: status good, all bytes written.
    pub completed: u64,
    /// Of those, the ones that read only zeroes.
    pub zeroes: u64,
    /// Reads that came back and were not good.
    pub failed: u64,
    /// Reads still in flight when the device was reset: these have not happened.
    pub dropped: u64,
    /// Reads that are away now.
    pub in_flight: u64,
    /// Interrupts that the device had raised. One may bring nothing: its read came back while the
    /// one before was being served, and was taken by that.
    pub interrupts: u64,
    /// Interrupts that the device had not raised.
    pub spurious: u64,
}

impl DiskCounts {
    /// True if every read is accounted for: none lost, none taken twice.
    pub fn balanced(&self) -> bool {
        self.submitted == self.completed + self.failed + self.dropped + self.in_flight
    }
}

/// Both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceCounts {
    /// The alarm's.
    pub alarm: AlarmCounts,
    /// The block device's.
    pub disk: DiskCounts,
}

/// Devices that interrupt. Their interrupts are shared ones: the code that routes and enables an
/// interrupt calls the `_taken` half from the handler. A line stays high until `_taken` has run, so
/// an interrupt that was masked or routed elsewhere in between is not lost.
pub trait Devices {
    /// Maps the registers of the devices that may be there, stops whatever runs, and takes over the
    /// devices that have a driver. Boot CPU, once, in ordinary context, before any other method of
    /// this trait; allocates. Not while anything is timed: every place for a device is looked at.
    ///
    /// # Errors
    /// What can't be mapped; then there are no devices.
    fn devices_start(&self, at: &DevicesAt) -> Result<DevicesFound, String>;

    /// Lets the alarm ring in so many seconds, 0 as 1; the clock ticks in whole seconds, so the
    /// alarm may ring up to one second earlier. An alarm that is set already is replaced. Any CPU,
    /// in ordinary context.
    ///
    /// # Errors
    /// No clock; the alarm rings just now; devices stopped.
    fn alarm(&self, seconds: u32) -> Result<(), DeviceError>;

    /// The alarm's interrupt, handler half: lowers the line and counts. True if the alarm did ring.
    /// Any CPU, interrupts masked; never allocates.
    fn alarm_taken(&self) -> bool;

    /// Starts one read of a sector and returns how many are in flight now. Any CPU, in ordinary
    /// context; never allocates.
    ///
    /// # Errors
    /// No disk; no room; devices stopped.
    fn disk_submit(&self) -> Result<u32, DeviceError>;

    /// The block device's interrupt, handler half: lowers the line, takes back every read that is
    /// done and checks the data. Returns the number of reads taken back. Any CPU, interrupts
    /// masked; never allocates, never frees.
    fn disk_taken(&self) -> u32;

    /// What was done so far. Any CPU, in ordinary context.
    fn device_counts(&self) -> DeviceCounts;

    /// Every driver whose device acts by itself, in the order of stopping for a jump. Boot CPU, in
    /// ordinary context.
    fn drivers(&self) -> Vec<&dyn Driver>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_is_lost_or_taken_twice_is_noticed() {
        let good = DiskCounts {
            submitted: 9,
            completed: 4,
            failed: 1,
            dropped: 2,
            in_flight: 2,
            ..DiskCounts::default()
        };
        assert!(good.balanced());
        assert!(!DiskCounts { completed: 3, ..good }.balanced());
        assert!(!DiskCounts { completed: 5, ..good }.balanced());
    }

    #[test]
    fn an_alarm_that_is_lost_or_taken_twice_is_noticed() {
        let good = AlarmCounts { set: 4, taken: 2, replaced: 1, armed: 1, spurious: 3 };
        assert!(good.balanced());
        assert!(!AlarmCounts { taken: 1, ..good }.balanced());
        assert!(!AlarmCounts { taken: 3, ..good }.balanced());
    }
}
