//! Commands that only look: `irqs`, `mem`, `dmesg`.

use alloc::format;

use super::{Kernel, Outcome};

impl Kernel {
    pub(super) fn irqs(&self) -> Outcome {
        self.print("intid  taken by  what");
        let d = &self.boot.description;
        self.print(&format!("{:>5}  {:<8}  {}", 0, "each CPU", "kick from another CPU"));
        let timer = d.timer.virtual_ppi;
        self.print(&format!("{timer:>5}  {:<8}  {}", "each CPU", "virtual timer"));
        match (d.console.as_ref().and_then(|c| c.intid), self.board.console_target()) {
            (Some(intid), Some(cpu)) => {
                self.print(&format!("{intid:>5}  CPU {:<4}  console", cpu.0));
            }
            _ => self.print("    -  nobody    console: the tree gives it no interrupt"),
        }
        Ok(None)
    }

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
