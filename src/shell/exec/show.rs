//! Commands that only look: `mem`, `dmesg`.

use alloc::format;

use super::{Kernel, Outcome};

impl Kernel {
    pub(super) fn mem(&self) -> Outcome {
        let map = &self.boot.map;
        for region in map.regions() {
            let (range, kib) = (region.range, region.range.size() >> 10);
            self.print(&format!("{range:<24}  {kib:>10} KiB  {}", region.owner.name()));
        }
        let (free, total) = (map.free_bytes(), map.total_bytes());
        self.print(&format!("free {free} of {total} bytes"));
        Ok(None)
    }

    pub(super) fn dmesg(&self) -> Outcome {
        self.print(self.messages().trim_end());
        Ok(None)
    }
}
