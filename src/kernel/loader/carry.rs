//! Results in the tree of a next kernel that is no baton: its user reads them there.

use alloc::format;

use super::tree::Extra;
use super::{Loader, segments};
use crate::config::MAX_DTB;
use crate::kernel::{Level, Reporter};
use crate::results::Document;

/// Bytes of a tree that the property takes beside its value: token, length, name and padding.
const PROPERTY: usize = 64;

/// Bytes that stay free for the reservations of CPUs that may have to be parked.
const SPARE: usize = 4 << 10;

impl Loader {
    /// Writes the results into the tree of the loaded kernel, unless that is a baton, which finds them
    /// in the handover. As much goes along as the tree has room for, the newest first.
    ///
    /// # Errors
    /// The tree could not be written; it is as it was.
    pub(in crate::kernel) fn carry(
        &mut self,
        out: &mut Reporter,
        document: &Document,
    ) -> Result<(), alloc::string::String> {
        let Some(loaded) = self.loaded.as_ref().filter(|loaded| !loaded.baton) else {
            return Ok(());
        };
        let plan = &loaded.plan;
        let bootargs = loaded.bootargs.bytes();
        let bare = self.tree.next(&loaded.source_tree, bootargs, plan.initrd, Extra::default())?;
        let room = MAX_DTB.min(plan.dtb.size() as usize);
        let room = room.saturating_sub(bare.len() + PROPERTY + SPARE);
        let mut carried = document.clone();
        carried.shrink(room);
        let left_out = carried.dropped() - document.dropped();
        self.results = (carried.bytes() <= room).then(|| carried.to_bytes());
        self.reserve(&[])?;
        self.guard_again(out);
        if left_out > 0 {
            let all = document.entries().count();
            let text = format!(
                "the next kernel's tree has no room for the oldest {left_out} of {all} results; \
                 `report` prints all of them"
            );
            out.say(Level::Warning, &text);
        }
        Ok(())
    }

    /// Makes the loaded kernel's memory read-only again, after its tree was written anew.
    fn guard_again(&mut self, out: &mut Reporter) {
        let (board, ram) = (self.board, &self.ram);
        let Some(loaded) = &mut self.loaded else { return };
        let guard = |range| segments::guard(out, board, ram, range);
        loaded.guarded = loaded.plan.ranges().filter_map(guard).collect();
    }
}
