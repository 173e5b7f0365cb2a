//! One function per command: from arguments and options to the value. Each is named in the
//! command's row of the table, and the parser refuses arguments that the function does not take.

use alloc::string::String;

use super::ParseError;
use super::args::Args;
use crate::kexec::{InitrdAsk, KexecLoad, Kind};
use crate::machine::CrashKind;
use crate::options::{cpu, number};
use crate::pmu::events;
use crate::report::{Grace, TeardownMode};
use crate::shell::command::{Command, CpuChoice, Cycle, Setting};
use crate::shell::help;
use crate::torture;
use crate::trace::Named;

type Built = Result<Command, ParseError>;

const LIST: &str = "all, or CPU numbers up to 511 as in 3, 3-9 or 1,3-5";
const CLUSTER: &str = "all, or a cluster's number as \"pmu\" shows it";
const EVENT: &str = "a number up to 0xffff, or a name such as cycles or bus_access";
const COUNT: &str = "a number from 1 on";

pub fn help(args: &mut Args) -> Built {
    let mut topic = String::new();
    while let Some(word) = args.word() {
        let space = if topic.is_empty() { "" } else { " " };
        topic.extend([space, &word]);
    }
    match topic {
        _ if topic.is_empty() => Ok(Command::Help(None)),
        _ if help::about(&topic).next().is_some() => Ok(Command::Help(Some(topic))),
        _ => Err(super::unknown(&topic)),
    }
}

const POLICIES: &str = "serial, parallel or fanout";

pub fn cpu_online(args: &mut Args) -> Built {
    let cpus = need_cpus(args)?;
    let policy = checked(args, "--policy", POLICIES, |word| word.parse().ok())?;
    Ok(Command::CpuOnline { cpus, policy })
}

pub fn cpu_offline(args: &mut Args) -> Built {
    Ok(Command::CpuOffline {
        cpus: need_cpus(args)?,
        teardown: teardown(args)?,
        grace: grace(args)?,
    })
}

/// Most rounds of `psci bench`: their samples stay in the smallest heap.
const MOST_ROUNDS: u32 = 32;

pub fn psci_bench(args: &mut Args) -> Built {
    let some = |word: &str| count(word).filter(|&rounds| rounds <= MOST_ROUNDS);
    let rounds = checked(args, "--rounds", "a number from 1 to 32", some)?;
    Ok(Command::PsciBench { rounds })
}

pub fn report(args: &mut Args) -> Built {
    let Some(word) = args.word() else { return Ok(Command::Report(None)) };
    let number = count(&word);
    number.map(|n| Command::Report(Some(n))).ok_or_else(|| bad(args, "N", word, COUNT))
}

pub fn kexec_load(args: &mut Args) -> Built {
    let path = args.need("PATH")?;
    let kind = checked(args, "--type", "image or raw", kind)?.unwrap_or_default();
    let at = checked(args, "--at", "an address such as 0x48000000", number)?;
    let initrd = args.option("--initrd").map(initrd);
    let (append, dtb) = (args.option("--append").map(Into::into), args.option("--dtb"));
    let sig = args.option("--sig");
    Ok(Command::KexecLoad(KexecLoad { path, kind, initrd, append, dtb, sig, at }))
}

fn kind(word: &str) -> Option<Kind> {
    match word {
        "image" => Some(Kind::Image),
        "raw" => Some(Kind::Raw),
        _ => None,
    }
}

fn initrd(word: String) -> InitrdAsk {
    match word.as_str() {
        "keep" => InitrdAsk::Keep,
        "none" => InitrdAsk::None,
        _ => InitrdAsk::File(word),
    }
}

pub fn kexec_exec(args: &mut Args) -> Built {
    let verify = args.option("--verify").is_some();
    Ok(Command::KexecExec { teardown: teardown(args)?, grace: grace(args)?, verify })
}

pub fn cycle(args: &mut Args) -> Built {
    let (done, asked) = progress(args)?;
    let (teardown, grace) = (teardown(args)?, grace(args)?);
    let bringup = checked(args, "--bringup", POLICIES, |word| word.parse().ok())?;
    let plain = |word: &str| (!word.contains('"')).then(|| word.into());
    let image = checked(args, "--image", "a path without double quotes", plain)?;
    Ok(Command::Cycle(Cycle { done, asked, teardown, grace, bringup, image }))
}

/// `N`, or what a kernel hands to the next one: `--done D --asked N`.
fn progress(args: &mut Args) -> Result<(u32, u32), ParseError> {
    let command = args.command();
    let number = |word: &str| number(word)?.try_into().ok();
    let done = checked(args, "--done", "a number", number)?;
    let asked = checked(args, "--asked", COUNT, count)?;
    match (done, asked) {
        (None, None) => Ok((0, need_count(args)?)),
        (Some(done), Some(asked)) if done <= asked => Ok((done, asked)),
        (Some(_), Some(_)) => Err(ParseError::Conflict { command, why: "more done than asked" }),
        _ => Err(ParseError::Conflict { command, why: "--done and --asked go together" }),
    }
}

pub fn timeline(args: &mut Args) -> Built {
    Ok(Command::Timeline { json: args.option("--json").is_some() })
}

