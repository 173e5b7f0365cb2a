//! How the last jump went: the records that the next kernel prints of it.

use alloc::format;
use alloc::vec::Vec;

use super::{Level, Reporter, asked};
use crate::handover::Farewell;
use crate::hotplug::{Hotplug, Way};
use crate::report::{self, Brief, Kexec, Quantiles, Record, Teardown, TeardownAt};

/// When the stations of the last jump were passed, ticks.
pub(in crate::kernel) struct Passage {
    /// The last counter read of the kernel before.
    pub jump_at: u64,
    /// The copier was done, if the jump had something to copy.
    pub copied_at: Option<u64>,
    /// The first counter read of this kernel.
    pub entry_at: u64,
}

impl Reporter {
    /// Prints how the kernel before this one took its CPUs down, and how the jump to this kernel,
    /// whose CPUs `hotplug` has brought up, went.
    pub(in crate::kernel) fn jump(
        &mut self,
        hotplug: &Hotplug,
        farewell: &Farewell,
        passage: &Passage,
    ) {
        self.record(&Record::Teardown(Teardown {
            generation: farewell.generation,
            at: TeardownAt::Kexec.into(),
            cpus: farewell.cpus,
            mode: farewell.teardown.into(),
            grace: asked(Way { mode: farewell.teardown, grace: farewell.grace }),
            modelled_tick_hz: farewell.tick_hz,
            stuck: Vec::new(),
            noted: Vec::new(),
            exclusive: Vec::new(),
            phases: self.phases(&farewell.spans),
            total_ns: self.ns(farewell.teardown_total),
        }));
        let copy_ns = self.copy_ns(passage);
        self.record(&Record::Kexec(self.kexec(hotplug, farewell, passage, copy_ns)));
        if copy_ns > 0 {
            let (bytes, us) = (farewell.bytes_copied, copy_ns / 1000);
            let speed = bytes * 1000 / copy_ns; // bytes a nanosecond, times 1000
            let text = format!("the jump copied {bytes} bytes in {us} us, {speed} MB/s");
            self.say(Level::Info, &text);
        }
    }

    fn kexec(&self, hotplug: &Hotplug, from: &Farewell, passage: &Passage, copy_ns: u64) -> Kexec {
        let Passage { jump_at, entry_at, .. } = *passage;
        let online = hotplug.last_online_at().max(entry_at);
        Kexec {
            generation: hotplug.generation(),
            from: from.from.clone(),
            to: from.to.clone(),
            teardown: from.teardown.into(),
            bytes_copied: from.bytes_copied,
            copy_ns,
            exec_to_jump_ns: self.between(from.exec_at, jump_at),
            verify_ns: from.verify.map(|ticks| self.ns(ticks)),
            jump_to_entry_ns: self.between(jump_at, entry_at),
            entry_to_online_ns: self.between(entry_at, online),
            blackout_ns: self.between(from.exec_at, online),
            exec_at_ns: self.ns(from.exec_at),
        }
    }

    /// How long the copy took, ns; 0 if there was none.
    fn copy_ns(&self, passage: &Passage) -> u64 {
        passage.copied_at.map_or(0, |at| self.between(passage.jump_at, at))
    }

    /// With `report=brief`: prints the jump that led to this kernel as one record, which says nothing
    /// that the others do not. `outages` are how long CPUs were away, ticks.
    pub(in crate::kernel) fn in_brief(
        &self,
        hotplug: &Hotplug,
        farewell: &Farewell,
        passage: &Passage,
        outages: impl FnOnce() -> Vec<u64>,
    ) {
        if !self.brief {
            return;
        }
        let kexec = self.kexec(hotplug, farewell, passage, 0);
        let brief = Record::Brief(Brief {
            generation: kexec.generation,
            cpus: hotplug.topology().len() as u32,
            online: hotplug.online().len() as u32,
            teardown: kexec.teardown,
            done: farewell.cycle.done,
            asked: farewell.cycle.asked,
            down_ns: self.ns(farewell.teardown_total),
            exec_to_jump_ns: kexec.exec_to_jump_ns,
            jump_to_entry_ns: kexec.jump_to_entry_ns,
            entry_to_online_ns: kexec.entry_to_online_ns,
            blackout_ns: kexec.blackout_ns,
            outage_ns: Quantiles::of(outages().into_iter().map(|ticks| self.ns(ticks))),
        });
        self.print(&report::to_line(&brief));
    }
}
