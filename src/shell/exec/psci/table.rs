//! What `psci bench` has measured, for people.

use alloc::format;
use alloc::string::String;

use crate::kernel::Reporter;
use crate::report::{Psci, PsciScope, Quantiles, contention};
use crate::shell::exec::us;

const HEAD: &str = "CPUs            what               how            min       p50       p90       p99       max  at once";

/// A table of all groups, in microseconds.
pub(super) fn show(out: &Reporter, records: &[Psci]) {
    out.print("us, without a kernel; at once: the median of all at once over that of one by one");
    out.print(HEAD);
    records.iter().for_each(|record| group(out, record));
}

fn group(out: &Reporter, record: &Psci) {
    let name = name(record);
    if let Some(version) = record.version_ns {
        out.print(&row(&name, "PSCI_VERSION", "", &version, None));
    }
    let Psci { serial, parallel, .. } = record;
    for ((what, one), (_, all)) in serial.parts().iter().zip(&parallel.parts()) {
        out.print(&row(&name, what, "one by one", one, None));
        out.print(&row(&name, what, "all at once", all, contention(one.p50, all.p50)));
    }
    whole(out, record);
}

/// The whole of a round.
fn whole(out: &Reporter, record: &Psci) {
    if let (Some(up), Some(down)) = (record.up_ns, record.down_ns) {
        let [one, all] = [0, 1].map(|i| format!("{} on, {} off", us(up[i]), us(down[i])));
        let text = format!("a round of {} CPUs: one by one {one}; all at once {all}", record.cpus);
        out.print(&text);
    }
}

fn name(record: &Psci) -> String {
    match record.scope.known() {
        Some(PsciScope::Socket) => format!("socket {} ({})", record.number, record.cpus),
        Some(PsciScope::Cluster) => format!("cluster {:#x} ({})", record.number, record.cpus),
        _ => format!("all ({})", record.cpus),
    }
}

fn row(name: &str, what: &str, how: &str, of: &Quantiles, ratio: Option<u64>) -> String {
    let [min, p50, p90, p99, max] = of.all().map(us);
    let ratio = ratio.map(|percent| format!("{}.{:02} x", percent / 100, percent % 100));
    let ratio = ratio.unwrap_or_default();
    let line = format!(
        "{name:<15} {what:<18} {how:<11} {min:>6} {p50:>9} {p90:>9} {p99:>9} {max:>9}  {ratio:>7}"
    );
    String::from(line.trim_end())
}
