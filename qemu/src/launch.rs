//! QEMU as a child process that never outlives us: own process group, killed on drop, on Ctrl-C
//! and, by the kernel, when this process dies without a word.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getppid};

use crate::kvm::{self, Rig, Terminal};
use crate::machine::Options;

/// Process groups to be killed on Ctrl-C.
static RUNNING: Mutex<Vec<i32>> = Mutex::new(Vec::new());
/// When the first signal came.
static INTERRUPTED: OnceLock<Instant> = OnceLock::new();
/// A signal that comes so soon after the first is the same one, sent to the whole group.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// How long the Linux that is to be the hypervisor may take to come up: 8 s on a quiet host.
const HYPERVISOR_PATIENCE: Duration = Duration::from_secs(120);
/// Its log is looked at so often.
const HYPERVISOR_LOOKS: Duration = Duration::from_millis(100);

/// QEMU with its console on pipes.
#[derive(Debug)]
pub struct Qemu {
    child: Child,
    /// The whole command line, for the report.
    pub command: Vec<String>,
    /// What is between it and the guest, if it runs a hypervisor.
    rig: Option<Rig>,
}

/// QEMU's ends of the console.
#[derive(Debug)]
pub struct Pipes {
    /// What we type.
    pub input: ChildStdin,
    /// What the guest prints.
    pub output: ChildStdout,
    /// What QEMU itself has to say.
    pub errors: ChildStderr,
}

impl Qemu {
    /// Starts QEMU. It dies with the thread that calls this, so call it from one that stays. A Linux
    /// that is to be the hypervisor and does not come up is started once more, and that is said: no
    /// guest has run yet.
    ///
    /// # Errors
    /// The program cannot be started; says which. With a hypervisor of its own: a file that is
    /// missing, or its Linux does not come up the second time either.
    pub fn start(options: &Options, initrd: Option<&Path>) -> Result<(Self, Pipes)> {
        let (mut qemu, pipes) = Self::spawn(options, initrd)?;
        let Err(first) = qemu.await_hypervisor() else { return Ok((qemu, pipes)) };
        eprintln!("{first:#}\nIt is started once more.");
        drop((qemu, pipes));
        let (mut qemu, pipes) = Self::spawn(options, initrd)?;
        qemu.await_hypervisor()?;
        Ok((qemu, pipes))
    }

    /// Waits until a hypervisor of its own is up or QEMU has ended, which is told elsewhere.
    fn await_hypervisor(&mut self) -> Result<()> {
        let until = Instant::now() + HYPERVISOR_PATIENCE;
        while self.rig.as_ref().is_some_and(|rig| !rig.is_up()) && self.ended().is_none() {
            let words = || self.rig.as_ref().map(Rig::last_words).unwrap_or_default();
            ensure!(
                Instant::now() < until,
                "the Linux that is to be the hypervisor is not up after {} s; it said:\n{}",
                HYPERVISOR_PATIENCE.as_secs(),
                words()
            );
            thread::sleep(HYPERVISOR_LOOKS);
        }
        Ok(())
    }

    fn spawn(options: &Options, initrd: Option<&Path>) -> Result<(Self, Pipes)> {
        let nested = kvm::is_nested(options);
        let rig = nested.then(|| Rig::new(options, initrd, Terminal::Pipes)).transpose()?;
        let mut arguments = match &rig {
            Some(rig) => rig.arguments.clone(),
            None => direct(options, initrd),
        };
        let mut command = Command::new(&options.qemu);
        command.args(&arguments).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        die_with_parent(&mut command, Signal::SIGKILL);
        let mut child = spawn(&mut command, &options.qemu)?;
        let pipes = take_pipes(&mut child).context("QEMU without pipes")?;
        lock().push(group(&child));
        arguments.insert(0, options.qemu.clone());
        if let Some(rig) = &rig {
            arguments.push("# in it:".into());
            arguments.extend(rig.guest.iter().cloned());
        }
        Ok((Self { child, command: arguments, rig }, pipes))
    }

    /// What is between it and the guest, if it runs a hypervisor.
    pub fn rig(&self) -> Option<&Rig> {
        self.rig.as_ref()
    }

    /// Number of the process, which is also that of its group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How QEMU ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills the process group and waits until it is gone.
    pub fn kill(&mut self) {
        let group = group(&self.child);
        // While the child is not waited for, nobody else can have its number.
        if self.ended().is_none() {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            let _ = self.child.wait();
        }
        lock().retain(|&running| running != group);
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

/// QEMU's version line.
///
/// # Errors
/// The program cannot be run.
pub fn version(qemu: &str) -> Result<String> {
    let output = Command::new(qemu).arg("--version").output();
    let output = output.with_context(|| missing(qemu))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or("version not known").to_string())
}

/// On Ctrl-C and SIGTERM, kills every QEMU of ours; the second time, this process too.
///
/// # Errors
/// A handler is already there.
pub fn kill_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        let since_first = INTERRUPTED.get_or_init(Instant::now).elapsed();
        for group in lock().iter() {
            let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
        }
        if since_first > SAME_SIGNAL {
            std::process::exit(130);
        }
    })
    .context("cannot catch Ctrl-C")
}

/// On Ctrl-C and SIGTERM, asks a child that owns the terminal to end: QEMU then restores it.
///
/// # Errors
/// A handler is already there.
pub fn end_on_interrupt(child: &Child) -> Result<()> {
    let pid = Pid::from_raw(child.id().cast_signed());
    ctrlc::set_handler(move || {
        INTERRUPTED.get_or_init(Instant::now);
        let _ = kill(pid, Signal::SIGTERM);
    })
    .context("cannot catch Ctrl-C")
}

/// True once Ctrl-C or SIGTERM came.
pub fn interrupted() -> bool {
    INTERRUPTED.get().is_some()
}

/// Starts a command, and names it if that fails.
///
/// # Errors
/// The program cannot be started.
pub fn spawn(command: &mut Command, name: &str) -> Result<Child> {
    command.spawn().with_context(|| missing(name))
}

/// The error text when QEMU cannot be run.
pub fn missing(qemu: &str) -> String {
    format!("cannot run {qemu}; install QEMU (Debian: qemu-system-arm) or name it with --qemu")
}

/// Has the kernel send the child a signal when the thread that starts it dies, even by SIGKILL.
#[allow(unsafe_code, reason = "pre_exec is the only way to run something in the child")]
pub fn die_with_parent(command: &mut Command, signal: Signal) {
    let parent = Pid::this();
    let in_child = move || {
        prctl::set_pdeathsig(signal)?;
        // We may have died before that call; then the child has another parent already.
        if getppid() == parent { Ok(()) } else { Err(io::Error::other("parent is gone")) }
    };
    // SAFETY: between fork and exec the closure only makes two system calls; it takes no lock and
    // does not allocate, except for the error text on the way to its end.
    unsafe { command.pre_exec(in_child) };
}

/// QEMU's arguments for a guest of its own.
fn direct(options: &Options, initrd: Option<&Path>) -> Vec<String> {
    let mut arguments = options.arguments(initrd);
    arguments.extend(["-display", "none", "-monitor", "none", "-serial", "stdio"].map(Into::into));
    arguments
}

fn take_pipes(child: &mut Child) -> Option<Pipes> {
    let (input, output) = (child.stdin.take()?, child.stdout.take()?);
    Some(Pipes { input, output, errors: child.stderr.take()? })
}

fn group(child: &Child) -> i32 {
    child.id().cast_signed()
}

fn lock() -> std::sync::MutexGuard<'static, Vec<i32>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
