//! What a run of many kexecs comes to.

use std::time::Instant;

use anyhow::Result;
use baton::report::{Hello, Spread};
use serde::Serialize;

use crate::launch::interrupted;
use crate::{Outcome, units};

/// Over the columns of [`Verdict::row`].
pub(super) const HEAD: [&str; 10] = [
    "run",
    "CPUs",
    "kexecs\ndone",
    "\nasked",
    "blackout\nmedian",
    "\nmax",
    "median of the\nfirst, last tenth",
    "baton\nmemory lost",
    "Linux\nmemory lost",
    "verdict",
];

/// One run of many kexecs.
#[derive(Serialize, Debug)]
pub(super) struct Verdict {
    what: &'static str,
    cpus: u32,
    asked: u32,
    done: u32,
    seconds: u64,
    /// Of the blackouts, ns: median and greatest; medians of the first and the last tenth.
    median_ns: u64,
    max_ns: u64,
    tenths_ns: [u64; 2],
    /// Free bytes of the first baton that counts, and of each that differs from the one before.
    free_bytes: Vec<(usize, u64)>,
    /// Bytes that the last baton has less than the first one that counts.
    lost_bytes: Option<i64>,
    /// Bytes that the last Linux has reserved beyond the first one that counts. Where things lie
    /// can make it a page more or less, so it is only told.
    linux_lost_bytes: Option<i64>,
    /// What went wrong.
    why: Option<String>,
    #[serde(skip)]
    error: Option<anyhow::Error>,
}

impl Verdict {
    /// Of kexecs that have taken so long each.
    pub(super) fn new(what: &'static str, cpus: u32, asked: u32, blackouts: &[u64]) -> Self {
        let median =
            |values: &[u64]| Spread::of(values.iter().copied()).map_or(0, |spread| spread.median);
        let tenth = blackouts.len().div_ceil(10);
        let (first, last) = (&blackouts[..tenth], &blackouts[blackouts.len() - tenth..]);
        Self {
            what,
            cpus,
            asked,
            done: blackouts.len() as u32,
            seconds: 0,
            median_ns: median(blackouts),
            max_ns: blackouts.iter().copied().max().unwrap_or(0),
            tenths_ns: [median(first), median(last)],
            free_bytes: Vec::new(),
            lost_bytes: None,
            linux_lost_bytes: None,
            why: None,
            error: None,
        }
    }

    /// Compares the memory of all kernels but the first few.
    pub(super) fn memory(&mut self, hellos: &[Hello], skip: usize) {
        for (i, hello) in hellos.iter().enumerate().skip(skip) {
            if self.free_bytes.last().is_none_or(|last| last.1 != hello.free_bytes) {
                self.free_bytes.push((i + 1, hello.free_bytes));
            }
        }
        self.lost_bytes = lost(self.free_bytes.iter().map(|at| at.1));
    }

    /// The memory that each Linux could not use.
    pub(super) fn linux_memory(&mut self, reserved: impl Iterator<Item = u64>) {
        self.linux_lost_bytes = lost(reserved).map(|bytes| -bytes);
    }

    /// With how it ended, and how long it took.
    pub(super) fn end(mut self, ended: Result<()>, start: Instant) -> Self {
        self.seconds = start.elapsed().as_secs();
        self.error = ended.err().or_else(|| self.complaint().map(anyhow::Error::from));
        self.why = self.error.as_ref().map(|error| format!("{error:#}"));
        self
    }

    fn complaint(&self) -> Option<Outcome> {
        if interrupted() {
            return Some(Outcome::Interrupted);
        }
        let what = match self.free_bytes.as_slice() {
            _ if self.done < self.asked => {
                format!("{} of {} kexecs were done", self.done, self.asked)
            }
            [] | [_] => return None,
            [first, .., last] => format!(
                "free memory is {} bytes after kexec {} of baton and {} after {}, not the same",
                first.1, first.0, last.1, last.0
            ),
        };
        Some(Outcome::Incomplete(format!("{}: {what}", self.what)))
    }

    /// As a row of the table.
    pub(super) fn row(&self) -> Vec<String> {
        let bytes = |lost: Option<i64>| lost.map_or("-".to_string(), |bytes| format!("{bytes} B"));
        let [first, last] = self.tenths_ns.map(units::time);
        let verdict = self.why.as_ref().map_or("ok", |_| "FAILED");
        vec![
            self.what.to_string(),
            self.cpus.to_string(),
            self.done.to_string(),
            self.asked.to_string(),
            units::time(self.median_ns),
            units::time(self.max_ns),
            format!("{first}, {last}"),
            bytes(self.lost_bytes),
            bytes(self.linux_lost_bytes),
            format!("{verdict}, {} s", self.seconds),
        ]
    }

    /// The error, if it failed.
    pub(super) fn into_result(self) -> Result<()> {
        self.error.map_or(Ok(()), Err)
    }
}

/// The first less the last.
fn lost(mut free: impl Iterator<Item = u64>) -> Option<i64> {
    let first = free.next()?;
    let last = free.last().unwrap_or(first);
    Some(first.cast_signed() - last.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Script;
    use baton::report::Record;

    fn hellos(free: &[u64]) -> Vec<Hello> {
        let one = |(i, &free_bytes): (usize, &u64)| match Script::new(2).hello(i as u32 + 1) {
            Record::Hello(hello) => Hello { free_bytes, ..hello },
            other => panic!("{other:?}"),
        };
        free.iter().enumerate().map(one).collect()
    }

    fn ended(free: &[u64], asked: u32, ended: Result<()>) -> Verdict {
        let blackouts = vec![1000; free.len()];
        let mut verdict = Verdict::new("a run", 2, asked, &blackouts);
        verdict.memory(&hellos(free), 1);
        verdict.end(ended, Instant::now())
    }

    #[test]
    fn the_first_kernel_may_have_other_memory_and_all_after_it_the_same() {
        let good = ended(&[9, 5, 5, 5], 4, Ok(()));
        assert_eq!((good.lost_bytes, good.why.clone()), (Some(0), None));
        assert!(good.row().join(" ").contains("ok"));
        good.into_result().expect("nothing lost");
    }

    #[test]
    fn memory_that_is_lost_or_comes_and_goes_fails_the_run() {
        let bad = ended(&[9, 5, 5, 4], 4, Ok(()));
        assert_eq!((bad.lost_bytes, bad.free_bytes.as_slice()), (Some(1), &[(2, 5), (4, 4)][..]));
        let why = bad.into_result().unwrap_err().to_string();
        assert!(why.contains("5 bytes after kexec 2 of baton and 4 after 4"), "{why}");
        assert!(ended(&[9, 5, 4, 5], 4, Ok(())).into_result().is_err());
    }

    #[test]
    fn a_run_that_ended_early_says_why() {
        let early = ended(&[9, 5], 4, Ok(()));
        assert!(early.why.unwrap().contains("2 of 4 kexecs"));
        let panic = ended(&[9, 5], 4, Err(Outcome::Panic("x".into()).into()));
        assert!(panic.row().join(" ").contains("FAILED"));
        let error = panic.into_result().unwrap_err();
        assert_eq!(error.downcast_ref::<Outcome>().map(Outcome::exit_code), Some(10));
    }
}
