//! The line itself: a tty, a TCP connection, or the input and output of a program.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::console::Lines;

/// Where the line is.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// A serial line, such as /dev/ttyUSB0; it is set to raw, without flow control
    #[arg(long, value_name = "DEVICE")]
    tty: Option<PathBuf>,
    /// A console server
    #[arg(long, value_name = "HOST:PORT")]
    tcp: Option<String>,
    /// A program whose input and output are the line: 'ipmitool -I lanplus -H bmc sol activate'
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<String>,
}

/// The line and its speed.
#[derive(Args, Clone, Debug)]
pub struct PortArgs {
    #[command(flatten)]
    place: Place,
    /// Speed of a serial line
    #[arg(long, value_name = "BAUD", default_value_t = 115_200)]
    baud: u32,
}

/// An open line.
pub struct Port {
    input: Box<dyn Write + Send>,
    bytes: Receiver<Vec<u8>>,
    lines: Lines,
    heard: Instant,
    child: Option<Child>,
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // The whole group: the program may be a pipeline.
            let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}

impl PortArgs {
    /// Opens the line; a copy of all that comes goes to `log`.
    ///
    /// # Errors
    /// The device, the server, the program or the log can't be opened.
    pub fn open(&self, log: Option<&Path>) -> Result<Port> {
        let log = log.map(|path| File::create(path).with_context(|| format!("{}", path.display())));
        let log = log.transpose()?;
        let Place { tty, tcp, exec } = &self.place;
        match (tty, tcp, exec) {
            (Some(path), ..) => self.tty(path, log),
            (_, Some(place), _) => {
                let stream = TcpStream::connect(place).with_context(|| place.clone())?;
                Ok(Port::new(stream.try_clone()?, stream, log, None))
            }
            (.., Some(program)) => program_port(program, log),
            _ => bail!("one of --tty, --tcp and --exec"),
        }
    }

    fn tty(&self, path: &Path, log: Option<File>) -> Result<Port> {
        let baud = self.baud.to_string();
        let settings = [&baud, "raw", "-echo", "-ixon", "-ixoff", "-crtscts", "clocal"];
        let status = Command::new("stty").arg("-F").arg(path).args(settings).status();
        let status = status.context("cannot run stty")?;
        ensure!(status.success(), "stty can't set {} to {baud} baud", path.display());
        let device = OpenOptions::new().read(true).write(true).open(path);
        let device = device.with_context(|| format!("{}", path.display()))?;
        Ok(Port::new(device.try_clone()?, device, log, None))
    }
}

fn program_port(program: &str, log: Option<File>) -> Result<Port> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(program).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| program.to_string())?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (input, output) = (input.context("no input")?, output.context("no output")?);
    Ok(Port::new(output, input, log, Some(child)))
}

impl Port {
    fn new(
        output: impl Read + Send + 'static,
        input: impl Write + Send + 'static,
        log: Option<File>,
        child: Option<Child>,
    ) -> Self {
        let (sender, bytes) = mpsc::channel();
        thread::spawn(move || listen(output, log, &sender));
        let (lines, heard) = (Lines::default(), Instant::now());
        Self { input: Box::new(input), bytes, lines, heard, child }
    }

    /// Types a line. No line begins with a tilde, which programs on the way take for themselves.
    ///
    /// # Errors
    /// The line is closed.
    pub fn type_line(&mut self, text: &str) -> Result<()> {
        write!(self.input, "{text}\r")
            .and_then(|()| self.input.flush())
            .context("the line is closed")
    }

    /// The next whole line; `None` if none comes until `end`.
    ///
    /// # Errors
    /// The line is closed.
    pub fn next_line(&mut self, end: Instant) -> Result<Option<String>> {
        loop {
            if let Some(line) = self.lines.next_line() {
                return Ok(Some(line));
            }
            let patience = end.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(patience) {
                Ok(bytes) => {
                    self.heard = Instant::now();
                    self.lines.push(&bytes);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the line was closed at its other end")
                }
            }
        }
    }

    /// The line that is not finished yet.
    pub fn unfinished(&self) -> String {
        self.lines.unfinished()
    }

    /// True if nothing has come for so long.
    pub fn is_quiet(&self, long: Duration) -> bool {
        self.heard.elapsed() >= long
    }
}

fn listen(mut output: impl Read, mut log: Option<File>, sender: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        if let Some(log) = &mut log {
            let _ = log.write_all(&buffer[..count]);
        }
        if sender.send(buffer[..count].to_vec()).is_err() {
            return;
        }
    }
}
