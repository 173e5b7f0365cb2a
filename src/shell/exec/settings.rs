//! `set`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Kernel, Outcome};
use crate::hotplug::fault;
use crate::hotplug::steps::{self, Section};
use crate::options::{FailError, FailSpec, MAX_LOGLEVEL, number};
use crate::shell::command::Setting;
use crate::trace::{StepId, StepName};

impl Kernel {
    pub(super) fn set(&mut self, setting: Option<(Setting, String)>) -> Outcome {
        match setting {
            None => self.settings(),
            Some((Setting::Loglevel, value)) => {
                let level = number(&value).filter(|&n| n <= MAX_LOGLEVEL.into());
                let level = level.ok_or_else(|| format!("{value}: not a level from 0 to 7"))?;
                self.set_loglevel(level as u8);
            }
            Some((Setting::Fail, value)) if value == "none" => self.hotplug.faults.clear(),
            Some((Setting::Fail, value)) => {
                let spec: FailSpec = value.parse().map_err(|e: FailError| e.to_string())?;
                fault::inject(self.hotplug, &spec)?;
            }
            Some((Setting::Exclusive, value)) => self.set_exclusive(&value)?,
            Some((Setting::ConsoleCpu, value)) => self.set_console_cpu(&value)?,
            Some((Setting::Irq, value)) => self.set_irq(&value)?,
            Some((Setting::Timeout, value)) => {
                let ms = number(&value).filter(|&ms| ms > 0);
                let ms = ms.ok_or_else(|| format!("{value}: not a number of milliseconds"))?;
                self.hotplug.set_timeout_ms(ms);
            }
        }
        Ok(None)
    }

    fn settings(&self) {
        let console = self.console_intid().and_then(|i| self.services.irqs.effective(i));
        let console = console.map_or("none".into(), |c| c.to_string());
        self.print(&format!("loglevel     {}", self.loglevel()));
        self.print(&format!("console.cpu  {console}"));
        self.print(&format!("timeout      {} ms", self.hotplug.timeout_ms()));
        self.print(&format!("exclusive    {}", self.exclusive()));
        self.print("irq          `irqs` lists them; `set irq N affinity LIST`");
        self.print("fail         `set fail STEP[:CPU][:up|down][:TIMES]`, `set fail none`");
    }

    /// `STEP`, or `none` for no step but those that can't be parallel.
    fn set_exclusive(&self, name: &str) -> Result<(), String> {
        if name == "none" {
            steps::ids().for_each(|id| self.hotplug.set_exclusive(id, false));
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
        self.hotplug.set_exclusive(id, true);
        Ok(())
    }

    /// Steps that run on one CPU at a time, for people.
    fn exclusive(&self) -> String {
        let names: alloc::vec::Vec<&str> =
            self.hotplug.exclusive_steps().map(StepName::name).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }
}

/// True if each CPU runs the step itself.
fn on_each_cpu(id: StepId) -> bool {
    steps::get(id).is_some_and(|s| matches!(s.section, Section::Starting | Section::Online))
}
