//! Files of one run that nothing is left of, whatever ends the run.
//!
//! What QEMU reads has no name in any directory, so it is gone with this process, even by SIGKILL.
//! Only QEMU's and dtc's own output need a directory, for as long as they take. One that stays
//! behind because just then the power was cut is removed by the next run: its lock is free.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

use crate::{Options, dts};

/// What the names of our directories begin with.
const PREFIX: &str = "baton-run-";
/// A directory that is younger may not have been locked yet.
const YOUNG: Duration = Duration::from_secs(60);

/// A file without a name, for programs that this process starts.
#[derive(Debug)]
pub struct Unnamed(File);

impl Unnamed {
    /// With this content.
    ///
    /// # Errors
    /// No such file can be made in the directory for temporary files, or it is full.
    pub fn new(content: &[u8]) -> Result<Self> {
        let directory = std::env::temp_dir();
        let place = || format!("cannot write a file in {}", directory.display());
        let mut file = tempfile::tempfile().with_context(place)?;
        file.write_all(content).with_context(place)?;
        Ok(Self(file))
    }

    /// Where other processes of this user find it while this one lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}

/// A directory that is removed when dropped, or else by the next one that is made.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _lock: Flock<File>,
}

impl Scratch {
    /// A new one in `parent`, after the ones that nobody has any more are removed there.
    ///
    /// # Errors
    /// It cannot be made or locked.
    pub fn new(parent: &Path) -> Result<Self> {
        sweep(parent);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
        let directory = directory
            .with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        let lock = locked(directory.path()).context("cannot lock a directory just made")?;
        Ok(Self { directory, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// The options with their `--dts` carried out, and the tree, which has to live as long as QEMU.
///
/// # Errors
/// As for [`dts::applied`], or a file or directory that cannot be made.
pub fn prepared(options: &Options) -> Result<(Options, Option<Unnamed>)> {
    if options.dts.is_none() {
        sweep(&std::env::temp_dir());
        return Ok((options.clone(), None));
    }
    let scratch = Scratch::new(&std::env::temp_dir())?;
    let mut options = dts::applied(options, scratch.path())?;
    let path = options.extra.last_mut().context("no device tree was made")?;
    let tree = Unnamed::new(&fs::read(&*path).with_context(|| format!("cannot read {path}"))?)?;
    *path = tree.path().display().to_string();
    Ok((options, Some(tree)))
}

/// Removes directories of ours that no process holds. What can't be removed stays: this is no
/// reason not to run.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && is_old(&entry.path()) && locked(&entry.path()).is_some() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_old(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|meta| meta.modified());
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > YOUNG))
}

/// The lock that tells that a process has this directory; the kernel frees it when that is gone.
fn locked(path: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(path).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unnamed_file_is_read_by_its_path_and_is_in_no_directory() {
        let file = Unnamed::new(b"initrd").unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"initrd");
        let cat = std::process::Command::new("cat").arg(file.path()).output().unwrap();
        assert_eq!(cat.stdout, b"initrd", "another process reads it too");
        let target = fs::read_link(file.path()).unwrap();
        assert!(!target.exists() && target.to_string_lossy().contains("deleted"), "{target:?}");
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_is_in_use_or_new_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - YOUNG * 2;
        let age = |path: &Path| File::open(path).unwrap().set_modified(old).unwrap();
        let used = Scratch::new(parent.path()).unwrap();
        age(used.path());
        let [left, new, other] = ["baton-run-left", "baton-run-new", "other"].map(|name| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("qemu.dtb"), b"x").unwrap();
            path
        });
        age(&left);
        age(&other);
        let next = Scratch::new(parent.path()).unwrap();
        let there = [used.path(), &left, &new, &other, next.path()].map(Path::exists);
        assert_eq!(there, [true, false, true, true, true]);
    }

    #[test]
    fn a_directory_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        drop(Scratch::new(parent.path()).unwrap());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
