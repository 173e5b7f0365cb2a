//! Commands that keep the machine busy: `torture`, `stress`.

use alloc::format;
use alloc::string::String;

use super::{Kernel, Outcome};
use crate::report::Record;
use crate::torture::stress::Stress;
use crate::torture::{self, Kind};

/// How long a trial takes by default.
const SECONDS: u32 = 10;

impl Kernel {
    pub(super) fn torture(&self, kind: Kind, seconds: Option<u32>, seed: Option<u64>) -> Outcome {
        // A trial counts what devices do, so the stress rests meanwhile.
        let lost = self.stress.as_ref().map(Stress::drain).unwrap_or_default();
        let seed = seed.unwrap_or_else(|| self.board.now());
        self.print(&format!("torture {} --seed {seed}", kind.name()));
        let seconds = seconds.unwrap_or(SECONDS);
        let record = torture::run(self.site(), kind, seconds, seed, &mut |line| self.print(line));
        self.stress.iter().for_each(Stress::resume);
        let failures = lost.iter().chain(&record.failures).cloned();
        let failures: alloc::vec::Vec<String> = failures.collect();
        self.record(&Record::Torture(record));
        if failures.is_empty() { Ok(None) } else { Err(failures.join("; ")) }
    }

    pub(super) fn switch_stress(&mut self, on: Option<bool>) -> Outcome {
        match (on, self.stress.take()) {
            (Some(true), None) => self.stress = Some(Stress::on(self.site())?),
            (Some(false), Some(stress)) => {
                let (tally, result) = stress.off();
                self.stresses.sent += tally.sent;
                self.stresses.handled += tally.handled;
                result?;
            }
            (_, stress) => self.stress = stress,
        }
        let count = self.stress_count();
        let (state, now) = match &self.stress {
            Some(stress) => ("on", stress.describe()),
            None => ("off", "nothing is sent".into()),
        };
        self.print(&format!("stress {state}: {now}"));
        self.print(&format!("in all kernels: {} sent, {} handled", count.sent, count.handled));
        Ok(None)
    }
}
