//! Devices before a jump: drivers stop their devices while the kexec can still be called off.

use alloc::format;
use alloc::string::String;

use super::{Kernel, Level};
use crate::config::DEVICE_DRAIN_MS;
use crate::hotplug::fault::QUIESCE;
use crate::machine::quiesce::{quiesce_all, resume_all};
use crate::trace::Dir;

impl Kernel {
    /// Stops every device that acts by itself. Reads that a device has not answered by then are
    /// dropped with its reset, and said.
    ///
    /// # Errors
    /// Which one does not stop, and why; [`Self::resume_devices`] puts the others right.
    pub(super) fn stop_devices(&mut self) -> Result<(), String> {
        let dropped = self.board.device_counts().disk.dropped;
        self.quiesce_devices()?;
        let dropped = self.board.device_counts().disk.dropped - dropped;
        if dropped > 0 {
            let text = format!("disk: {dropped} reads were not answered in {DEVICE_DRAIN_MS} ms");
            self.say(Level::Warning, &format!("{text}; they are dropped"));
        }
        Ok(())
    }

    fn quiesce_devices(&self) -> Result<(), String> {
        let drivers = self.board.drivers();
        quiesce_all(&drivers, self.board)
            .and_then(|()| self.injected(drivers.last().map_or("a device", |last| last.name())))
            .map_err(|why| {
                format!("kexec refused: {why}; devices go on, the loaded kernel stays loaded")
            })
    }

    fn injected(&self, name: &str) -> Result<(), String> {
        let boot = self.hotplug.topology().boot();
        let hit = self.hotplug.faults.hit(QUIESCE, boot, Dir::Down);
        if hit { Err(format!("{name} does not stop (injected failure)")) } else { Ok(()) }
    }

    /// Resumes all drivers; a warning names each that fails.
    pub(super) fn resume_devices(&mut self) {
        let lost = resume_all(&self.board.drivers());
        lost.iter().for_each(|what| self.say(Level::Warning, what));
    }
}
