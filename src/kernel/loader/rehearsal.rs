//! The tree that the next baton will get, read as that baton will read it: by the same readers, on
//! a map of the same memory. A tree with which it could not come up would stop the machine after the
//! point of no return, and most of what is wrong with a tree is wrong before there is a console.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::cpu::Mpidr;
use crate::fdt::Checked;
use crate::kernel::layout::{Present, heap_place, lay_out};
use crate::memory::{Map, Range};
use crate::platform::early::Early;
use crate::platform::{self, BootParams, Conduit, Gic, Machine};

/// What of this machine the next kernel finds as it is, whatever its tree says.
pub(in crate::kernel) struct Here {
    /// The boot CPU, which enters the next kernel.
    boot: Mpidr,
    /// The RAM.
    memory: Vec<Range>,
    /// The interrupt controller.
    gic: Gic,
    /// How PSCI is called.
    conduit: Conduit,
}

impl Here {
    /// The machine that runs.
    pub fn new(machine: &Machine) -> Self {
        Self {
            boot: machine.topology.boot_mpidr(),
            memory: machine.memory.clone(),
            gic: machine.gic.clone(),
            conduit: machine.psci.conduit,
        }
    }

    /// Reads `tree` as a baton will that is entered on this machine with its image at `image` and
    /// the tree at `dtb`. Returns what is worth a word: a baton that comes up, and nobody hears it.
    ///
    /// # Errors
    /// Why it could not come up.
    pub fn rehearse(
        &self,
        tree: &[u8],
        image: Range,
        dtb: Range,
    ) -> Result<Option<&'static str>, String> {
        let checked = Checked::of(tree).map_err(|why| why.to_string())?;
        let described = platform::describe_checked(&checked, self.boot);
        let mut described = described.map_err(|why| why.to_string())?;
        forget_seed(&mut described.params);
        let machine = &described.machine;
        self.has(machine)?;
        // Of the next kernel's RAM, and of the RAM that is there.
        let apart = machine.apart_from(&machine.memory).and(machine.apart_from(&self.memory));
        apart.map_err(|why| why.to_string())?;
        let early = Early::look(checked).map_err(|why| why.to_string())?;
        let others = [image, dtb];
        let heap = heap_place(&early, &|take| others.iter().for_each(|&range| take(range)));
        let heap = heap.ok_or_else(|| {
            format!("of its {} bytes of memory none are left for a heap", early.ram_bytes())
        })?;
        let mut map = Map::new(&machine.memory);
        let present = Present { image, dtb, heap };
        lay_out(&mut map, machine, &described.params, present).map_err(|why| why.to_string())?;
        Ok(machine.console.is_none().then_some(
            "the tree has no console that the next kernel can drive: nothing will be seen of it",
        ))
    }

    /// All that `next` says of the machine that can be held against what is here.
    fn has(&self, next: &Machine) -> Result<(), String> {
        let here = |range: &&Range| self.memory.iter().any(|own| own.covers(range));
        if let Some(range) = next.memory.iter().find(|range| !here(range)) {
            return Err(format!("the memory at {range} is not there, or not this kernel's"));
        }
        let (theirs, ours) = (place(&next.gic), place(&self.gic));
        if theirs != ours {
            return Err(format!("the GIC is said to be {theirs}, and is {ours}"));
        }
        if next.psci.conduit != self.conduit {
            let (theirs, ours) = (next.psci.conduit.name(), self.conduit.name());
            return Err(format!("PSCI is said to be called by {theirs}, and is called by {ours}"));
        }
        Ok(())
    }
}

/// The seed is the next kernel's alone, and memory that is freed must not keep a copy.
fn forget_seed(params: &mut BootParams) {
    params.rng_seed.iter_mut().for_each(|seed| seed.fill(0));
    core::hint::black_box(&params.rng_seed); // the stores count
}

/// Which GIC, and where, for people.
fn place(gic: &Gic) -> String {
    format!("a GICv{} at {:#x}", gic.version(), gic.distributor().start)
}
