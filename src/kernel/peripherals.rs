//! What interrupts beside the CPUs: the console, which is a device like any other, the alarm, the
//! disk, and the clusters' performance monitors. Also: what was left on by others.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Reporter;
use crate::cpu::CpuMask;
use crate::hotplug::fault::QUIESCE;
use crate::interrupt::Interrupt;
use crate::irq::{Action, AffinityKind, Handled, Here, Irq, Wanted};
use crate::machine::Typed;
use crate::machine::device::{Devices, DevicesFound};
use crate::machine::quiesce::{quiesce_all, resume_all};
use crate::platform::{LPI_TABLES, Machine};
use crate::torture::Site;
use crate::trace::Dir;

/// The devices of the machine.
pub struct Peripherals {
    site: Site,
    machine: Machine,
    found: DevicesFound,
    /// The console's interrupt has its action.
    console_interrupts: bool,
}

impl Peripherals {
    /// Those of `machine`; the devices are not started yet.
    pub(super) fn new(site: Site, machine: Machine) -> Self {
        Self { site, machine, found: DevicesFound::default(), console_interrupts: false }
    }

    /// What the machine is.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Takes over from the tree what the kernel before has not told. Returns what it has told
    /// otherwise: what is in use stays as it was told.
    pub(super) fn adopt(&mut self, read: Machine) -> Vec<&'static str> {
        let differences = read.differences(&self.machine);
        let Machine { model, rtc, virtio, .. } = read;
        (self.machine.model, self.machine.rtc, self.machine.virtio) = (model, rtc, virtio);
        differences
    }

    /// The devices' drivers.
    pub fn drivers(&self) -> &'static dyn Devices {
        self.site.board
    }

    /// The devices that were started, and their interrupts.
    pub fn found(&self) -> &DevicesFound {
        &self.found
    }

    /// The timer's interrupt, private to each CPU.
    pub fn timer_interrupt(&self) -> Interrupt {
        self.machine.timer.virtual_ppi
    }

    /// True if there is a console without an interrupt that can be had: the boot CPU looks at its
    /// line.
    pub fn polls_console(&self) -> bool {
        self.machine.console.is_some() && !self.console_interrupts
    }

    /// The console's interrupt, if the tree names one.
    pub fn console_interrupt(&self) -> Option<Interrupt> {
        self.machine.console.as_ref()?.interrupt
    }

    /// Requests the console's interrupt. The CPU that takes the interrupt, which may be any, wakes
    /// the boot CPU, and the boot CPU reads what was typed.
    pub(super) fn request_console(&mut self, out: &mut Reporter) {
        let Some(interrupt) = self.console_interrupt() else { return };
        let board = self.site.board;
        let action = Box::new(move |_: &Irq<'_>| handled(board.take_input()));
        let (kind, everywhere) = (AffinityKind::Balanced, self.everywhere());
        self.console_interrupts = self.request(out, interrupt, "console", kind, everywhere, action);
        if !self.console_interrupts {
            out.hold(String::from("without its interrupt the console is polled"));
        }
    }

    /// Begins to take what is typed: `typed` first, which the kernel before has taken and not read.
    /// Not before this kernel can serve: until then the UART holds its sender back.
    pub(super) fn open_console(&self, typed: &[Typed]) {
        self.site.board.restore(typed);
        self.site.board.listen(self.console_interrupts);
    }

    /// Before a jump: what was typed and not read goes along; what comes from now on stays in the
    /// UART for the next kernel.
    pub(super) fn hold_console(&self) -> Vec<Typed> {
        self.site.board.hold()
    }

    /// Starts the devices that interrupt, and asks for their interrupts and those of the clusters'
    /// performance monitors.
    pub(super) fn start(&mut self, out: &mut Reporter) {
        let board = self.site.board;
        match board.devices_start(&self.machine.devices()) {
            Ok(found) => self.found = found,
            Err(why) => out.hold(format!("there are no devices: {why}")),
        }
        let left = self.found.left_running;
        if left > 0 {
            let text = format!("{left} devices were left running before this kernel, now stopped");
            out.hold(text);
        }
        let everywhere = self.everywhere();
        if let Some(interrupt) = self.found.alarm {
            let action = Box::new(move |_: &Irq<'_>| handled(board.alarm_taken()));
            self.request(out, interrupt, "alarm", AffinityKind::Balanced, everywhere, action);
        }
        if let Some(interrupt) = self.found.disk {
            let action = Box::new(move |_: &Irq<'_>| handled(board.disk_taken() > 0));
            self.request(out, interrupt, "disk", AffinityKind::Balanced, everywhere, action);
        }
        for number in 0..self.machine.clusters.len() {
            self.cluster(out, number);
        }
    }

    /// The overflow interrupt of a cluster: only the cluster's own CPUs reach the registers.
    /// Emulation raises the interrupt by software, so that an emulated one is an edge, whatever
    /// trigger the tree states. All CPUs of a machine are alike in that, and those that are online
    /// know it by now.
    fn cluster(&self, out: &mut Reporter, number: usize) {
        let cluster = &self.machine.clusters[number];
        let pmu = &self.site.services.pmu;
        let emulated = pmu.info().iter().any(|info| info.emulated);
        let intid = cluster.interrupt.intid;
        let interrupt = if emulated { Interrupt::edge(intid) } else { cluster.interrupt };
        let action = move |irq: &Irq<'_>| handled(pmu.overflow(irq.machine, number, irq.cpu));
        let action = Box::new(action);
        self.request(out, interrupt, &cluster.name, AffinityKind::Managed, cluster.cpus, action);
    }

    /// False if the interrupt can't be had; a warning at boot says so.
    fn request(
        &self,
        out: &mut Reporter,
        interrupt: Interrupt,
        name: &str,
        kind: AffinityKind,
        affinity: CpuMask,
        action: Action,
    ) -> bool {
        let Site { board, hotplug, services } = self.site;
        let (rcu, cpu) = (&services.rcu, hotplug.topology().boot());
        let here = Here { machine: board, cpu, rcu, online: &hotplug.everybody_stays() };
        let wanted = Wanted { interrupt, name: name.into(), affinity, kind, action };
        let result = services.irqs.request(&here, wanted);
        if let Err(why) = &result {
            out.hold(format!("interrupt {}: {why}", interrupt.intid));
        }
        result.is_ok()
    }

    fn everywhere(&self) -> CpuMask {
        CpuMask::first(self.site.hotplug.topology().len())
    }

    /// Says what was found turned on at entry, and what an earlier kernel left on that can't be
    /// turned off.
    pub(super) fn say_left_on(&self, out: &mut Reporter) {
        let board = self.site.board;
        let warnings = board.inherited().warnings();
        out.warn(warnings.into_iter().map(|warning| format!("before this kernel {warning}")));
        let left_on = board.lpis_left_on();
        if left_on > 0 {
            let reserved = self.machine.reserved.iter();
            let tables = reserved.filter(|r| r.name.starts_with(LPI_TABLES));
            let bytes: u64 = tables.map(|r| r.range.size()).sum();
            out.warn([format!(
                "an earlier kernel left LPIs enabled on {left_on} redistributors; they stay so, and \
                 the {bytes} bytes of their tables are reserved"
            )]);
        }
    }

    /// Before a jump, while the kexec can still be called off: stops every device that acts by
    /// itself; a warning names what a driver gives up for that.
    ///
    /// # Errors
    /// Which one does not stop, and why; [`Self::resume`] puts the others right.
    pub(super) fn stop(&self, out: &mut Reporter) -> Result<(), String> {
        let board = self.site.board;
        let drivers = board.drivers();
        let last = drivers.last().map_or("a device", |last| last.name());
        let given_up = quiesce_all(&drivers, board)
            .and_then(|given_up| self.injected(last).map(|()| given_up))
            .map_err(|why| {
                format!("kexec refused: {why}; devices go on, the loaded kernel stays loaded")
            })?;
        out.warn(given_up);
        Ok(())
    }

    fn injected(&self, name: &str) -> Result<(), String> {
        let hotplug = self.site.hotplug;
        let hit = hotplug.faults.hit(QUIESCE, hotplug.topology().boot(), Dir::Down);
        if hit { Err(format!("{name} does not stop (injected failure)")) } else { Ok(()) }
    }

    /// Resumes all drivers and the console; a warning names each driver that fails.
    pub(super) fn resume(&self, out: &mut Reporter) {
        out.warn(resume_all(&self.site.board.drivers()));
        self.open_console(&[]);
    }
}

fn handled(had_a_reason: bool) -> Handled {
    if had_a_reason { Handled::Yes } else { Handled::No }
}
