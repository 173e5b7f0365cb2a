//! The four corners of a teardown: serially and in parallel, with a grace period for each CPU and with
//! one for all. Once in instructions, and once with grace periods that end at modelled ticks.

use anyhow::Result;
use baton::report::{BringupPolicy, Grace, Record, Teardown, TeardownMode};
use serde::Serialize;

use super::BenchArgs;
use crate::progress::Progress;
use crate::run::with_guest;
use crate::units::{Unit, ratio, time};
use crate::{Guest, Options, Outcome, collect, table};

/// What the first table shows.
pub(super) const TITLE: &str = "The four corners of a teardown of all CPUs but one, in instructions of \
                                all CPUs";
/// What the second table shows.
pub(super) const TICK_TITLE: &str = "The same, MODELLED: each grace period ends at a tick as in Linux \
                                     (rcu.tick=HZ). Virtual time: 1 ns for each instruction of any \
                                     CPU, and the time that is waited";
/// Modelled ticks of a second.
const TICKS: [u32; 3] = [100, 250, 1000];
/// The corners, the one that the others are held against last.
const CORNERS: [(TeardownMode, Grace); 4] = [
    (TeardownMode::Serial, Grace::Each),
    (TeardownMode::Serial, Grace::Once),
    (TeardownMode::Parallel, Grace::Each),
    (TeardownMode::Parallel, Grace::Once),
];

/// One teardown.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corner {
    cpus: u32,
    /// serial or parallel.
    #[serde(serialize_with = "name")]
    teardown: TeardownMode,
    /// each or once.
    #[serde(serialize_with = "grace_name")]
    grace: Grace,
    /// The modelled ticks of a second; `None`: grace periods end when they are over.
    modelled_tick_hz: Option<u32>,
    total_ns: u64,
    grace_ns: u64,
}

fn name<S: serde::Serializer>(mode: &TeardownMode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(mode.name())
}

fn grace_name<S: serde::Serializer>(grace: &Grace, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(grace.name())
}

/// Steps of progress.
pub(super) fn steps(args: &BenchArgs) -> u64 {
    args.corners.len() as u64 * (1 + TICKS.len() as u64)
}

/// Boots a machine for each number of CPUs and each tick, and takes its CPUs down in each way.
///
/// # Errors
/// An [`Outcome`] if a guest failed, after its last lines were shown; else what went wrong here.
pub(super) fn measure(args: &BenchArgs, progress: &Progress) -> Result<Vec<Corner>> {
    let mut all = Vec::new();
    for hz in std::iter::once(None).chain(TICKS.map(Some)) {
        for &cpus in &args.corners {
            let name = hz.map_or(String::new(), |hz| format!(", modelled ticks of {hz} Hz"));
            progress.step(format!("corners at {cpus} CPUs{name}"));
            all.extend(machine(args, cpus, hz)?);
        }
    }
    Ok(all)
}

fn machine(args: &BenchArgs, cpus: u32, hz: Option<u32>) -> Result<Vec<Corner>> {
    let tick = hz.map_or(String::new(), |hz| format!(" rcu.tick={hz}"));
    let append = format!("{}{tick}", args.machine.append).trim_start().to_string();
    let machine = Options { cpus, append, ..args.machine.clone() };
    let log = args.out.join(format!("bench-corners-{cpus}-{}.log", hz.unwrap_or(0)));
    with_guest(&machine, args.limits, &log, |guest| {
        let silence = args.limits.silence();
        guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
        let of = |(teardown, grace)| corner(args, guest, (cpus, hz), teardown, grace);
        let corners = CORNERS.map(of).into_iter().collect::<Result<_, _>>()?;
        guest.send("poweroff")?;
        guest.wait_end(silence)?;
        Ok(corners)
    })
}

/// All down one way, and up again.
fn corner(
    args: &BenchArgs,
    guest: &mut Guest,
    (cpus, modelled_tick_hz): (u32, Option<u32>),
    teardown: TeardownMode,
    grace: Grace,
) -> Result<Corner, Outcome> {
    let (first, silence) = (guest.records().len(), args.limits.silence());
    guest.command_within(
        &format!("cpu offline all --teardown {teardown} --grace {grace}"),
        silence,
    )?;
    guest
        .command_within(&format!("cpu online all --policy {}", BringupPolicy::Parallel), silence)?;
    let said = &guest.records()[first..];
    collect::no_errors(said)?;
    let down = said.iter().find_map(|record| match record {
        Record::Teardown(down) => Some(down),
        _ => None,
    });
    let good = |down: &&Teardown| {
        down.stuck.is_empty() && down.noted.is_empty() && down.modelled_tick_hz == modelled_tick_hz
    };
    let down = down.filter(good).ok_or_else(|| {
        Outcome::Incomplete(format!("{teardown}, grace {grace}: not all CPUs left as they should"))
    })?;
    let (total_ns, grace_ns) = (down.total_ns, down.phases.grace_ns);
    Ok(Corner { cpus, teardown, grace, modelled_tick_hz, total_ns, grace_ns })
}

