//! Commands about the next kernel: `files`, `kexec`, `cycle`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Kernel, Outcome};
use crate::handover::CycleCount;
use crate::kernel::UNPACK_LIMIT;
use crate::kexec::{Files, KexecLoad, Kind};
use crate::report::{BringupPolicy, TeardownMode};
use crate::shell::command::Cycle;

/// What `cycle` loads by default.
const DEFAULT_IMAGE: &str = "baton.Image";

impl Kernel {
    pub(super) fn files(&self) -> Outcome {
        let (bytes, range) = self.initrd().ok_or("there is no initrd; boot with -initrd")?;
        let files = Files::open(bytes, UNPACK_LIMIT).map_err(|e| e.to_string())?;
        for (name, size) in files.iter() {
            self.print(&format!("{size:>12}  {}", name.escape_debug()));
        }
        self.print(&format!("initrd at {range}"));
        Ok(None)
    }

    pub(super) fn kexec_load(&mut self, ask: &KexecLoad) -> Outcome {
        self.load(ask)?;
        self.kexec_status()
    }

    pub(super) fn kexec_status(&self) -> Outcome {
        match &self.loaded {
            Some(loaded) => self.print(&loaded.to_string()),
            None => self.print("no kernel is loaded"),
        }
        Ok(None)
    }

    pub(super) fn kexec_unload(&mut self) -> Outcome {
        self.unload()?;
        Ok(None)
    }

    pub(super) fn kexec_exec(&mut self, teardown: Option<TeardownMode>, verify: bool) -> Outcome {
        let mode = teardown.unwrap_or(self.options.teardown);
        let verify = verify || self.options.verify;
        self.exec(mode, CycleCount::default(), verify).map(Some)
    }

    /// One more kexec of a series. The rest of the series goes along as the first command of the
    /// script, so that the next kernel goes on without being asked.
    pub(super) fn cycle(&mut self, cycle: &Cycle) -> Outcome {
        if cycle.done >= cycle.asked {
            return Ok(None);
        }
        let path = String::from(cycle.image.as_deref().unwrap_or(DEFAULT_IMAGE));
        let append = cycle.bringup.map(|policy| self.bootargs_with(policy));
        let ask = KexecLoad {
            path,
            kind: Kind::Image,
            initrd: None,
            append,
            dtb: None,
            sig: None,
            at: None,
        };
        self.load(&ask)?;
        let mode = cycle.teardown.unwrap_or(self.options.teardown);
        let done = cycle.done + 1;
        let rest = Cycle { done, teardown: Some(mode), ..cycle.clone() };
        let last = done == cycle.asked;
        if !last {
            self.script.push_front(rest.to_string());
        }
        let count = CycleCount { done, asked: cycle.asked };
        self.exec(mode, count, self.options.verify).map(Some).inspect_err(|_| {
            if !last {
                self.script.pop_front();
            }
        })
    }

    /// Our command line with another bring-up policy: the last one given counts.
    fn bootargs_with(&self, policy: BringupPolicy) -> String {
        let bootargs = self.inherited_bootargs();
        let words = bootargs.split(' ').filter(|word| !word.starts_with("cpuhp.bringup="));
        let kept: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let policy = format!("cpuhp.bringup={policy}");
        [kept.as_slice(), &[policy.as_str()]].concat().join(" ")
    }
}
