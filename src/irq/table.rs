//! The actions as handlers see them: never changed, only replaced as a whole.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Shared;
use super::descriptor::{Entry, Irq};

/// In rising order of the interrupt number, which stands beside the descriptor so that a search
/// stays in few cache lines.
#[derive(Default)]
pub(super) struct Table(Vec<(u32, Shared)>);

impl Table {
    pub(super) fn of(entries: &[Entry]) -> Self {
        Self(entries.iter().map(|entry| (entry.intid(), Arc::clone(&entry.shared))).collect())
    }

    /// Runs the action; false if there is none, or if the interrupt has to be silenced.
    pub(super) fn take(&self, irq: &Irq<'_>) -> bool {
        match self.0.binary_search_by_key(&irq.intid, |row| row.0) {
            Ok(at) => self.0[at].1.take(irq),
            Err(_) => false,
        }
    }
}