/// Both tables.
pub(super) fn show(all: &[Corner]) -> String {
    format!("{TITLE}\n{}\n{TICK_TITLE}\n{}", in_instructions(all), modelled(all))
}

fn find(all: &[Corner], cpus: u32, way: (TeardownMode, Grace), hz: Option<u32>) -> Option<&Corner> {
    all.iter().find(|c| (c.cpus, (c.teardown, c.grace), c.modelled_tick_hz) == (cpus, way, hz))
}

/// How much longer than in parallel with one grace period for all.
fn over_best(all: &[Corner], one: &Corner) -> String {
    let best = find(all, one.cpus, CORNERS[3], one.modelled_tick_hz);
    best.map_or("-".to_string(), |best| ratio(one.total_ns, best.total_ns))
}

fn in_instructions(all: &[Corner]) -> String {
    let head = ["CPUs", "teardown", "grace", "total", "of it grace", "over parallel\nonce"];
    let plain = all.iter().filter(|corner| corner.modelled_tick_hz.is_none());
    let cells = plain.map(|corner| {
        let Corner { cpus, teardown, grace, total_ns, grace_ns, .. } = *corner;
        let [total, waited] = [total_ns, grace_ns].map(|n| Unit::Instructions.figure(n));
        let names = [cpus.to_string(), teardown.to_string(), grace.to_string()];
        names.into_iter().chain([total, waited, over_best(all, corner)]).collect()
    });
    table::render(&head, &cells.collect::<Vec<_>>(), 3)
}

fn modelled(all: &[Corner]) -> String {
    let heads =
        TICKS.iter().flat_map(|hz| [format!("{hz} Hz\nmodelled"), "over parallel\nonce".into()]);
    let heads: Vec<String> =
        ["CPUs", "teardown", "grace"].map(String::from).into_iter().chain(heads).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let plain = all.iter().filter(|corner| corner.modelled_tick_hz.is_none());
    let cells = plain.map(|corner| {
        let Corner { cpus, teardown, grace, .. } = *corner;
        let figures = TICKS.iter().flat_map(|&hz| {
            let one = find(all, cpus, (teardown, grace), Some(hz));
            let none = || "-".to_string();
            [
                one.map_or_else(none, |c| time(c.total_ns)),
                one.map_or_else(none, |c| over_best(all, c)),
            ]
        });
        let names = [cpus.to_string(), teardown.to_string(), grace.to_string()];
        names.into_iter().chain(figures).collect()
    });
    table::render(&heads, &cells.collect::<Vec<_>>(), 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_stand_beside_each_other_and_what_is_modelled_says_so() {
        let mut all = Vec::new();
        for hz in [None, Some(100), Some(250)] {
            for (i, (teardown, grace)) in CORNERS.into_iter().enumerate() {
                let total_ns = (4 - i as u64) * 1_000_000 * u64::from(hz.unwrap_or(1));
                let modelled_tick_hz = hz;
                all.push(Corner {
                    cpus: 80,
                    teardown,
                    grace,
                    modelled_tick_hz,
                    total_ns,
                    grace_ns: 7,
                });
            }
        }
        let text = show(&all);
        let lines = |name: &str| {
            let lines = text.lines().filter(|line| line.contains(name));
            lines.map(|l| l.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(lines("serial")[0], ["80", "serial", "each", "4,000,000", "7", "4.00"]);
        assert_eq!(
            lines("serial")[2],
            "80 serial each 400 ms 4.00 1.00 s 4.00 - -".split(' ').collect::<Vec<_>>()
        );
        assert_eq!(lines("MODELLED").len(), 1);
        assert_eq!(text.matches("modelled").count(), 3, "{text}");
        let json = serde_json::to_string(&all[4]).unwrap();
        assert!(
            json.contains(r#""teardown":"serial","grace":"each","modelled_tick_hz":100"#),
            "{json}"
        );
    }
}
