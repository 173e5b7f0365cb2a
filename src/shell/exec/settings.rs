//! `set`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Outcome, irqs};
use crate::hotplug::steps::{self, Section};
use crate::hotplug::{Hotplug, fault};
use crate::kernel::{Cpus, Loader, Peripherals, Reporter};
use crate::options::{FailError, FailSpec, MAX_LOGLEVEL, number};
use crate::shell::command::Setting;
use crate::trace::{StepId, StepName};

/// `set NAME VALUE`. The interrupts that can be set are those of `peripherals`.
pub(super) fn set(
    out: &mut Reporter,
    cpus: &Cpus,
    peripherals: &Peripherals,
    loader: &mut Loader,
    setting: Setting,
    value: &str,
) -> Outcome {
    let hotplug = cpus.hotplug();
    match setting {
        Setting::Loglevel => {
            let level = number(value).filter(|&n| n <= MAX_LOGLEVEL.into());
            let level = level.ok_or_else(|| format!("{value}: not a level from 0 to 7"))?;
            out.set_loglevel(level as u8);
        }
        Setting::Fail if value == "none" => hotplug.faults.clear(),
        Setting::Fail => {
            let spec: FailSpec = value.parse().map_err(|e: FailError| e.to_string())?;
            fault::inject(hotplug, &spec)?;
        }
        Setting::Exclusive => set_exclusive(hotplug, value)?,
        Setting::ConsoleCpu => irqs::set_console_cpu(cpus, peripherals, value)?,
        Setting::Warm => {
            let on = switch(value).ok_or_else(|| format!("{value}: neither on nor off"))?;
            loader.set_warm(on);
        }
        Setting::Irq => irqs::set_irq(cpus, value)?,
        Setting::Timeout => {
            let ms = number(value).filter(|&ms| ms > 0);
            let ms = ms.ok_or_else(|| format!("{value}: not a number of milliseconds"))?;
            hotplug.set_timeout_ms(ms);
        }
    }
    Ok(None)
}

/// `set` alone: what is set.
pub(super) fn list(
    out: &Reporter,
    cpus: &Cpus,
    peripherals: &Peripherals,
    loader: &Loader,
) -> Outcome {
    let hotplug = cpus.hotplug();
    let console = peripherals.console_interrupt();
    let console = console.and_then(|i| cpus.services().irqs.effective(i.intid));
    let console = console.map_or("none".into(), |c| c.to_string());
    out.print(&format!("loglevel     {}", out.loglevel()));
    out.print(&format!("console.cpu  {console}"));
    out.print(&format!("timeout      {} ms", hotplug.timeout_ms()));
    out.print(&format!("exclusive    {}", exclusive(hotplug)));
    out.print(&format!("warm         {}", if loader.is_warm() { "on" } else { "off" }));
    out.print("irq          `irqs` lists them; `set irq N affinity LIST`");
    out.print("fail         `set fail STEP[:CPU][:up|down][:TIMES]`, `set fail none`");
    Ok(None)
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `STEP`, or `none` for no step but those that can't be parallel.
fn set_exclusive(hotplug: &Hotplug, name: &str) -> Result<(), String> {
    if name == "none" {
        steps::ids().for_each(|id| hotplug.set_exclusive(id, false));
        return Ok(());
    }
    let id = steps::by_name(name)
        .ok_or_else(|| format!("{name}: no such step; `hotplug` lists them"))?;
    if !on_each_cpu(id) {
        return Err(format!(
            "{name}: the boot CPU runs it, for one CPU after the other or once for all; choose \
             a step of the starting or online section"
        ));
    }
    hotplug.set_exclusive(id, true);
    Ok(())
}

/// Steps that run on one CPU at a time, for people.
fn exclusive(hotplug: &Hotplug) -> String {
    let names: Vec<&str> = hotplug.exclusive_steps().map(StepName::name).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// True if each CPU runs the step itself.
fn on_each_cpu(id: StepId) -> bool {
    steps::get(id).is_some_and(|s| matches!(s.section, Section::Starting | Section::Online))
}
