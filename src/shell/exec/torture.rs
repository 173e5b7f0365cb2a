//! Commands that keep the machine busy: `torture`, `stress`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Outcome;
use crate::kernel::{Reporter, Session};
use crate::report::Record;
use crate::torture::{self, Kind, Site};

/// How long a trial takes by default.
const SECONDS: u32 = 10;

/// `torture`: runs a trial of a kind, for some seconds, from a seed. A trial is about all of the machine.
pub(super) fn run(
    out: &Reporter,
    session: &Session,
    site: Site,
    (kind, seconds, seed): (Kind, Option<u32>, Option<u64>),
) -> Outcome {
    // A trial counts what devices do, so the stress rests meanwhile.
    let lost = session.drain_stress();
    let seed = seed.unwrap_or_else(|| site.board.now());
    out.print(&format!("torture {} --seed {seed}", kind.name()));
    let seconds = seconds.unwrap_or(SECONDS);
    let record = torture::run(site, kind, seconds, seed, &mut |line| out.print(line));
    session.resume_stress();
    let failures: Vec<String> = lost.iter().chain(&record.failures).cloned().collect();
    out.record(&Record::Torture(record));
    if failures.is_empty() { Ok(None) } else { Err(failures.join("; ")) }
}

/// `stress`: switches the stress, if asked to, and shows the counts.
pub(super) fn stress(
    out: &Reporter,
    session: &mut Session,
    site: Site,
    on: Option<bool>,
) -> Outcome {
    if let Some(on) = on {
        session.set_stress(site, on)?;
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
