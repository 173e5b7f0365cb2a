//! Commands that keep the machine busy: `torture`, `load`.

use alloc::format;
use alloc::string::String;

use super::{Kernel, Outcome};
use crate::report::Record;
use crate::torture::load::Load;
use crate::torture::{self, Kind};

/// How long a trial takes by default.
const SECONDS: u32 = 10;

impl Kernel {
    pub(super) fn torture(&self, kind: Kind, seconds: Option<u32>, seed: Option<u64>) -> Outcome {
        // A trial counts what devices do, so the load rests meanwhile.
        let lost = self.load.as_ref().map(Load::drain).unwrap_or_default();
        let seed = seed.unwrap_or_else(|| self.board.now());
        self.print(&format!("torture {} --seed {seed}", kind.name()));
        let seconds = seconds.unwrap_or(SECONDS);
        let record = torture::run(self.site(), kind, seconds, seed, &mut |line| self.print(line));
        self.load.iter().for_each(Load::resume);
        let failures = lost.iter().chain(&record.failures).cloned();
        let failures: alloc::vec::Vec<String> = failures.collect();
        self.record(&Record::Torture(record));
        if failures.is_empty() { Ok(None) } else { Err(failures.join("; ")) }
    }

    pub(super) fn switch_load(&mut self, on: Option<bool>) -> Outcome {
        match (on, self.load.take()) {
            (Some(true), None) => self.load = Some(Load::on(self.site())?),
            (Some(false), Some(load)) => {
                let (tally, result) = load.off();
                self.loads.sent += tally.sent;
                self.loads.handled += tally.handled;
                result?;
            }
            (_, load) => self.load = load,
        }
        let count = self.load_count();
        let (state, now) = match &self.load {
            Some(load) => ("on", load.describe()),
            None => ("off", "nothing is sent".into()),
        };
        self.print(&format!("load {state}: {now}"));
        self.print(&format!("in all kernels: {} sent, {} handled", count.sent, count.handled));
        Ok(None)
    }
}
