//! The clock's alarm.

use alloc::string::String;

use spin::Mutex;

use super::masked;
use crate::aarch64::rtc::Rtc;
use crate::machine::Clock;
use crate::machine::device::{AlarmCounts, DeviceError};
use crate::machine::quiesce::{Driver, Reason};

/// The alarm, and its lock.
#[derive(Default)]
pub struct AlarmDriver(Mutex<Alarm>);

#[derive(Default)]
struct Alarm {
    clock: Option<Rtc>,
    counts: AlarmCounts,
    stopped: bool,
}

impl AlarmDriver {
    pub fn adopt(&self, clock: Rtc) {
        masked(&self.0, |alarm| alarm.clock = Some(clock));
    }

    pub fn set(&self, seconds: u32) -> Result<(), DeviceError> {
        masked(&self.0, |alarm| alarm.set(seconds))
    }

    pub fn taken(&self) -> bool {
        masked(&self.0, Alarm::taken)
    }

    pub fn counts(&self) -> AlarmCounts {
        masked(&self.0, |alarm| alarm.counts)
    }
}

impl Driver for AlarmDriver {
    fn name(&self) -> &'static str {
        "alarm"
    }

    /// The second of the alarm stays known, also if the alarm rings right now and its interrupt has
    /// not been taken.
    fn quiesce(&self, _: &dyn Clock) -> Result<Option<String>, Reason> {
        masked(&self.0, |alarm| {
            alarm.stopped = true;
            alarm.clock.iter_mut().for_each(Rtc::stop);
        });
        Ok(None)
    }

    fn resume(&self) -> Result<(), Reason> {
        masked(&self.0, |alarm| {
            let armed = alarm.counts.armed > 0;
            if core::mem::replace(&mut alarm.stopped, false) && armed {
                alarm.clock.iter().for_each(Rtc::resume);
            }
        });
        Ok(())
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
}
