//! `kexec exec --verify`: the loaded kernel is hashed again before the point of no return.

use alloc::string::{String, ToString};

use super::Kernel;
use super::reboot::NOTHING_LOADED;
use crate::cpu::CpuMask;
use crate::trace::{Dir, Phase};

impl Kernel {
    /// Hashes the loaded kernel again and returns the ticks that took. This runs as late as a
    /// refusal is possible: the other CPUs, which might have written to the segments, are off, and
    /// can still be brought back.
    ///
    /// # Errors
    /// What is not what was loaded; the CPUs of `online` are back.
    pub(super) fn verify_again(&mut self, online: &CpuMask) -> Result<u64, String> {
        let begin = self.board.now();
        let loaded = self.loaded.as_ref().ok_or(NOTHING_LOADED)?;
        let result = loaded.recheck(|range| self.board.bytes(range));
        let end = self.board.now();
        self.hotplug.record_phase(self.board, Phase::Verify, Dir::Down, begin, end);
        match result {
            Ok(()) => Ok(end - begin),
            Err(why) => Err(self.bring_back(online, &why.to_string())),
        }
    }
}
