//! UEFI's tables, brought up to date for the kernels that follow.

use alloc::format;
use alloc::string::String;

use super::Loader;
use crate::config::PAGE;
use crate::fdt::{Checked, Tree};
use crate::kernel::{Level, Reporter};
use crate::memory::{Owner, Range, Side};
use crate::platform::firmware::amend::{self, Amendment};

impl Loader {
    /// Writes what a kernel that is loaded has to find there. Nothing that the running kernel needs is
    /// changed, so a load that is given up later leaves nothing behind.
    pub(super) fn amend_tables(&self, out: &mut Reporter) {
        let Ok(tree) = Checked::of(self.tree.bytes()) else { return };
        let stir = |old: &[u8]| self.tree.stirred(old);
        for amendment in amend::for_next(&Tree::of(&tree), self.board.firmware(), stir) {
            if !self.amend(amendment) {
                let what = "the next Linux may take what is stale there for its own";
                out.say(Level::Warning, &format!("UEFI's tables cannot be written: {what}"));
            }
        }
    }

    fn amend(&self, Amendment { at, bytes, .. }: Amendment) -> bool {
        self.board.amend(at, &bytes)
    }

    /// Reserves memory for good, over all kernels that follow, where firmware's tables have a list for
    /// that. The tree reserves the memory for the next kernel in any case.
    ///
    /// # Errors
    /// Why a kernel behind the next one may use the memory.
    pub(in crate::kernel) fn reserve_for_good(&mut self, range: Range) -> Result<(), String> {
        let Ok(tree) = Checked::of(self.tree.bytes()) else { return Ok(()) };
        let firmware = self.board.firmware();
        let wanted = |page| amend::reserve(&Tree::of(&tree), firmware, &[range], page);
        if wanted(0)?.is_none() {
            return Ok(());
        }
        let page = self.ram.allocate(PAGE, PAGE, Owner::Quarantine, Side::High);
        let mut page = page.map_err(|_| "there is no page left for the list")?;
        let Some(element) = wanted(page.range().start)? else { return Ok(()) };
        // The page is whole in memory before the list leads there.
        self.board.write(&mut page, &element.page);
        self.board.clean(&page, 0..page.len());
        if self.amend(element.link) { Ok(()) } else { Err("the list cannot be written".into()) }
    }
}
