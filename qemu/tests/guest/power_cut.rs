//! The power is cut: host tool or QEMU killed at any moment leave no process and no file behind.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::check::same;
use crate::vm::{image_path, test};

/// How long QEMU may take to appear, and to be gone once its parent is.
const SOON: Duration = Duration::from_secs(20);
/// When the tool is killed: so long after its own start ...
const AFTER_START: [u64; 3] = [0, 20, 80];
/// ... and so long after QEMU's, in ms.
const AFTER_QEMU: [u64; 3] = [0, 150, 1200];

pub fn tests() -> Vec<Trial> {
    vec![
        test("power_cut", "tool_killed_in_run", || killed_at_all_moments(&["run", "-n", "4"])),
        test("power_cut", "tool_killed_in_linux", || {
            let root = crate::linux::root()?.display().to_string();
            killed_at_all_moments(&["linux", "-n", "2", "--mem", "2G", "--root", &root])
        }),
        test("power_cut", "tool_killed_in_the_second_guest_of_linux", in_the_second_guest),
        test("power_cut", "tool_killed_with_a_device_tree", || {
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../dts/dsu-2.dts");
            let mut tool = Tool::start(&["run", "-n", "4", "--dts", source])?;
            tool.until("-dtb", SOON)?;
            tool.cut()
        }),
        test("power_cut", "qemu_killed", qemu_killed),
    ]
}

fn killed_at_all_moments(arguments: &[&str]) -> Result<()> {
    for ms in AFTER_START {
        let mut tool = Tool::start(arguments)?;
        sleep(Duration::from_millis(ms));
        tool.cut().with_context(|| format!("{ms} ms after the tool's start"))?;
    }
    for ms in AFTER_QEMU {
        let mut tool = Tool::start(arguments)?;
        tool.until("-kernel", SOON)?;
        sleep(Duration::from_millis(ms));
        tool.cut().with_context(|| format!("{ms} ms after QEMU's start"))?;
    }
    Ok(())
}

/// The second QEMU of `linux` has baton as its kernel, and the Linux in its initrd.
fn in_the_second_guest() -> Result<()> {
    let root = crate::linux::root()?.display().to_string();
    let mut tool = Tool::start(&["linux", "-n", "1", "--mem", "2G", "--root", &root])?;
    tool.until(&format!("-kernel {}", image_path().display()), SOON * 3)?;
    tool.cut()
}

/// The tool names it and ends by itself.
fn qemu_killed() -> Result<()> {
    let mut tool = Tool::start(&["run", "-n", "4"])?;
    let qemu = tool.until("-kernel", SOON)?;
    sleep(Duration::from_millis(300));
    let kill = Command::new("kill").args(["-KILL", &qemu.to_string()]).status()?;
    ensure!(kill.success(), "cannot kill QEMU: {kill}");
    let status = tool.child.wait()?;
    same("exit code", status.code(), Some(12))?;
    tool.left()
}

/// The real tool, with a directory for temporary files and one for reports that only it has.
struct Tool {
    child: Child,
    temporary: TempDir,
    _out: TempDir,
}

impl Tool {
    fn start(arguments: &[&str]) -> Result<Self> {
        let (temporary, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let mut baton = Command::new(env!("CARGO_BIN_EXE_baton"));
        baton.args(arguments).arg("--image").arg(image_path()).arg("--out").arg(out.path());
        baton.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = baton.spawn().context("cannot run the host tool")?;
        Ok(Self { child, temporary, _out: out })
    }

    /// Waits for a QEMU of this tool whose command line has these words; its number.
    fn until(&mut self, words: &str, patience: Duration) -> Result<u32> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            let found = running(self.temporary.path()).into_iter();
            let mut qemus = found.filter(|(pid, line)| {
                *pid != self.child.id() && line.contains("qemu") && line.contains(words)
            });
            if let Some((pid, _)) = qemus.next() {
                return Ok(pid);
            }
            ensure!(self.child.try_wait()?.is_none(), "the tool ended before QEMU ran");
            sleep(Duration::from_millis(5));
        }
        bail!("no QEMU with {words:?} within {patience:?}")
    }

    /// SIGKILL, which nothing can be done about.
    fn cut(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.left()
    }

    /// Nothing is, once QEMU has had a moment to die.
    fn left(&self) -> Result<()> {
        let end = Instant::now() + SOON;
        loop {
            let left = running(self.temporary.path());
            if left.is_empty() {
                break;
            }
            ensure!(Instant::now() < end, "processes left: {left:?}");
            sleep(Duration::from_millis(5));
        }
        let files: Vec<_> = fs::read_dir(self.temporary.path())?.flatten().collect();
        ensure!(files.is_empty(), "files left: {files:?}");
        Ok(())
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every process that has this directory for its temporary files: number and command line.
fn running(temporary: &Path) -> Vec<(u32, String)> {
    let mark = format!("TMPDIR={}", temporary.display());
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let read = |pid: u32, what: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let ours = |pid: &u32| read(*pid, "environ").split(' ').any(|word| word == mark);
    numbers.filter(ours).map(|pid| (pid, read(pid, "cmdline"))).collect()
}
