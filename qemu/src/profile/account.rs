//! What a kexec has cost, by span, side and function: the sum over a stream of blocks.
//!
//! The kexec begins and ends where the kernel says that its blackout does: with the read of the counter
//! that `kexec exec` makes when it is accepted, and with the last one that a CPU makes when it comes
//! ONLINE (the boot CPU's own, if there is no other).

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::Serialize;

use super::log::Ran;
use super::symbols::{Symbols, UPPER_HALF};

/// A part of the kexec, told by where the boot CPU is.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// In the kernel that leaves.
    Down,
    /// At physical addresses: the identity page, and the entry of the next kernel.
    Jump,
    /// In the kernel that comes.
    Up,
}

/// Which CPU it was.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The one that jumps.
    Boot,
    /// Any other.
    Others,
}

/// Span, side, number of the function.
type Key = (Span, Side, usize);
type Counts = HashMap<Key, u64>;

/// A sum that goes on.
pub struct Account<'a> {
    symbols: &'a Symbols,
    /// The boot CPU and where it is, once the kexec has begun.
    boot: Option<(u32, Span)>,
    /// The function that a CPU is in, and the one before it.
    functions: HashMap<u32, [usize; 2]>,
    /// Up to the last CPU that came ONLINE, and since.
    counts: Counts,
    since: Counts,
    ended: bool,
}

impl<'a> Account<'a> {
    /// Nothing yet.
    pub fn new(symbols: &'a Symbols) -> Self {
        let (counts, since) = (Counts::new(), Counts::new());
        Self { symbols, boot: None, functions: HashMap::new(), counts, since, ended: false }
    }

    /// Takes in a block.
    pub fn add(&mut self, ran: &Ran) {
        let function = self.symbols.at(ran.pc);
        let functions = self.functions.entry(ran.cpu).or_default();
        if functions[0] != function {
            *functions = [function, functions[0]];
        }
        let asking = functions.map(|function| self.symbols.name(function));
        let begins = self.boot.is_none() && asking.iter().any(|name| accepts(name));
        let read = ran.reads().next();
        let mut from = 0;
        if let Some(read) = read.filter(|_| begins) {
            (self.boot, from) = (Some((ran.cpu, Span::Down)), read);
        }
        self.follow(ran);
        let Some((boot, span)) = self.boot else { return };
        let key = (span, if ran.cpu == boot { Side::Boot } else { Side::Others }, function);
        let end = read.filter(|_| span == Span::Up && asking.iter().any(|name| comes_online(name)));
        if let Some(read) = end {
            self.count(key, read - from);
            for (key, count) in self.since.drain() {
                *self.counts.entry(key).or_default() += count;
            }
            (self.ended, from) = (true, read);
        }
        self.count(key, ran.instructions - from);
    }

    fn count(&mut self, key: Key, instructions: u64) {
        *self.since.entry(key).or_default() += instructions;
    }

    /// The next span begins with the boot CPU's first block in it.
    fn follow(&mut self, ran: &Ran) {
        if let Some((_, span)) = self.boot.as_mut().filter(|(boot, _)| *boot == ran.cpu) {
            match (*span, ran.pc < UPPER_HALF) {
                (Span::Down, true) => *span = Span::Jump,
                (Span::Jump, false) => *span = Span::Up,
                _ => {}
            }
        }
    }

    /// What it comes to: span, side, function, instructions.
    ///
    /// # Errors
    /// The kexec did not begin or did not end.
    pub fn close(self) -> Result<Vec<(Span, Side, String, u64)>> {
        self.boot.context("QEMU's log has no read of the counter by `Kernel::exec`")?;
        self.ended.then_some(()).context("QEMU's log has no CPU that comes ONLINE")?;
        let name = |((span, side, function), count): (Key, u64)| {
            (span, side, self.symbols.name(function).to_string(), count)
        };
        Ok(self.counts.into_iter().filter(|(_, count)| *count > 0).map(name).collect())
    }
}

/// True for what `kexec exec` calls, however much of it the compiler has put into one function.
fn accepts(name: &str) -> bool {
    name.contains("baton::kernel::Kernel>::") && (is(name, "exec") || is(name, "leave"))
}

/// True for the functions in which a CPU takes its mark ONLINE.
fn comes_online(name: &str) -> bool {
    let marks = ["secondary", "advance", "boot_cpu_up"].iter().any(|method| is(name, method));
    name.contains("baton::hotplug::") && marks
}

fn is(name: &str, method: &str) -> bool {
    name.rsplit("::").next() == Some(method)
}
