//! What went wrong in a trial. Any CPU, in ordinary context.

use alloc::string::String;
use alloc::vec::Vec;

use crate::sync::Lock;

/// Findings kept; further findings are only counted.
const KEPT: usize = 16;

/// The first findings, and the number of all.
#[derive(Default)]
pub(super) struct Findings(Lock<(Vec<String>, usize)>);

impl Findings {
    pub(super) fn add(&self, what: String) {
        let mut list = self.0.lock();
        list.1 += 1;
        if list.0.len() < KEPT {
            list.0.push(what);
        }
    }

    pub(super) fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.add(what());
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().1
    }

    /// All that are kept, and a word about the others.
    pub(super) fn list(&self) -> Vec<String> {
        let list = self.0.lock();
        let more = list.1 - list.0.len();
        let rest = (more > 0).then(|| alloc::format!("{more} more"));
        list.0.iter().cloned().chain(rest).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_the_others_counted() {
        let findings = Findings::default();
        (0..20).for_each(|i| findings.check(i % 2 == 1, || alloc::format!("{i}")));
        (0..20).for_each(|i| findings.add(alloc::format!("{i}")));
        assert_eq!((findings.count(), findings.list().len()), (30, KEPT + 1));
        assert_eq!(findings.list().last().unwrap(), "14 more");
    }
}
