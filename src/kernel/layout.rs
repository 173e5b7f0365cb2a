//! The owners of memory when a kernel starts.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::config::{EXCEPTION_STACK_BYTES, IMAGE_ALIGN, PAGE, STACK_BYTES};
use crate::handover;
use crate::memory::{MapError, Owner, Piece, Ram, Range, Side};
use crate::platform::early::{Each, Early};
use crate::platform::{BootParams, LPI_TABLES, Machine, Reserved};

/// Least and most that the heap gets; in between an eighth of RAM.
const HEAP_LEAST: u64 = 4 << 20;
const HEAP_MOST: u64 = 128 << 20;

/// The heap begins and ends at multiples of this: what one entry of a level 2 table maps, so that
/// the heap shares none with a kernel that is loaded. Memory is protected in blocks.
const HEAP_ALIGN: u64 = IMAGE_ALIGN;

/// The heap's place, chosen before anything can be allocated: as high as possible, away from what
/// the tree says is taken and from `others`. `None` if there is no room for the least.
pub fn heap_place(early: &Early<'_>, others: Each<'_>) -> Option<Range> {
    let wanted = (early.ram_bytes() / 8).clamp(HEAP_LEAST, HEAP_MOST) & !(HEAP_ALIGN - 1);
    let sizes = core::iter::successors(Some(wanted), |size| Some((size / 2) & !(HEAP_ALIGN - 1)));
    let mut sizes = sizes.take_while(|&size| size >= HEAP_LEAST);
    sizes.find_map(|size| early.highest_free(size, HEAP_ALIGN, others))
}

/// Guard page, stack, guard page, exception stack.
pub const STACK_SLOT: u64 = PAGE + STACK_BYTES + PAGE + EXCEPTION_STACK_BYTES;

/// Where the parts of this kernel that are there already lie.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    /// The image, bss and the boot CPU's stacks included.
    pub image: Range,
    /// The device tree.
    pub dtb: Range,
    /// The heap, from [`heap_place`].
    pub heap: Range,
}

/// Where an earlier kernel's handover is.
pub enum Left {
    /// There is none.
    Nowhere,
    /// In the region that this kernel goes on with.
    Here,
    /// In a region that is too small for the CPUs of this kernel. Once it has been read it is not
    /// used any more; the next kernel finds it free.
    Elsewhere(Piece),
}

/// What belongs to this kernel from the start.
pub struct Claims {
    /// One [`STACK_SLOT`] per CPU. The boot CPU's stays unused: its stacks are in the image.
    pub stacks: Piece,
    /// The handover region.
    pub handover: Piece,
    /// What an earlier kernel left.
    pub left: Left,
    /// The pages of the device tree, if these are RAM.
    pub dtb: Option<Piece>,
    /// The pages of the initrd.
    pub initrd: Option<Piece>,
}

/// Gives out memory at start; `ram` has no other owners yet. The second value says what was wrong
/// with what the tree claims and was left out.
///
/// # Errors
/// There is not enough memory, or the image does not lie in RAM.
pub fn lay_out(
    ram: &mut Ram,
    machine: &Machine,
    params: &BootParams,
    present: Present,
) -> Result<(Claims, Vec<String>), MapError> {
    let mut warnings = Vec::new();
    let Present { image, dtb, heap } = present;
    ram.claim(image, Owner::Image)?;
    ram.claim(heap, Owner::Heap)?;
    // A tree, an initrd or a handover that lies outside RAM does no harm.
    let mut optional = |ram: &mut Ram, range: Range, owner| {
        let claimed = ram.claim(range, owner);
        claimed.map_err(|error| warnings.push(error.to_string())).ok()
    };
    let cpus = machine.topology.len();
    let inherited = params.handover.and_then(|r| optional(ram, r, Owner::Trace));
    let lpi_table = |r: &&Reserved| r.name.starts_with(LPI_TABLES);
    for reserved in machine.reserved.iter().filter(|r| !lpi_table(r)) {
        ram.reserve(reserved.range);
    }
    let tree = optional(ram, dtb, Owner::Dtb);
    let initrd = params.initrd.and_then(|initrd| optional(ram, initrd, Owner::Initrd));
    // After image, tree and initrd: a Linux that was booted by device tree can't report where its
    // LPI tables are, and its kexec may have put our files on top of one. Our files keep that
    // memory all the same.
    for Reserved { range, .. } in machine.reserved.iter().filter(lpi_table) {
        let on_top = [Some(image), Some(dtb), params.initrd].into_iter().flatten();
        if let Some(ours) = on_top.into_iter().find(|ours| ours.overlaps(range)) {
            warnings.push(format!(
                "{ours} was put on top of {range}, an LPI table that is in use: if an LPI comes, it is written to"
            ));
        }
        ram.reserve(*range);
    }
    let needed = handover::bytes_for(cpus);
    let (handover, left) = match inherited {
        Some(piece) if piece.range().size() >= needed => (piece, Left::Here),
        other => {
            let own = ram.allocate(needed, PAGE, Owner::Trace, Side::High)?;
            (own, other.map_or(Left::Nowhere, Left::Elsewhere))
        }
    };
    let stacks = ram.allocate(STACK_SLOT * cpus as u64, PAGE, Owner::Stacks, Side::High)?;
    down_to_block(ram, stacks.range());
    Ok((Claims { stacks, handover, left, dtb: tree, initrd }, warnings))
}

/// Takes what is free below the stacks down to a whole block, so that no loaded kernel shares a
/// block with the stacks: memory is protected in blocks.
fn down_to_block(ram: &mut Ram, stacks: Range) {
    let below = Range::new(stacks.start & !(IMAGE_ALIGN - 1), stacks.start);
    // Refused if another owner is there, or there is nothing to add.
    let _ = ram.claim(below, Owner::Stacks);
}

/// The slot of a CPU's stacks.
pub fn stack_slot(stacks: &Piece, cpu: usize) -> Range {
    let start = stacks.range().start + cpu as u64 * STACK_SLOT;
    Range::new(start, start + STACK_SLOT)
}
