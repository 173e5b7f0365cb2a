//! `irqs`, `set irq` and `set console.cpu`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Kernel, Outcome};
use crate::cpu::CpuMask;
use crate::interrupt::Trigger;
use crate::irq::Row;
use crate::options::number;
use crate::shell::command::Cpus;
use crate::shell::parse::list;

const USAGE: &str = "not an interrupt and its CPUs; `set irq 33 affinity 0-3` is one way to say it";

impl Kernel {
    pub(super) fn irqs(&self) -> Outcome {
        self.print("intid  name             wanted on     taken by  enabled  trigger     handled");
        let private = self.board.private_taken();
        let timer = self.boot.machine.timer.virtual_ppi;
        let all = [
            (0, "ipi", "edge", private.ipis),
            (timer.intid, "timer", timer.trigger.name(), private.timer),
        ];
        for (intid, name, trigger, taken) in all {
            self.print(&format!(
                "{intid:>5}  {name:<15}  each CPU      each CPU  yes      {trigger:<7}  {taken:>10}"
            ));
        }
        let rows = self.services.irqs.rows();
        for row in rows {
            let routed = self.board.route_of(row.intid);
            let trigger = self.board.status_of(row.intid).trigger;
            self.print(&line(&row, trigger, row.effective.is_some() && row.effective != routed));
        }
        if self.boot.machine.console.as_ref().is_some_and(|c| c.interrupt.is_none()) {
            self.print("    -  console          the tree gives it no interrupt");
        }
        Ok(None)
    }

    /// `N affinity LIST`.
    pub(super) fn set_irq(&self, value: &str) -> Result<(), String> {
        let mut words = value.split_whitespace();
        let (intid, verb, cpus) = (words.next(), words.next(), words.next());
        let intid = intid.and_then(number).and_then(|n| u32::try_from(n).ok());
        let cpus = cpus.and_then(list::cpus);
        match (intid, verb, cpus, words.next()) {
            (Some(intid), Some("affinity"), Some(cpus), None) => self.set_affinity(intid, cpus),
            _ => Err(format!("{value}: {USAGE}")),
        }
    }

    /// The console's interrupt goes to one CPU.
    pub(super) fn set_console_cpu(&self, value: &str) -> Result<(), String> {
        let cpu = crate::options::cpu(value).ok_or_else(|| format!("{value}: not a CPU"))?;
        let intid = self.console_intid().ok_or("the tree gives the console no interrupt")?;
        if !self.hotplug.online().contains(cpu) {
            return Err(format!("CPU {cpu} is not online; `cpus` shows each CPU's mark"));
        }
        self.set_affinity(intid, Cpus::Listed(CpuMask::from_iter([cpu])))
    }

    fn set_affinity(&self, intid: u32, cpus: Cpus) -> Result<(), String> {
        let all = CpuMask::first(self.hotplug.topology().len());
        let wanted = match cpus {
            Cpus::All => all,
            Cpus::Listed(cpus) => cpus,
        };
        if let Some(stranger) = wanted.and_not(&all).iter().next() {
            let last = self.hotplug.topology().len() - 1;
            return Err(format!("there is no CPU {stranger}; this machine has 0-{last}"));
        }
        let online = self.hotplug.everybody_stays();
        let irqs = &self.services.irqs;
        irqs.set_affinity(self.board, &online, intid, &wanted).map_err(|e| e.to_string())
    }

    /// The console's interrupt, if the tree names one.
    pub(super) fn console_intid(&self) -> Option<u32> {
        Some(self.boot.machine.console.as_ref()?.interrupt?.intid)
    }
}

/// `trigger` is what the distributor says; `astray`: the distributor routes the interrupt
/// elsewhere.
fn line(row: &Row, trigger: Trigger, astray: bool) -> String {
    let Row { intid, name, handled, .. } = row;
    let wanted = row.requested.ranges().to_string();
    let taken = row.effective.map_or("nobody".into(), |cpu| format!("CPU {cpu}"));
    let enabled = if row.effective.is_some() { "yes" } else { "no" };
    let note = match row {
        _ if astray => "  the distributor routes it elsewhere",
        Row { silenced: true, .. } => "  turned off: it came too often for nothing",
        Row { effective: None, .. } => "  masked until one of its CPUs is online",
        Row { broken: true, .. } => "  affinity broken: none of its CPUs is online",
        _ => "",
    };
    let trigger = trigger.name();
    format!(
        "{intid:>5}  {name:<15}  {wanted:<12}  {taken:<8}  {enabled:<7}  {trigger:<7}  {handled:>10}{note}"
    )
}
