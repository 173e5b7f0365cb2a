//! A reporter for tests, and the terminal that keeps what it prints.

extern crate std;

use std::boxed::Box;
use std::string::String;
use std::sync::Mutex;
use std::vec::Vec;

use super::Reporter;
use crate::machine::fake::Fake;
use crate::machine::{ConsoleTerminal, Typed};

/// A terminal that keeps what is written; nothing is ever typed.
#[derive(Default)]
pub(crate) struct Paper(Mutex<String>);

impl ConsoleTerminal for Paper {
    fn put(&self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }

    fn get(&self) -> Option<Typed> {
        None
    }

    fn listen(&self, _: bool) {}

    fn hold(&self) -> Vec<Typed> {
        Vec::new()
    }

    fn restore(&self, _: &[Typed]) {}

    fn take_input(&self) -> bool {
        false
    }

    fn interrupted(&self) -> bool {
        false
    }

    fn take_interrupt(&self) -> bool {
        false
    }
}

impl Paper {
    /// What was written since the last call.
    pub(crate) fn read(&self) -> String {
        core::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Reporter {
    /// A reporter with a counter of 1 GHz, and its paper.
    pub(crate) fn on_paper(loglevel: u8) -> (Self, &'static Paper) {
        let paper: &Paper = Box::leak(Box::default());
        let clock: &Fake = Box::leak(Box::new(Fake::at(0)));
        (Self::new(paper, clock, loglevel, false), paper)
    }
}
