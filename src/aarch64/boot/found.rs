//! First stage: the machine as the kernel before has told it, or as the device tree describes it, and
//! as the kernel before left it.
//!
//! Two readings of the tree meet here. The first one ([`Early`]) allocates nothing, and finds out
//! just enough to choose the heap's place. The second one ([`Described`]) is the full reading. Both
//! use the same readers of nodes.

use alloc::format;
use alloc::vec::Vec;

use super::laid::Laid;
use super::registers;
use super::{Entry, window};
use crate::aarch64::gic::{Gic, GicRegisters, Lpis, Redistributors};
use crate::aarch64::mmu::{FIRMWARE, Tables};
use crate::aarch64::{heap, inherited, layout, this_mpidr, timer, uart};
use crate::config::EARLY_NODES;
use crate::fdt::{self, Checked, Row};
use crate::handover::{Entered, Warm, WarmError};
use crate::kernel::layout::{Present, heap_place, lay_out};
use crate::machine::inherited::Inherited;
use crate::memory::{Map, Ram, Range};
use crate::platform::early::Early;
use crate::platform::{self, BootParams, Described, LpiTables, Machine, PlatformError, lpi_tables};
use crate::trace::Phase;

/// The machine, and what it is reached by.
pub struct Found {
    /// From `head.S`.
    pub entry: Entry,
    /// The device tree, in the window that `head.S` has mapped.
    pub tree: &'static [u8],
    /// Where the image, the tree and the heap are.
    pub present: Present,
    /// What the tree says; tables of LPIs that stay on are among the reservations.
    pub described: Described,
    /// What was found turned on that should have been off.
    pub inherited: Inherited,
    /// Redistributors whose LPIs stay on.
    pub lpis_left_on: usize,
    /// The interrupt controller; its distributor is not touched yet.
    pub gic: Gic,
    /// GICv3: the frame of each affinity.
    pub frames: Redistributors,
    /// The machine is as the kernel before has told; the tree has not been read.
    pub told: bool,
    /// The tables: devices and the heap are mapped.
    pub tables: Tables,
    /// When each phase was over.
    pub stamps: Vec<(Phase, u64)>,
}

impl Found {
    /// Finds out: from what the kernel before has told, if it was a baton that was entered here, and
    /// otherwise from the tree.
    pub fn find(entry: Entry) -> Self {
        let mut start = Start::new(entry);
        let why = match start.told() {
            Ok(told) => return start.found_as_told(told),
            Err(why) => why,
        };
        let mut found = start.look();
        // Only now there is a heap for the text.
        if why != WarmError::Absent {
            found.described.warnings.push(format!("{why}; the tree is read first"));
        }
        found
    }

    /// Gives every page of RAM its owner.
    pub fn lay_out(mut self) -> Laid {
        let Described { machine, params, .. } = &self.described;
        // SAFETY: the machine is this one, and its RAM is given out here and nowhere else. The next
        // stage maps it, and gives out what uses a piece.
        let mut ram = unsafe { Ram::new(Map::new(&machine.memory)) };
        match lay_out(&mut ram, machine, params, self.present) {
            Ok((claims, odd)) => {
                self.described.warnings.extend(odd);
                Laid { found: self, ram, claims }
            }
            Err(why) => panic!("this kernel can't have its memory: {why}"),
        }
    }
}

/// Before anything is known.
struct Start {
    entry: Entry,
    /// The first instruction of this module.
    at: u64,
    tree: &'static [u8],
    dtb: Range,
    tables: Tables,
    /// Where the heap is, once it has been started.
    heap: Option<Range>,
}

impl Start {
    fn new(entry: Entry) -> Self {
        let at = timer::now();
        let (tree, dtb) = window::tree(entry.dtb);
        // SAFETY: this is the boot CPU, alone, and comes here once.
        let tables = unsafe { Tables::take_over() };
        Self { entry, at, tree, dtb, tables, heap: None }
    }

    /// What the kernel before has told. Nothing can be allocated before its heap has been started.
    fn told(&mut self) -> Result<(Machine, BootParams), WarmError> {
        let entered = Entered { boot: this_mpidr(), image: layout::image(), dtb: self.dtb };
        let told = Warm::open(fdt::carried(self.tree), &entered)?;
        self.start_heap(told.heap());
        told.read()
    }

    /// The machine is as it was told: LPIs are off, and the tree waits until the CPUs are on their way.
    fn found_as_told(mut self, (machine, params): (Machine, BootParams)) -> Found {
        // That no registers lie in RAM has been seen when the record was read.
        let controller = registers::of_gic(&machine.gic, &|_| None, &mut self.tables);
        let gic = Gic::new(&controller).unwrap_or_else(|| panic!("{FEW_REGISTERS}"));
        let described = Described { machine, params, warnings: Vec::new() };
        self.found(described, gic, &controller, None)
    }

