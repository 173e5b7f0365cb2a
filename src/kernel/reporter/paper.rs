//! A reporter for tests, and the terminal that keeps what it prints.

extern crate std;

use std::boxed::Box;
use std::string::String;
use std::sync::Mutex;

use super::Reporter;
use crate::machine::ConsoleTerminal;
use crate::machine::fake::Fake;

/// A terminal that keeps what is written; nothing is ever typed.
#[derive(Default)]
pub(crate) struct Paper(Mutex<String>);

impl ConsoleTerminal for Paper {
    fn put(&self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }

    fn get(&self) -> Option<u8> {
        None
    }

    fn listen(&self) {}

    fn take_input(&self) -> bool {
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
        (Self::new(paper, clock, loglevel), paper)
    }
}
