//! Second stage: every page of RAM has an owner.
//!
//! From here to the next stage RAM is mapped. All of it goes into the linear map at once, free
//! memory too: a kernel that is loaded later is written through that map. Three things stay out.
//! The image has its own mapping with finer permissions, and a second, writable one would undo
//! those. Memory that firmware marks `no-map` may not be mapped. And the page under each stack is
//! left out, so that an overflow faults.

use alloc::vec::Vec;

use super::Found;
use super::mapped::Mapped;
use crate::aarch64::mmu::Tables;
use crate::aarch64::timer;
use crate::config::PAGE;
use crate::kernel::layout::{Claims, Present};
use crate::memory::{Ram, Range};
use crate::platform::Machine;
use crate::trace::Phase;

/// The owners of memory.
pub struct Laid {
    /// What was found.
    pub found: Found,
    /// All RAM.
    pub ram: Ram,
    /// What belongs to this kernel.
    pub claims: Claims,
}

impl Laid {
    /// Maps RAM.
    pub fn map(mut self) -> Mapped {
        // The heap is among the holes: it is mapped since the first stage.
        let holes = holes(&self);
        map_ram(&self.found.described.machine, &holes, &mut self.found.tables);
        // SAFETY: RAM, and one of the holes.
        let mapped = unsafe { self.found.tables.map_stacks(&self.claims.stacks) };
        mapped.unwrap_or_else(|why| panic!("mapping the stacks: {why}"));
        // From here on valid entries may change (`Tables::protect`), with TLB maintenance for all
        // CPUs.
        self.found.tables.share();
        self.found.stamps.push((Phase::Memory, timer::now()));
        Mapped { laid: self }
    }
}

/// What lies in RAM and is not mapped as RAM at large is, in order: the image, which is reached
/// through its own tables; the heap, which is mapped; what firmware says may not be mapped; the
/// stacks, which are mapped page by page.
fn holes(laid: &Laid) -> Vec<Range> {
    let machine = &laid.found.described.machine;
    let closed = machine.reserved.iter().filter(|r| r.no_map).map(|r| r.range);
    let closed = closed.filter_map(|r| r.grow_to(PAGE));
    let Present { image, heap, .. } = laid.found.present;
    let ours = [image, heap, laid.claims.stacks.range()];
    let mut holes: Vec<Range> = closed.chain(ours).collect();
    holes.sort_unstable();
    holes
}

/// Maps all RAM but the holes, which are in order.
fn map_ram(machine: &Machine, holes: &[Range], tables: &mut Tables) {
    for bank in &machine.memory {
        let mut at = bank.start;
        let inside = holes.iter().filter(|hole| hole.overlaps(bank));
        for hole in inside.chain([&Range::new(bank.end, bank.end)]) {
            let part = Range::new(at, hole.start);
            if !part.is_empty() {
                // SAFETY: RAM, without what is mapped already, which is among the holes.
                let mapped = unsafe { tables.map_ram(part, bank.start) };
                mapped.unwrap_or_else(|why| panic!("mapping RAM at {part}: {why}"));
            }
            at = at.max(hole.end); // holes may overlap
        }
    }
}
