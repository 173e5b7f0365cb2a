//! Interrupts at boot: the console's, which is one like any other, and what was left by others.

use alloc::boxed::Box;
use alloc::format;

use super::{Kernel, Level};
use crate::cpu::CpuMask;
use crate::interrupt::Interrupt;
use crate::irq::{Action, AffinityKind, Handled, Here, Irq, Wanted};
use crate::platform::LPI_TABLES;

impl Kernel {
    /// Says what an earlier kernel left on that can't be turned off.
    pub(super) fn lpis(&mut self) {
        let left_on = self.board.lpis_left_on();
        if left_on == 0 {
            return;
        }
        let reserved = self.boot.machine.reserved.iter();
        let bytes: u64 =
            reserved.filter(|r| r.name.starts_with(LPI_TABLES)).map(|r| r.range.size()).sum();
        let text = format!(
            "an earlier kernel left LPIs enabled on {left_on} redistributors; they stay so, and \
             the {bytes} bytes of their tables are reserved"
        );
        self.say(Level::Warning, &text);
    }

    /// Requests the console's interrupt and enables it in the UART. The CPU that takes the
    /// interrupt, which may be any, wakes the boot CPU, and the boot CPU reads what was typed.
    pub(super) fn console(&mut self) {
        let Some(interrupt) = self.boot.machine.console.as_ref().and_then(|c| c.interrupt) else {
            return;
        };
        let board = self.board;
        let action = Box::new(move |_: &Irq<'_>| handled(board.take_input()));
        if self.request(interrupt, "console", AffinityKind::Balanced, self.everywhere(), action) {
            board.listen();
        }
    }

    /// Starts the devices that interrupt, and asks for their interrupts and those of the clusters'
    /// performance monitors.
    pub(super) fn start_devices(&mut self) {
        let board = self.board;
        self.devices = board.devices_start();
        let left = self.devices.left_running;
        if left > 0 {
            let text = format!("{left} devices were left running before this kernel, now stopped");
            self.boot.warnings.push(text);
        }
        let everywhere = self.everywhere();
        if let Some(interrupt) = self.devices.alarm {
            let action = Box::new(move |_: &Irq<'_>| handled(board.alarm_taken()));
            self.request(interrupt, "alarm", AffinityKind::Balanced, everywhere, action);
        }
        if let Some(interrupt) = self.devices.disk {
            let action = Box::new(move |_: &Irq<'_>| handled(board.disk_taken() > 0));
            self.request(interrupt, "disk", AffinityKind::Balanced, everywhere, action);
        }
        for number in 0..self.boot.machine.clusters.len() {
            self.cluster(number);
        }
    }

    /// The overflow interrupt of a cluster: only the cluster's own CPUs reach the registers.
    /// Emulation raises the interrupt by software, so that an emulated one is an edge, whatever
    /// trigger the tree states. All CPUs of a machine are alike in that, and those that are online
    /// know it by now.
    fn cluster(&mut self, number: usize) {
        let cluster = self.boot.machine.clusters[number].clone();
        let emulated = self.services.pmu.info().iter().any(|info| info.emulated);
        let intid = cluster.interrupt.intid;
        let interrupt = if emulated { Interrupt::edge(intid) } else { cluster.interrupt };
        let pmu = &self.services.pmu;
        let action = move |irq: &Irq<'_>| handled(pmu.overflow(irq.machine, number, irq.cpu));
        let action = Box::new(action);
        self.request(interrupt, &cluster.name, AffinityKind::Managed, cluster.cpus, action);
    }

    /// False if the interrupt can't be had; a warning at boot says so.
    fn request(
        &mut self,
        interrupt: Interrupt,
        name: &str,
        kind: AffinityKind,
        affinity: CpuMask,
        action: Action,
    ) -> bool {
        let (hotplug, name) = (self.hotplug, name.into());
        let (rcu, cpu) = (&self.services.rcu, hotplug.topology().boot());
        let here = Here { machine: self.board, cpu, rcu, online: &hotplug.everybody_stays() };
        let wanted = Wanted { interrupt, name, affinity, kind, action };
        let result = self.services.irqs.request(&here, wanted);
        if let Err(why) = &result {
            self.boot.warnings.push(format!("interrupt {}: {why}", interrupt.intid));
        }
        result.is_ok()
    }

    fn everywhere(&self) -> CpuMask {
        CpuMask::first(self.hotplug.topology().len())
    }
}

fn handled(had_a_reason: bool) -> Handled {
    if had_a_reason { Handled::Yes } else { Handled::No }
}
