//! `irqs`, `set irq` and `set console.cpu`.

use alloc::format;
use alloc::string::{String, ToString};

use super::Outcome;
use crate::cpu::CpuMask;
use crate::interrupt::Trigger;
use crate::irq::Row;
use crate::kernel::{Cpus, Peripherals, Reporter};
use crate::options::number;
use crate::shell::command::CpuChoice;

const USAGE: &str = "not an interrupt and its CPUs; `set irq 33 affinity 0-3` is one way to say it";

/// `irqs`: the private interrupts of all CPUs, then the shared ones.
pub(super) fn list(out: &Reporter, cpus: &Cpus, peripherals: &Peripherals) -> Outcome {
    let seam = cpus.seam();
    out.print("intid  name             wanted on     taken by  enabled  trigger     handled");
    let private = seam.private_taken();
    let timer = peripherals.timer_interrupt();
    let all = [
        (0, "ipi", "edge", private.ipis),
        (timer.intid, "timer", timer.trigger.name(), private.timer),
    ];
    for (intid, name, trigger, taken) in all {
        out.print(&format!(
            "{intid:>5}  {name:<15}  each CPU      each CPU  yes      {trigger:<7}  {taken:>10}"
        ));
    }
    for row in cpus.services().irqs.rows() {
        let routed = seam.route_of(row.intid);
        let trigger = seam.status_of(row.intid).trigger;
        out.print(&line(&row, trigger, row.effective.is_some() && row.effective != routed));
    }
    if peripherals.polls_console() {
        out.print("    -  console          the tree gives it no interrupt");
    }
    Ok(None)
}

/// `set irq N affinity LIST`.
pub(super) fn set_irq(cpus: &Cpus, value: &str) -> Result<(), String> {
    let mut words = value.split_whitespace();
    let (intid, verb, choice) = (words.next(), words.next(), words.next());
    let intid = intid.and_then(number).and_then(|n| u32::try_from(n).ok());
    let choice = choice.and_then(CpuChoice::read);
    match (intid, verb, choice, words.next()) {
        (Some(intid), Some("affinity"), Some(choice), None) => set_affinity(cpus, intid, choice),
        _ => Err(format!("{value}: {USAGE}")),
    }
}

/// `set console.cpu`: the console's interrupt goes to one CPU.
pub(super) fn set_console_cpu(
    cpus: &Cpus,
    peripherals: &Peripherals,
    value: &str,
) -> Result<(), String> {
    let cpu = crate::options::cpu(value).ok_or_else(|| format!("{value}: not a CPU"))?;
    let interrupt = peripherals.console_interrupt();
    let interrupt = interrupt.ok_or("the tree gives the console no interrupt")?;
    if !cpus.hotplug().online().contains(cpu) {
        return Err(format!("CPU {cpu} is not online; `cpus` shows each CPU's mark"));
    }
    set_affinity(cpus, interrupt.intid, CpuChoice::Listed(CpuMask::from_iter([cpu])))
}

fn set_affinity(cpus: &Cpus, intid: u32, choice: CpuChoice) -> Result<(), String> {
    let hotplug = cpus.hotplug();
    let all = CpuMask::first(hotplug.topology().len());
    let wanted = match choice {
        CpuChoice::All => all,
        CpuChoice::Listed(listed) => listed,
    };
    if let Some(stranger) = wanted.and_not(&all).iter().next() {
        let last = hotplug.topology().len() - 1;
        return Err(format!("there is no CPU {stranger}; this machine has 0-{last}"));
    }
    let online = hotplug.everybody_stays();
    let irqs = &cpus.services().irqs;
    irqs.set_affinity(cpus.seam(), &online, intid, &wanted).map_err(|e| e.to_string())
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
