//! Commands that keep the machine busy: `torture`, `stress`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Outcome;
use crate::kernel::{Cpus, Reporter, Session};
use crate::report::Record;
use crate::torture::{self, Kind};

/// How long a trial takes by default.
const SECONDS: u32 = 10;

/// Runs a trial of a kind, for some seconds, from a seed.
pub(super) fn run(
    out: &Reporter,
    cpus: &Cpus,
    session: &Session,
    (kind, seconds, seed): (Kind, Option<u32>, Option<u64>),
) -> Outcome {
    // A trial counts what devices do, so the stress rests meanwhile.
    let lost = session.drain_stress();
    let site = cpus.site();
    let seed = seed.unwrap_or_else(|| site.board.now());
    out.print(&format!("torture {} --seed {seed}", kind.name()));
    let seconds = seconds.unwrap_or(SECONDS);
    let record = torture::run(site, kind, seconds, seed, &mut |line| out.print(line));
    session.resume_stress();
    let failures: Vec<String> = lost.iter().chain(&record.failures).cloned().collect();
    out.record(&Record::Torture(record));
    if failures.is_empty() { Ok(None) } else { Err(failures.join("; ")) }
}

pub(super) fn stress(
    out: &Reporter,
    cpus: &Cpus,
    session: &mut Session,
    on: Option<bool>,
) -> Outcome {
    if let Some(on) = on {
        session.set_stress(cpus.site(), on)?;
    }
    let count = session.stress_count();
    let (state, now) = match session.stress_now() {
        Some(now) => ("on", now),
        None => ("off", "nothing is sent".into()),
    };
    out.print(&format!("stress {state}: {now}"));
    out.print(&format!("in all kernels: {} sent, {} handled", count.sent, count.handled));
    Ok(None)
}
