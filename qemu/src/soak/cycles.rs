//! baton into itself, by `cycle N`.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use baton::report::{Bringup, Cycle, Hello, Kexec, Name, Record, Teardown, TeardownMode};
use serde::Serialize;

use crate::progress::Progress;
use crate::run::{Limits, with_guest};
use crate::{Guest, Options, Outcome, collect};

/// Progress is told so often, in cycles.
pub(super) const TELL: u64 = 20;

/// One kexec of baton into itself.
#[derive(Serialize, Clone, Debug)]
pub(super) struct Cycled {
    /// What the new kernel says of itself.
    pub(super) hello: Hello,
    /// serial or parallel.
    mode: Name<TeardownMode>,
    /// From `kexec exec` to the last CPU, ns.
    pub(super) blackout_ns: u64,
}

/// Half of the cycles in parallel, half serially; what was whole is in `cycled`, even if a later
/// one fails.
pub(super) fn run(
    machine: &Options,
    asked: u32,
    limits: Limits,
    log: &Path,
    progress: &Progress,
    cycled: &mut Vec<Cycled>,
) -> Result<()> {
    progress.step(format!("booting baton on {} CPUs", machine.cpus));
    with_guest(machine, limits, log, |guest| {
        both(guest, machine.cpus, asked, limits.silence(), progress, cycled)
    })
}

fn both(
    guest: &mut Guest,
    cpus: u32,
    asked: u32,
    silence: Duration,
    progress: &Progress,
    cycled: &mut Vec<Cycled>,
) -> Result<(), Outcome> {
    guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    for (mode, count) in
        [(TeardownMode::Parallel, asked.div_ceil(2)), (TeardownMode::Serial, asked / 2)]
    {
        if count > 0 {
            guest.send(&format!("cycle {count} --teardown {mode} --bringup {mode}"))?;
        }
        for done in 1..=count {
            if (cycled.len() as u64).is_multiple_of(TELL) {
                let free = cycled.last().map(|cycle| cycle.hello.free_bytes);
                let free = free.map_or(String::new(), |bytes| format!("; {bytes} bytes free"));
                progress.step(format!("{mode} kexec {done} of {count}{free}"));
            }
            cycled.push(one(guest, cpus, cycled.len() as u32 + 1, silence)?);
        }
    }
    collect::no_errors(guest.records())?;
    guest.send("poweroff")?;
    guest.wait_end(silence).map(drop)
}

/// Waits for the end of one cycle, and checks what its records say.
fn one(guest: &mut Guest, cpus: u32, number: u32, silence: Duration) -> Result<Cycled, Outcome> {
    let before = guest.records().len();
    let wanted = |r: &Record| matches!(r, Record::Cycle(_) | Record::Error(_));
    let last = guest.wait_for(&format!("cycle record {number}"), wanted, silence)?;
    // The hello record comes last, once the console listens.
    guest.wait_for(
        "hello record",
        |r| matches!(r, Record::Hello(_) | Record::Error(_)),
        silence,
    )?;
    let new = &guest.records()[before..];
    collect::no_errors(new)?;
    let (mut bringup, mut teardown, mut kexec, mut hello) = (None, None, None, None);
    for record in new {
        match record {
            Record::Bringup(record) => bringup = Some(record),
            Record::Teardown(record) => teardown = Some(record),
            Record::Kexec(record) => kexec = Some(record),
            Record::Hello(record) => hello = Some(record),
            _ => {}
        }
    }
    let (Some(bringup), Some(teardown), Some(kexec), Some(hello)) =
        (bringup, teardown, kexec, hello)
    else {
        return Err(Outcome::Incomplete(format!(
            "kexec {number}: a record of its four is missing"
        )));
    };
    let mode = match last {
        Record::Cycle(Cycle { teardown, .. }) => teardown,
        _ => Name::Other(String::new()),
    };
    whole(bringup, teardown, kexec, hello, (cpus, number))
        .map_err(|what| Outcome::Incomplete(format!("kexec {number}: {what}")))?;
    Ok(Cycled { hello: hello.clone(), mode, blackout_ns: kexec.blackout_ns })
}

/// Nobody stayed behind, everybody came, and no kexec is missing in between.
fn whole(
    bringup: &Bringup,
    teardown: &Teardown,
    kexec: &Kexec,
    hello: &Hello,
    (cpus, number): (u32, u32),
) -> Result<(), String> {
    if hello.generation != number || kexec.generation != number {
        return Err(format!("it is generation {}", hello.generation));
    }
    if hello.online != cpus || !bringup.failed.is_empty() {
        return Err(format!("{} of {cpus} CPUs are online: {:?}", hello.online, bringup.failed));
    }
    if teardown.stuck.is_empty() && teardown.noted.is_empty() && teardown.cpus == cpus - 1 {
        return Ok(());
    }
    Err(format!("its teardown was not clean: {teardown:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Script;

    fn records() -> (Bringup, Teardown, Kexec, Hello) {
        let mut jump = Script::new(4).jump(7, TeardownMode::Serial, 7, 9).into_iter();
        let (hello, bringup, teardown, kexec) =
            (jump.next(), jump.next(), jump.next(), jump.next());
        match (bringup, teardown, kexec, hello) {
            (
                Some(Record::Bringup(bringup)),
                Some(Record::Teardown(teardown)),
                Some(Record::Kexec(kexec)),
                Some(Record::Hello(hello)),
            ) => (bringup, teardown, kexec, hello),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_kexec_that_is_not_whole_is_named() {
        let (bringup, teardown, kexec, hello) = records();
        assert_eq!(whole(&bringup, &teardown, &kexec, &hello, (4, 7)), Ok(()));
        let why = |hello: &Hello, number| {
            whole(&bringup, &teardown, &kexec, hello, (4, number)).unwrap_err()
        };
        assert!(why(&hello, 8).contains("generation 7"));
        let less = Hello { online: 3, ..hello.clone() };
        assert!(why(&less, 7).contains("3 of 4 CPUs"));
        let fewer = Teardown { cpus: 2, ..teardown.clone() };
        let why = whole(&bringup, &fewer, &kexec, &hello, (4, 7)).unwrap_err();
        assert!(why.contains("not clean"), "{why}");
    }
}
