//! The commands of a bench: all CPUs down and up again, in both modes.

use std::time::Duration;

use anyhow::Result;
use baton::report::{BringupPolicy, Record, TeardownMode};

use super::{BenchArgs, Stress};
use crate::progress::Progress;
use crate::run::with_guest;
use crate::{Guest, Options, Outcome, collect};

/// Boots baton, has all CPUs go and come in both modes, and gives all records.
///
/// # Errors
/// An [`Outcome`] if the guest failed, after its last lines were shown; else what went wrong here.
pub(super) fn measure(
    args: &BenchArgs,
    stress: Stress,
    progress: &Progress,
) -> Result<Vec<Record>> {
    progress.step(format!("booting {} CPUs, {}", args.machine.cpus, stress.name()));
    let append = format!("cpuhp.bringup=parallel cpuhp.teardown=parallel {}", args.machine.append);
    let machine = Options { append: append.trim_end().to_string(), ..args.machine.clone() };
    let log = args.out.join(format!("bench-{}.log", stress.name()));
    with_guest(&machine, args.limits, &log, |guest| {
        all(args, stress, guest, progress)?;
        Ok(guest.records().to_vec())
    })
}

fn all(
    args: &BenchArgs,
    stress: Stress,
    guest: &mut Guest,
    progress: &Progress,
) -> Result<(), Outcome> {
    let silence = args.limits.silence();
    guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    if stress == Stress::Live {
        make_busy(guest, silence)?;
    }
    // The first round down is the cold one; its way up is warm, as booting has run that code.
    let plan = [
        (TeardownMode::Parallel, BringupPolicy::Parallel, args.rounds + 1),
        (TeardownMode::Parallel, BringupPolicy::Fanout, args.rounds),
        (TeardownMode::Serial, BringupPolicy::Serial, args.serial_rounds),
    ];
    for (down, up, rounds) in plan {
        for round in 1..=rounds {
            progress.step(format!("down {down}, up {up}: {round} of {rounds}"));
            down_and_up(guest, down, up, silence)?;
        }
    }
    guest.send("poweroff")?;
    guest.wait_end(silence)?;
    Ok(())
}

/// Everything that a leaving CPU has to hand over is in use from now on. A kernel that can't do that
/// ends the bench: its rows would say more than was measured.
fn make_busy(guest: &mut Guest, silence: Duration) -> Result<(), Outcome> {
    let first = guest.records().len();
    guest.command_within("stress on", silence)?;
    collect::no_errors(&guest.records()[first..])
}

fn down_and_up(
    guest: &mut Guest,
    down: TeardownMode,
    up: BringupPolicy,
    silence: Duration,
) -> Result<(), Outcome> {
    let first = guest.records().len();
    guest.command_within(&format!("cpu offline all --teardown {down}"), silence)?;
    guest.command_within(&format!("cpu online all --policy {up}"), silence)?;
    let said = &guest.records()[first..];
    collect::no_errors(said)?;
    let gone = said.iter().find_map(|r| match r {
        Record::Teardown(teardown) => Some(teardown.stuck.is_empty()),
        _ => None,
    });
    let back = said.iter().find_map(|r| match r {
        Record::Bringup(bringup) => Some(bringup.failed.is_empty()),
        _ => None,
    });
    let what = match (gone, back) {
        (Some(true), Some(true)) => return Ok(()),
        (Some(_), Some(_)) => "not all CPUs went and came",
        _ => "no teardown or no bringup record",
    };
    Err(Outcome::Incomplete(format!("down {down}, up {up}: {what}")))
}
