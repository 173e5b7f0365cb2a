//! First stage: the machine as the device tree describes the machine, and as the kernel before left
//! the machine.
//!
//! Two readings of the tree meet here. The first one ([`Early`]) allocates nothing, and finds out
//! just enough to choose the heap's place. The second one ([`Described`]) is the full reading. Both
//! use the same readers of nodes.

use alloc::vec::Vec;

use super::laid::Laid;
use super::registers::{self, Places};
use super::{Entry, window};
use crate::aarch64::gic::{Gic, Lpis, Redistributors};
use crate::aarch64::mmu::{Kind, Tables};
use crate::aarch64::{heap, inherited, layout, this_mpidr, timer, uart};
use crate::fdt::Checked;
use crate::kernel::layout::{Present, heap_place, lay_out};
use crate::machine::inherited::Inherited;
use crate::memory::{Map, Ram, Range};
use crate::platform::early::Early;
use crate::platform::{self, Described, LpiTables, PlatformError, lpi_tables};
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
    /// Where other devices are.
    pub places: Places,
    /// The tables: devices and the heap are mapped.
    pub tables: Tables,
    /// When each phase was over.
    pub stamps: Vec<(Phase, u64)>,
}

impl Found {
    /// Finds out. Nothing can be allocated until it is known which RAM has no other user: the tree
    /// reserves some, and redistributors may still write to the tables of LPIs.
    ///
    /// The order matters in four places. LPIs are looked at before the heap has its place, because
    /// their tables must not become heap. Registers that the kernel before left are read before
    /// they are reset, so that a warning can name them. The tree is read as a whole only when there
    /// is a heap. And a panic looks for a console in the tree only until the tree has been read.
    pub fn find(entry: Entry) -> Self {
        let rust_at = timer::now();
        let (tree, dtb) = window::tree(entry.dtb);
        let checked = Checked::of(tree).unwrap_or_else(|why| panic!("device tree: {why}"));
        let early = Early::look(checked).unwrap_or_else(|why| panic!("{why}"));
        // The GIC is mapped before anything else: its redistributors say where LPI tables are.
        // SAFETY: this is the boot CPU, alone, and comes here once.
        let mut tables = unsafe { Tables::take_over() };
        let image = layout::image();
        let Some(controller) = &early.gic else {
            // The tree is read for the sake of its message alone.
            start_heap(&early, &[image, dtb], None, &mut tables);
            refuse(&checked)
        };
        let controller = registers::of_gic(&early, controller, &mut tables);
        let gic = Gic::new(&controller).unwrap_or_else(|| panic!("the GIC has too few registers"));
        let lpis = controller.lpis_off();
        let kept = Some((&*lpis, gic.id_bits()));
        let heap = start_heap(&early, &[image, dtb], kept, &mut tables);
        // What `entry.registers` has was read by `head.S` before it had to be overwritten.
        let mut inherited = inherited::look(&entry.registers);
        inherited::reset(entry.level);
        let described = platform::describe_checked(&checked, this_mpidr());
        let mut described = described.unwrap_or_else(|why| panic!("{why}"));
        window::close();
        let stamps = Vec::from([(Phase::Entry, rust_at), (Phase::Tree, timer::now())]);
        // Devices are mapped only now: their number is not known before, and their tables come from
        // the heap.
        let places = registers::of_devices(&described.machine, &mut tables);
        places.console.iter().for_each(uart::adopt);
        inherited.console = uart::quiesce();
        inherited.lpis = lpis.turned_off;
        // From here on these tables are reservations like those of the tree, for this kernel's map
        // and for the next kernel's tree.
        described.machine.reserved.extend(lpi_tables(&lpis.left_on, gic.id_bits()));
        Self {
            entry,
            tree,
            present: Present { image, dtb, heap },
            described,
            inherited,
            lpis_left_on: lpis.left_on.len(),
            gic,
            frames: controller.frames(),
            places,
            tables,
            stamps,
        }
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

/// Says what is wrong with a tree that has no interrupt controller that can be used.
fn refuse(tree: &Checked<'_>) -> ! {
    match platform::describe_checked(tree, this_mpidr()) {
        Err(why) => panic!("{why}"),
        Ok(_) => panic!("{}", PlatformError::NoGic),
    }
}

/// Finds room for the heap, maps it, and starts the heap. `others` are where image and tree lie;
/// `kept` are LPIs that may stay on, and the bits of an interrupt number.
///
/// # Panics
/// There is no room.
fn start_heap(
    early: &Early<'_>,
    others: &[Range; 2],
    kept: Option<(&Lpis, u32)>,
    tables: &mut Tables,
) -> Range {
    // What the tree does not say: image, tree, and the tables of LPIs that stay on.
    let ranges = kept.into_iter().flat_map(|(lpis, bits)| {
        lpis.left_on.iter().flat_map(move |tables: &LpiTables| tables.ranges(bits)).flatten()
    });
    let taken = others.iter().copied().chain(ranges);
    let Some(heap) = heap_place(early, &|take| taken.clone().for_each(take)) else {
        match early.ram_bytes() {
            0 => panic!("{}", PlatformError::NoMemory),
            bytes => panic!("no room for a heap: of {bytes} bytes of RAM too much is reserved"),
        }
    };
    // SAFETY: RAM that is not mapped yet. Nothing that is known to the tree or to the GIC uses it,
    // and the memory map gives it to the heap before anything else is claimed.
    unsafe {
        let mapped = tables.map(heap, Kind::Ram);
        mapped.unwrap_or_else(|why| panic!("mapping the heap at {heap}: {why}"));
        heap::start(heap);
    }
    heap
}