    /// Looks. Nothing can be allocated until it is known which RAM has no other user: the tree
    /// reserves some, and redistributors may still write to the tables of LPIs.
    ///
    /// The order matters in two places. LPIs are looked at before the heap has its place, because
    /// their tables must not become heap. The tree is read as a whole only when there is a heap.
    fn look(mut self) -> Found {
        let mut rows = [Row::EMPTY; EARLY_NODES];
        let early = Early::check(self.tree, &mut rows, &FIRMWARE);
        let early = early.unwrap_or_else(|why| panic!("device tree: {why}"));
        let early = early.unwrap_or_else(|why| panic!("{why}"));
        // The GIC is mapped before anything else: its redistributors say where LPI tables are.
        let Some(controller) = &early.gic else {
            // The tree is read for the sake of its message alone.
            self.place_heap(&early, None);
            refuse(early.tree())
        };
        let ram_at = |range| early.ram_at(range);
        let controller = registers::of_gic(controller, &ram_at, &mut self.tables);
        let gic = Gic::new(&controller).unwrap_or_else(|| panic!("{FEW_REGISTERS}"));
        let lpis = controller.lpis_off();
        self.place_heap(&early, Some((&*lpis, gic.id_bits())));
        let described = platform::describe_with(early.tree(), &FIRMWARE, this_mpidr());
        let mut described = described.unwrap_or_else(|why| panic!("{why}"));
        // From here on these tables are reservations like those of the tree, for this kernel's map
        // and for the next kernel's tree.
        described.machine.reserved.extend(lpi_tables(&lpis.left_on, gic.id_bits()));
        self.found(described, gic, &controller, Some(&lpis))
    }

    /// What is known now. Registers that the kernel before left are read before they are reset, so
    /// that a warning can name them; `lpis` are those that were looked at. A panic looks for a
    /// console in the tree only until the console is known.
    fn found(
        mut self,
        described: Described,
        gic: Gic,
        controller: &GicRegisters,
        lpis: Option<&Lpis>,
    ) -> Found {
        // What `entry.registers` has was read by `head.S` before it had to be overwritten.
        let mut inherited = inherited::look(&self.entry.registers);
        inherited::reset(self.entry.level);
        window::close();
        let stamps = Vec::from([(Phase::Entry, self.at), (Phase::Tree, timer::now())]);
        let console = registers::of_console(&described.machine, &mut self.tables);
        console.iter().for_each(uart::adopt);
        inherited.console = uart::quiesce();
        inherited.lpis = lpis.map_or(0, |lpis| lpis.turned_off);
        let heap = self.heap.expect("both ways start a heap");
        Found {
            present: Present { image: layout::image(), dtb: self.dtb, heap },
            entry: self.entry,
            tree: self.tree,
            told: lpis.is_none(),
            described,
            inherited,
            lpis_left_on: lpis.map_or(0, |lpis| lpis.left_on.len()),
            gic,
            frames: controller.frames(),
            tables: self.tables,
            stamps,
        }
    }

    /// Finds room for the heap, and starts the heap; `kept` are LPIs that may stay on, and the bits
    /// of an interrupt number.
    ///
    /// # Panics
    /// There is no room.
    fn place_heap(&mut self, early: &Early<'_>, kept: Option<(&Lpis, u32)>) {
        if self.heap.is_some() {
            return; // what was told was no good, but for the heap
        }
        // What the tree does not say: image, tree, and the tables of LPIs that stay on.
        let ranges = kept.into_iter().flat_map(|(lpis, bits)| {
            lpis.left_on.iter().flat_map(move |tables: &LpiTables| tables.ranges(bits)).flatten()
        });
        let taken = [layout::image(), self.dtb].into_iter().chain(ranges);
        let Some(heap) = heap_place(early, &|take| taken.clone().for_each(take)) else {
            match early.ram_bytes() {
                0 => panic!("{}", PlatformError::NoMemory),
                bytes => {
                    panic!("no room for a heap: of {bytes} bytes of RAM too much is reserved")
                }
            }
        };
        self.start_heap(heap);
    }

    /// Maps the heap, and starts it.
    fn start_heap(&mut self, heap: Range) {
        // SAFETY: RAM that is not mapped yet. Nothing that is known to the tree or to the GIC uses
        // it, and the memory map gives it to the heap before anything else is claimed.
        unsafe {
            let mapped = self.tables.map_ram(heap, heap.start);
            mapped.unwrap_or_else(|why| panic!("mapping the heap at {heap}: {why}"));
            heap::start(heap);
        }
        self.heap = Some(heap);
    }
}

const FEW_REGISTERS: &str = "the GIC has too few registers";

/// Says what is wrong with a tree that has no interrupt controller that can be used.
fn refuse(tree: &Checked<'_>) -> ! {
    match platform::describe_with(tree, &FIRMWARE, this_mpidr()) {
        Err(why) => panic!("{why}"),
        Ok(_) => panic!("{}", PlatformError::NoGic),
    }
}
