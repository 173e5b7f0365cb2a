//! An older baton beside this one, boot by boot in the same run: wall clock says something only as a
//! ratio of what the same host did in the same minutes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use baton::report::{Kexec, Record, Spread, TeardownMode};
use serde::Serialize;

use super::BenchArgs;
use crate::progress::Progress;
use crate::run::{cycles, with_guest};
use crate::units::{self, Unit};
use crate::{Guest, Options, Outcome, table};

/// Kexecs of a boot that count; one more comes before, since the first leaves a kernel that no baton
/// has loaded.
const KEXECS: u32 = 5;

type Figure = fn(&Kexec) -> u64;

const SPANS: [(&str, Figure); 4] = [
    ("exec -> jump", |kexec| kexec.exec_to_jump_ns),
    ("jump -> entry", |kexec| kexec.jump_to_entry_ns),
    ("entry -> online", |kexec| kexec.entry_to_online_ns),
    ("blackout", |kexec| kexec.blackout_ns),
];

/// A span of a parallel kexec, by the two builds.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub(super) struct Row {
    span: &'static str,
    /// Of the older build, ns.
    older: Option<Spread>,
    /// Of this build, ns.
    this: Option<Spread>,
    /// Median of this build over the median of the older one.
    ratio: Option<f64>,
}

/// Steps of progress.
pub(super) fn steps(args: &BenchArgs) -> u64 {
    if args.older.is_none() { 0 } else { 1 + u64::from(args.rounds) * 2 }
}

/// Boots both builds in turn, as many times as there are rounds, and has each kexec into itself.
///
/// # Errors
/// The older build can't be made, or an [`Outcome`] if a guest failed, after its last lines were shown.
pub(super) fn measure(args: &BenchArgs, progress: &Progress) -> Result<Vec<Row>> {
    let Some(revision) = &args.older else { return Ok(Vec::new()) };
    progress.step(format!("building {revision}: some minutes, once"));
    let older = image(revision, Path::new("target/older"))?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        for (image, name, all) in
            [(&older, "older", &mut theirs), (&args.machine.image, "this", &mut ours)]
        {
            progress.step(format!("{name} build beside the other: {round} of {}", args.rounds));
            all.extend(kexecs(args, image, name)?);
        }
    }
    Ok(SPANS.map(|(span, of)| row(span, of, &theirs, &ours)).into())
}

fn row(span: &'static str, of: Figure, theirs: &[Kexec], ours: &[Kexec]) -> Row {
    let spread = |all: &[Kexec]| Spread::of(all.iter().map(of));
    let (older, this) = (spread(theirs), spread(ours));
    let both = this.zip(older);
    let ratio = both.and_then(|(this, older)| units::quotient(this.median, older.median));
    Row { span, older, this, ratio }
}

/// The image of a revision of this repository, built by that revision's own Makefile.
fn image(revision: &str, under: &Path) -> Result<PathBuf> {
    let commit = git(&["rev-parse", "--verify", "--quiet", "--end-of-options"], revision)
        .with_context(|| format!("{revision} is no revision of this repository"))?;
    let tree = under.join(&commit[..commit.len().min(12)]);
    let image = tree.join("target/baton.Image");
    if image.exists() {
        return Ok(image);
    }
    fs::create_dir_all(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
    unpack(&commit, &tree)?;
    let log = tree.join("build.log");
    let said = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut make = Command::new("make");
    // What this run of make was told is not for that one.
    make.arg("image").current_dir(&tree).env_remove("MAKEFLAGS").env_remove("MFLAGS");
    make.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    let built = make.status().context("cannot run make")?.success() && image.exists();
    ensure!(built, "{revision} can't be built; {} says why", log.display());
    Ok(image)
}

fn unpack(commit: &str, tree: &Path) -> Result<()> {
    let mut archive = Command::new("git");
    archive.args(["archive", "--format=tar", commit]).stdout(Stdio::piped());
    let mut archive = archive.spawn().context("cannot run git")?;
    let files = archive.stdout.take().context("git has no output")?;
    let tar = Command::new("tar").arg("-xC").arg(tree).stdin(files).status();
    let packed = archive.wait().context("cannot wait for git")?.success();
    ensure!(tar.context("cannot run tar")?.success() && packed, "cannot unpack {commit}");
    Ok(())
}

fn git(args: &[&str], revision: &str) -> Result<String> {
    let mut git = Command::new("git");
    let said = git.args(args).arg(format!("{revision}^{{commit}}")).output();
    let said = said.context("cannot run git")?;
    ensure!(said.status.success(), "git {} failed", args.join(" "));
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_string())
}

fn kexecs(args: &BenchArgs, image: &Path, name: &str) -> Result<Vec<Kexec>> {
    let machine = Options { image: image.to_path_buf(), ..args.machine.clone() };
    let log = args.out.join(format!("bench-build-{name}.log"));
    with_guest(&machine, args.limits, &log, |guest| all(args, guest))
}

fn all(args: &BenchArgs, guest: &mut Guest) -> Result<Vec<Kexec>, Outcome> {
    let silence = args.limits.silence();
    guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    let quiet = Progress::new(0);
    cycles(KEXECS + 1, silence, guest, &quiet, TeardownMode::Parallel)?;
    let kexecs = guest.records().iter().filter_map(|record| match record {
        Record::Kexec(kexec) => Some(kexec.clone()),
        _ => None,
    });
    let kexecs = kexecs.skip(1).collect();
    guest.send("poweroff")?;
    guest.wait_end(silence)?;
    Ok(kexecs)
}

/// The table.
pub(super) fn show(rows: &[Row], revision: &str, unit: Unit) -> String {
    let head = [
        "a parallel kexec",
        "older\nmedian",
        "\nmin",
        "\nmax",
        "this\nmedian",
        "\nmin",
        "\nmax",
        "this/older",
    ];
    let cells = rows.iter().map(|row| {
        let figures = [row.older, row.this].into_iter().flat_map(|s| table::spread(s, unit));
        let ratio = row.ratio.map_or("-".to_string(), units::three_digits);
        [row.span.to_string()].into_iter().chain(figures).chain([ratio]).collect()
    });
    let table = table::render(&head, &cells.collect::<Vec<_>>(), 1);
    format!("This build beside {revision}, boots in turn{}\n{table}", unit.note())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_revision_is_said() {
        let nowhere = tempfile::tempdir().unwrap();
        let why = image("no-such-revision", nowhere.path()).unwrap_err().to_string();
        assert_eq!(why, "no-such-revision is no revision of this repository");
        assert!(image("--help", nowhere.path()).is_err());
        assert!(nowhere.path().read_dir().unwrap().next().is_none());
    }
}
