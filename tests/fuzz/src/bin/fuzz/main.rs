//! `fuzz FUZZER OUT SECONDS [TARGET...]`: runs libFuzzer on each target, or on those named, prints a
//! table, and for each input that a target fails on how to go on with it.
//!
//! `fuzz --keep FUZZER OUT [TARGET...]` adds to the corpora in the source what earlier runs found
//! and what reaches code that nothing there reaches.
//!
//! Ends with 0; 1 if a target failed; 2 if it could not be run.

mod log;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, io};

use baton_fuzz::{TARGETS, Target};
use log::Log;

const USAGE: &str = "fuzz FUZZER OUT SECONDS [TARGET...], or fuzz --keep FUZZER OUT [TARGET...]";

/// An input that takes longer counts as a failure. libFuzzer's limit of memory is for the whole
/// process; the targets have closer ones of their own.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["--keep", fuzzer, out, ref names @ ..] => {
            Place::new(fuzzer, out).and_then(|place| keep(&place, &chosen(names)?))
        }
        [fuzzer, out, seconds, ref names @ ..] => {
            Place::new(fuzzer, out).and_then(|place| fuzz(&place, seconds, &chosen(names)?))
        }
        _ => Err(io::Error::other(USAGE)),
    };
    result.unwrap_or_else(|why| {
        eprintln!("error: {why}");
        ExitCode::from(2)
    })
}

fn chosen(names: &[&str]) -> io::Result<Vec<Target>> {
    if names.is_empty() {
        return Ok(TARGETS.to_vec());
    }
    let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let unknown = |name: &str| io::Error::other(format!("{name} is none of {}", all.join(", ")));
    names.iter().map(|name| Target::find(name).ok_or_else(|| unknown(name))).collect()
}

/// The fuzzer, and where its files go.
struct Place {
    fuzzer: PathBuf,
    out: PathBuf,
}

impl Place {
    fn new(fuzzer: &str, out: &str) -> io::Result<Self> {
        for directory in ["failures", "logs"] {
            fs::create_dir_all(Path::new(out).join(directory))?;
        }
        Ok(Self { fuzzer: fs::canonicalize(fuzzer)?, out: fs::canonicalize(out)? })
    }

    /// What was found so far, beyond the corpus in the source.
    fn found(&self, target: &Target) -> io::Result<PathBuf> {
        let path = self.out.join("found").join(target.name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The fuzzer on a target. What it says goes to a file of that name.
    fn command(&self, target: &Target, log: &Path) -> io::Result<Command> {
        let mut command = Command::new(&self.fuzzer);
        command.env("BATON_TARGET", target.name).args(LIMITS);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(log)?);
        Ok(command)
    }
}

fn fuzz(place: &Place, seconds: &str, targets: &[Target]) -> io::Result<ExitCode> {
    println!("{}", log::HEADER);
    let mut failures = Vec::new();
    for target in targets {
        let log = fuzz_one(place, seconds, target)?;
        println!("{}", log.row(target.name));
        failures.extend(log.failure.map(|input| (*target, input)));
    }
    failures.iter().for_each(|(target, input)| explain(place, target, input));
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

fn fuzz_one(place: &Place, seconds: &str, target: &Target) -> io::Result<Log> {
    let path = place.out.join("logs").join(target.name);
    let failures = place.out.join("failures").join(target.name);
    let mut command = place.command(target, &path)?;
    command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
    command.arg(format!("-artifact_prefix={}-", failures.display()));
    command.args(target.dictionary().map(|path| format!("-dict={}", path.display())));
    let status = command.arg(place.found(target)?).arg(target.corpus()).status()?;
    let log = Log::read(&String::from_utf8_lossy(&fs::read(&path)?));
    match (status.success(), &log.failure) {
        (true, None) | (false, Some(_)) => Ok(log),
        _ => Err(io::Error::other(format!("{}: {status}; see {}", target.name, path.display()))),
    }
}

fn explain(place: &Place, target: &Target, input: &str) {
    let run = format!("BATON_TARGET={} {}", target.name, place.fuzzer.display());
    println!("\n{} fails; {}", target.name, place.out.join("logs").join(target.name).display());
    println!("  again:    {run} {input}");
    println!(
        "  smaller:  {run} -minimize_crash=1 -max_total_time=60 -exact_artifact_path={input}-small {input}"
    );
    println!("  keep it:  cp {input} {}/WHAT-WAS-WRONG", target.corpus().display());
    println!("            `make test` runs it from then on; give what was wrong a test of its own");
}

/// Few inputs, so one per piece of code reached, not one per number of times.
fn keep(place: &Place, targets: &[Target]) -> io::Result<ExitCode> {
    for target in targets {
        let before = fs::read_dir(target.corpus())?.count();
        let mut command = place.command(target, &place.out.join("logs").join(target.name))?;
        command.args(["-set_cover_merge=1", "-use_counters=0"]);
        let status = command.arg(target.corpus()).arg(place.found(target)?).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{}: {status}", target.name)));
        }
        let after = fs::read_dir(target.corpus())?.count();
        println!("{}: {} inputs more", target.name, after - before);
    }
    Ok(ExitCode::SUCCESS)
}
