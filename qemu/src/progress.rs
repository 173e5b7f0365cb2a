//! What is being done, told while it is done: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A plain line at least this often.
const EVERY: Duration = Duration::from_millis(1900);

/// Progress on stderr; drop ends it.
pub struct Progress(Kind);

enum Kind {
    Bar(ProgressBar),
    Lines(Option<Sender<String>>, Option<JoinHandle<()>>),
    Silent,
}

impl Progress {
    /// For work of so many parts.
    pub fn new(parts: u64) -> Self {
        Self(if std::io::stderr().is_terminal() { bar(parts) } else { lines(parts) })
    }

    /// For tests, which say nothing while all is well.
    pub const fn silent() -> Self {
        Self(Kind::Silent)
    }

    /// The next part begins.
    pub fn step(&self, what: impl Into<String>) {
        let what = what.into();
        match &self.0 {
            Kind::Bar(bar) => {
                bar.inc(1);
                bar.set_message(what);
            }
            Kind::Lines(sender, _) => {
                let _ = sender.as_ref().map(|sender| sender.send(what));
            }
            Kind::Silent => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &mut self.0 {
            Kind::Bar(bar) => bar.finish_and_clear(),
            Kind::Lines(sender, thread) => {
                sender.take();
                let _ = thread.take().map(JoinHandle::join);
            }
            Kind::Silent => {}
        }
    }
}

fn bar(parts: u64) -> Kind {
    let style = ProgressStyle::with_template("{spinner} [{elapsed}] {bar:24} {pos}/{len} {msg}");
    let bar = ProgressBar::new(parts);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    Kind::Bar(bar)
}

fn lines(parts: u64) -> Kind {
    let (sender, steps) = mpsc::channel::<String>();
    let thread = std::thread::spawn(move || {
        let start = Instant::now();
        let (mut done, mut what) = (0, String::from("starting"));
        loop {
            match steps.recv_timeout(EVERY) {
                Ok(next) => (done, what) = (done + 1, next),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            eprintln!("[{:5.1} s] {done}/{parts} {what}", start.elapsed().as_secs_f64());
        }
    });
    Kind::Lines(Some(sender), Some(thread))
}
