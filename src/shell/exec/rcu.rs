//! `rcu`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Kernel, Outcome};
use crate::cpu::CpuMask;
use crate::rcu::How;

/// A callback that waits for longer than this is called overdue, milliseconds.
const OVERDUE_MS: u64 = 1000;

impl Kernel {
    pub(super) fn rcu(&self) -> Outcome {
        let rcu = &self.services.rcu;
        let c = rcu.counts();
        self.print(&format!(
            "grace periods  {} waited for, {} of them expedited; {} for callbacks; {} stalls",
            c.synchronized, c.expedited, c.batches, c.stalls
        ));
        self.print(&format!(
            "callbacks      {} run, {} wait; {} taken over from CPUs that left",
            c.run, c.pending, c.spliced
        ));
        self.cpus_by_state();
        let all = self.hotplug.topology().cpus();
        for (cpu, waiting) in all.map(|cpu| (cpu, rcu.pending(cpu))).filter(|&(_, n)| n > 0) {
            self.print(&format!("CPU {cpu} has {waiting} callbacks that wait"));
        }
        let late = rcu.overdue(self.board, OVERDUE_MS);
        if !late.is_empty() {
            self.print(&format!(
                "stalled: CPU {} keeps callbacks waiting for more than {OVERDUE_MS} ms; \
                 `cpus` shows its mark",
                late.ranges()
            ));
        }
        Ok(None)
    }

    fn cpus_by_state(&self) {
        let online = self.hotplug.online();
        let running = self.services.rcu.running().and(&online);
        let offline = CpuMask::first(self.hotplug.topology().len()).and_not(&online);
        let states = [
            ("running", running, "a grace period waits for them"),
            ("idle", online.and_not(&running), "nobody waits for them"),
            ("offline", offline, "take no part"),
        ];
        for (state, cpus, meaning) in states.iter().filter(|(_, cpus, _)| !cpus.is_empty()) {
            self.print(&format!("{state:<7}  CPUs {}: {meaning}", cpus.ranges()));
        }
    }

    pub(super) fn rcu_sync(&self, expedited: bool) -> Outcome {
        let how = if expedited { How::Expedited } else { How::Normal };
        let (board, hotplug) = (self.board, self.hotplug);
        let begin = board.now();
        let deadline = begin + board.ticks_from_ms(hotplug.timeout_ms());
        let rcu = &self.services.rcu;
        let done = rcu.synchronize(board, hotplug.topology().boot(), how, deadline);
        done.map_err(|stall| stall.to_string())?;
        let us: String = super::us(self.ns(board.now() - begin));
        self.print(&format!("grace period over after {us} us"));
        Ok(None)
    }
}
