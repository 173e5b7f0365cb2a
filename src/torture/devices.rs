//! Interrupts of devices: reads in flight, and the alarm.

use alloc::format;
use alloc::string::String;

use super::Site;
use super::source::Tally;
use crate::machine::device::{DeviceCounts, DeviceError};

/// What the devices had done when the trial began.
pub(super) struct Devices {
    site: Site,
    before: DeviceCounts,
}

impl Devices {
    pub(super) fn new(site: Site) -> Self {
        Self { site, before: site.board.device_counts() }
    }

    /// Sets the alarm, unless one is set.
    pub(super) fn alarm(&self) {
        if self.site.board.device_counts().alarm.armed == 0 {
            // None, or ringing just now: the next time.
            let _ = self.site.board.alarm(1);
        }
    }

    /// True if no read is away and no alarm is to come.
    pub(super) fn settled(&self) -> bool {
        let now = self.site.board.device_counts();
        now.disk.in_flight == 0 && now.alarm.armed == 0
    }

    /// True if no read is away.
    pub(super) fn reads_back(&self) -> bool {
        self.site.board.device_counts().disk.in_flight == 0
    }

    /// Since the beginning: reads and alarms. Alarms still to come are not counted, and neither are
    /// reads that were dropped with a reset of the device: dropped reads are reported at the reset.
    pub(super) fn tally(&self) -> Tally {
        let (now, before) = (self.site.board.device_counts(), self.before);
        let (d, a) = (now.disk, now.alarm);
        let rung = a.taken - before.alarm.taken;
        let back = d.completed + d.failed - before.disk.completed - before.disk.failed;
        let dropped = d.dropped - before.disk.dropped;
        let sent = d.submitted - before.disk.submitted - dropped;
        Tally { sent: sent + rung, handled: back + rung, twice: 0 }
    }

    /// What is wrong with the counts once all is settled.
    pub(super) fn wrong(&self) -> Option<String> {
        let now = self.site.board.device_counts();
        let bad = now.disk.failed - self.before.disk.failed;
        let balanced = now.disk.balanced() && now.alarm.balanced();
        (bad > 0 || !balanced || !self.settled()).then(|| format!("devices: {now:?}"))
    }
}

/// One more read, if there is a disk and room. Any CPU, ordinary context.
pub(super) fn read(site: Site) -> Result<u32, DeviceError> {
    site.board.disk_submit()
}
