//! Commands for the devices that interrupt: `devices`, `alarm`, `disk`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Kernel, Outcome};
use crate::config::TIMEOUT_MS;
use crate::interrupt::Interrupt;
use crate::machine::device::DeviceError;

/// How often reads that are back are looked for while their interrupts go to other CPUs.
const LOOK_MS: u64 = 1;

impl Kernel {
    pub(super) fn list_devices(&self) -> Outcome {
        let counts = self.board.device_counts();
        let intid = |of: Option<Interrupt>| of.map_or("-".into(), |i| i.intid.to_string());
        let (a, d) = (counts.alarm, counts.disk);
        self.print(&format!(
            "alarm  intid {}: {} set, {} taken, {} replaced, {} armed, {} spurious",
            intid(self.devices.alarm),
            a.set,
            a.taken,
            a.replaced,
            a.armed,
            a.spurious
        ));
        self.print(&format!(
            "disk   intid {}: {} reads, {} good, {} of zeroes, {} bad, {} lost, {} in flight, \
             {} interrupts, {} spurious",
            intid(self.devices.disk),
            d.submitted,
            d.completed,
            d.zeroes,
            d.failed,
            d.dropped,
            d.in_flight,
            d.interrupts,
            d.spurious
        ));
        Ok(None)
    }

    pub(super) fn alarm(&self, seconds: u32) -> Outcome {
        self.board.alarm(seconds).map_err(|why| why.to_string())?;
        Ok(None)
    }

    pub(super) fn disk(&self, reads: u32, wait: bool) -> Outcome {
        let deadline = self.board.now() + self.board.ticks_from_ms(TIMEOUT_MS);
        for _ in 0..reads {
            self.submit(deadline)?;
        }
        while wait && self.board.device_counts().disk.in_flight > 0 {
            self.look_again(deadline)?;
        }
        Ok(None)
    }

    /// One read, as soon as there is room.
    fn submit(&self, deadline: u64) -> Result<(), String> {
        loop {
            match self.board.disk_submit() {
                Ok(_) => return Ok(()),
                Err(DeviceError::Full) => self.look_again(deadline)?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    fn look_again(&self, deadline: u64) -> Result<(), String> {
        let now = self.board.now();
        if now >= deadline {
            let away = self.board.device_counts().disk.in_flight;
            return Err(format!("{away} reads are not back; `irqs` shows where they should go"));
        }
        let until = deadline.min(now + self.board.ticks_from_ms(LOOK_MS));
        self.services.idle(self.board, self.hotplug.topology().boot(), Some(until));
        Ok(())
    }
}
