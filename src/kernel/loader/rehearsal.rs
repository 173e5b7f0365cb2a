//! The tree that the next baton will get, read as that baton will read it: by the same readers, on
//! a map of the same memory. A tree with which it could not come up would stop the machine after the
//! point of no return, and most of what is wrong with a tree is wrong before there is a console.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::config::MAX_DTB;
use crate::cpu::Mpidr;
use crate::fdt::{self, Checked};
use crate::handover::{self, Entered};
use crate::kernel::layout::{Present, heap_place, lay_out};
use crate::memory::{Map, Physical, Range};
use crate::platform::early::Early;
use crate::platform::{self, BootParams, Conduit, Described, Gic, Machine};

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
    /// CPUs.
    cpus: usize,
}

impl Here {
    /// The machine that runs.
    pub fn new(machine: &Machine) -> Self {
        Self {
            boot: machine.topology.boot_mpidr(),
            memory: machine.memory.clone(),
            gic: machine.gic.clone(),
            conduit: machine.psci.conduit,
            cpus: machine.topology.len(),
        }
    }

    /// How many CPUs there are.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// Reads `tree` as a baton will that is entered on this machine with its image at `image` and
    /// the tree somewhere in `dtb`; `firmware` is what the tree may point to.
    ///
    /// # Errors
    /// Why it could not come up.
    pub fn rehearse(
        &self,
        tree: &[u8],
        firmware: &dyn Physical,
        image: Range,
        dtb: Range,
    ) -> Result<Rehearsed, String> {
        let checked = Checked::of(tree).map_err(|why| why.to_string())?;
        let described = platform::describe_with(&checked, firmware, self.boot);
        let mut described = described.map_err(|why| why.to_string())?;
        forget_seed(&mut described.params);
        let machine = &described.machine;
        self.has(machine)?;
        // Of the next kernel's RAM, and of the RAM that is there.
        let apart = machine.apart_from(&machine.memory).and(machine.apart_from(&self.memory));
        apart.map_err(|why| why.to_string())?;
        let early = Early::look_with(checked, firmware).map_err(|why| why.to_string())?;
        let others = [image, dtb];
        let heap = heap_place(&early, &|take| others.iter().for_each(|&range| take(range)));
        let heap = heap.ok_or_else(|| {
            format!("of its {} bytes of memory none are left for a heap", early.ram_bytes())
        })?;
        let mut map = Map::new(&machine.memory);
        let present = Present { image, dtb, heap };
        lay_out(&mut map, machine, &described.params, present).map_err(|why| why.to_string())?;
        let Described { machine, params, .. } = described;
        Ok(Rehearsed { boot: self.boot, image, heap, machine, params })
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

/// A baton that comes up.
pub(in crate::kernel) struct Rehearsed {
    boot: Mpidr,
    image: Range,
    heap: Range,
    machine: Machine,
    params: BootParams,
}

impl Rehearsed {
    /// What is worth a word: nothing will be heard of this kernel.
    pub fn mute(&self) -> Option<&'static str> {
        self.machine.console.is_none().then_some(
            "the tree has no console that the next kernel can drive: nothing will be seen of it",
        )
    }

    /// `tree` with what that kernel needs to start its CPUs before it reads the tree.
    ///
    /// # Errors
    /// Why the tree can't carry that: the kernel reads its tree first.
    pub fn carried_by(&self, tree: &[u8], dtb: Range) -> Result<Vec<u8>, String> {
        // How long the record is does not depend on what it says of the tree's length.
        let bytes = self.record(dtb)?.len() + tree.len();
        let no_room = || format!("with what it would be told its tree has {bytes} bytes, too many");
        let all = Range::sized(dtb.start, bytes as u64).filter(|all| dtb.covers(all));
        let all = all.filter(|_| bytes <= MAX_DTB).ok_or_else(no_room)?;
        fdt::carry(tree, &self.record(all)?).ok_or_else(no_room)
    }

    fn record(&self, dtb: Range) -> Result<Vec<u8>, String> {
        let entered = Entered { boot: self.boot, image: self.image, dtb };
        let record = handover::warm_record(&entered, self.heap, &self.machine, &self.params);
        record.map_err(|why| why.to_string())
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