pub fn rcu_sync(args: &mut Args) -> Built {
    Ok(Command::RcuSync { expedited: args.option("--expedited").is_some() })
}

pub fn pmu_open(args: &mut Args) -> Built {
    Ok(Command::PmuOpen { cluster: need_cluster(args)?, event: need_event(args)? })
}

pub fn pmu_close(args: &mut Args) -> Built {
    Ok(Command::PmuClose { cluster: need_cluster(args)?, event: need_event(args)? })
}

pub fn pmu_read(args: &mut Args) -> Built {
    let Some(word) = args.word() else { return Ok(Command::PmuRead { cluster: None }) };
    let cluster = cluster(&word).ok_or_else(|| bad(args, "CLUSTER", word, CLUSTER))?;
    Ok(Command::PmuRead { cluster })
}

pub fn alarm(args: &mut Args) -> Built {
    Ok(Command::Alarm { seconds: need_count(args)? })
}

pub fn disk(args: &mut Args) -> Built {
    let reads = need_count(args)?;
    Ok(Command::Disk { reads, wait: args.option("--nowait").is_none() })
}

pub fn set(args: &mut Args) -> Built {
    let Some(word) = args.word() else { return Ok(Command::Set(None)) };
    let Some(setting) = Setting::by_name(&word) else {
        return Err(bad(
            args,
            "NAME",
            word,
            "loglevel, timeout, fail, exclusive, console.cpu, irq or warm",
        ));
    };
    let mut value = args.need("VALUE")?;
    while let Some(word) = args.word() {
        value.extend([" ", &word]);
    }
    Ok(Command::Set(Some((setting, value))))
}

pub fn soak(args: &mut Args) -> Built {
    let times = need_count(args)?;
    Ok(Command::Soak { times, cpus: checked(args, "--cpus", LIST, CpuChoice::read)? })
}

pub fn torture(args: &mut Args) -> Built {
    let word = args.need("KIND")?;
    let Some(kind) = torture::Kind::by_name(&word) else {
        return Err(bad(args, "KIND", word, "hotplug, rcu, irq, pmu or all"));
    };
    let seconds = checked(args, "--seconds", COUNT, count)?;
    Ok(Command::Torture { kind, seconds, seed: checked(args, "--seed", "a number", number)? })
}

pub fn stress(args: &mut Args) -> Built {
    let Some(word) = args.word() else { return Ok(Command::Stress(None)) };
    match word.as_str() {
        "on" => Ok(Command::Stress(Some(true))),
        "off" => Ok(Command::Stress(Some(false))),
        _ => Err(bad(args, "STATE", word, "on or off")),
    }
}

pub fn crash(args: &mut Args) -> Built {
    let word = args.need("KIND")?;
    let Some(kind) = CrashKind::by_name(&word) else {
        return Err(bad(
            args,
            "KIND",
            word,
            "undef, stack, write-text, write-loaded, null or panic",
        ));
    };
    Ok(Command::Crash { kind, cpu: checked(args, "--cpu", "a CPU number up to 511", cpu)? })
}

fn teardown(args: &mut Args) -> Result<Option<TeardownMode>, ParseError> {
    checked(args, "--teardown", "serial or parallel", |word| word.parse().ok())
}

fn grace(args: &mut Args) -> Result<Option<Grace>, ParseError> {
    checked(args, "--grace", "each or once", |word| word.parse().ok())
}

fn need_cpus(args: &mut Args) -> Result<CpuChoice, ParseError> {
    let word = args.need("LIST")?;
    CpuChoice::read(&word).ok_or_else(|| bad(args, "LIST", word, LIST))
}

fn need_count(args: &mut Args) -> Result<u32, ParseError> {
    let word = args.need("N")?;
    count(&word).ok_or_else(|| bad(args, "N", word, COUNT))
}

fn need_cluster(args: &mut Args) -> Result<Option<usize>, ParseError> {
    let word = args.need("CLUSTER")?;
    cluster(&word).ok_or_else(|| bad(args, "CLUSTER", word, CLUSTER))
}

/// `Some(None)` for all clusters.
fn cluster(word: &str) -> Option<Option<usize>> {
    if word == "all" {
        return Some(None);
    }
    number(word)?.try_into().ok().map(Some)
}

fn need_event(args: &mut Args) -> Result<u16, ParseError> {
    let word = args.need("EVENT")?;
    let event = events::by_name(&word).or_else(|| number(&word)?.try_into().ok());
    event.ok_or_else(|| bad(args, "EVENT", word, EVENT))
}

fn count(word: &str) -> Option<u32> {
    number(word)?.try_into().ok().filter(|&n| n > 0)
}

/// The value of an option through `read`; what `read` does not take is not `want`.
fn checked<T>(
    args: &mut Args,
    name: &'static str,
    want: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ParseError> {
    let Some(word) = args.option(name) else { return Ok(None) };
    read(&word).map(Some).ok_or_else(|| bad(args, name, word, want))
}

fn bad(args: &Args, what: &'static str, word: String, want: &'static str) -> ParseError {
    ParseError::Bad { command: args.command(), what, word, want }
}
