//! Devices before a jump: drivers stop their devices while the kexec can still be called off.

use alloc::format;
use alloc::string::String;

use super::{Kernel, Level};
use crate::hotplug::fault::QUIESCE;
use crate::machine::quiesce::{quiesce_all, resume_all};
use crate::trace::Dir;

impl Kernel {
    /// Stops every device that acts by itself; a warning names what a driver gives up for that.
    ///
    /// # Errors
    /// Which one does not stop, and why; [`Self::resume_devices`] puts the others right.
    pub(super) fn stop_devices(&mut self) -> Result<(), String> {
        let drivers = self.board.drivers();
        let last = drivers.last().map_or("a device", |last| last.name());
        let given_up = quiesce_all(&drivers, self.board)
            .and_then(|given_up| self.injected(last).map(|()| given_up))
            .map_err(|why| {
                format!("kexec refused: {why}; devices go on, the loaded kernel stays loaded")
            })?;
        given_up.iter().for_each(|what| self.say(Level::Warning, what));
        Ok(())
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
