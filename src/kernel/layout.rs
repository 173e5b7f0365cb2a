//! The owners of memory when a kernel starts.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::config::{EXCEPTION_STACK_BYTES, IMAGE_ALIGN, PAGE, STACK_BYTES};
use crate::fdt::edit::QUARANTINE;
use crate::handover;
use crate::memory::{Ledger, MapError, Owner, Piece, Range, Side};
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
pub enum Left<S = Piece> {
    /// There is none.
    Nowhere,
    /// In the region that this kernel goes on with.
    Here,
    /// In a region that is too small for the CPUs of this kernel. Once it has been read it is not
    /// used any more; the next kernel finds it free.
    Elsewhere(S),
}

/// What belongs to this kernel from the start.
pub struct Claims<S = Piece> {
    /// One [`STACK_SLOT`] per CPU. The boot CPU's stays unused: its stacks are in the image.
    pub stacks: S,
    /// The handover region.
    pub handover: S,
    /// What an earlier kernel left.
    pub left: Left<S>,
    /// The pages of the device tree, if these are RAM.
    pub dtb: Option<S>,
    /// The pages of the initrd.
    pub initrd: Option<S>,
}

/// Gives out memory at start, for real or on a map alone; `ram` has no other owners yet. The second value says what was wrong
/// with what the tree claims and was left out.
///
/// A reservation on top of what was handed over is there for that: boot loaders reserve the initrd
/// and the tree that they pass. So image, tree, initrd and handover come before the reservations,
/// which get what is left of their ranges. Only what nothing may be put into comes first.
///
/// # Errors
/// There is not enough memory, or the image does not lie in RAM.
pub fn lay_out<L: Ledger>(
    ram: &mut L,
    machine: &Machine,
    params: &BootParams,
    present: Present,
) -> Result<(Claims<L::Share>, Vec<String>), MapError> {
    let Present { image, dtb, heap } = present;
    ram.claim(image, Owner::Image)?;
    ram.claim(heap, Owner::Heap)?;
    let mut given = Given::new(ram, &machine.reserved, present);
    let cpus = machine.topology.len();
    let tree = given.take("the device tree", TREE_STAYS, dtb, Owner::Dtb);
    let initrd = |range| given.take("the initrd", "is left out", range, Owner::Initrd);
    let initrd = params.initrd.and_then(initrd);
    // After these: a forged handover must not take what is another's.
    let inherited = params.handover.and_then(|range| given.handover(range));
    let mut warnings = given.warnings;
    let ours = [Some(image), Some(dtb), params.initrd];
    warnings.extend(reserve(ram, &machine.reserved, ours.into_iter().flatten()));
    let needed = handover::bytes_for(cpus);
    let (handover, left) = match inherited {
        Some(share) if L::range(&share).size() >= needed => (share, Left::Here),
        other => {
            let own = ram.allocate(needed, PAGE, Owner::Trace, Side::High)?;
            (own, other.map_or(Left::Nowhere, Left::Elsewhere))
        }
    };
    let stacks = ram.allocate(STACK_SLOT * cpus as u64, PAGE, Owner::Stacks, Side::High)?;
    down_to_block(ram, L::range(&stacks));
    Ok((Claims { stacks, handover, left, dtb: tree, initrd }, warnings))
}

/// True for memory that is somebody else's whatever was put there: memory that may not be mapped, and
/// memory in which CPUs are parked.
fn is_closed(reserved: &Reserved) -> bool {
    reserved.no_map || reserved.name.starts_with(QUARANTINE)
}

/// True for the tables of LPIs that are on.
fn is_lpi_table(reserved: &Reserved) -> bool {
    reserved.name.starts_with(LPI_TABLES)
}

/// What happens to a tree that can't be claimed: everything in it has been read by then.
const TREE_STAYS: &str = "is used where it is, but its seeds are not wiped";

/// Takes what was handed over out of free memory, and notes what can't be taken.
struct Given<'a, L> {
    ram: &'a mut L,
    closed: Vec<&'a Reserved>,
    present: Present,
    warnings: Vec<String>,
}

impl<'a, L: Ledger> Given<'a, L> {
    /// Gives away what nothing may be put into.
    fn new(ram: &'a mut L, reserved: &'a [Reserved], present: Present) -> Self {
        let closed: Vec<&Reserved> = reserved.iter().filter(|r| is_closed(r)).collect();
        closed.iter().for_each(|r| ram.reserve(r.range));
        let mut given = Self { ram, closed, present, warnings: Vec::new() };
        if let Some(why) = given.why_closed(present.image) {
            given.warnings.push(format!("the kernel runs at {}, but {why}", present.image));
        }
        given
    }

    /// What forbids to use a range, if something does.
    fn why_closed(&self, range: Range) -> Option<String> {
        let pages = range.grow_to(PAGE)?;
        let closed = self.closed.iter().find(|r| r.range.overlaps(&pages))?;
        let why = if closed.no_map { "may not be mapped" } else { "has parked CPUs" };
        Some(format!("{} at {} {why}", closed.name, closed.range))
    }

    /// A range for `owner`; `None` if the range is closed, is another owner's, or is no RAM.
    /// `else_` says what happens then.
    fn take(&mut self, what: &str, else_: &str, range: Range, owner: Owner) -> Option<L::Share> {
        let why = match (self.why_closed(range), self.ram.claim(range, owner)) {
            (_, Ok(piece)) => return Some(piece),
            (Some(why), Err(_)) => why,
            (None, Err(error)) => self.clash(range, &error),
        };
        self.warnings.push(format!("{what} at {range} {else_}: {why}"));
        None
    }

    /// Why a range that is not closed could not be taken.
    fn clash(&self, range: Range, error: &MapError) -> String {
        let MapError::InUse { range: part, owner, .. } = error else { return error.to_string() };
        let whole = match owner {
            Owner::Image => self.present.image,
            Owner::Dtb => self.present.dtb,
            _ => *part,
        };
        let how = if range.overlaps(&whole) { "overlaps" } else { "shares a page with" };
        format!("it {how} the {owner} at {whole}")
    }

    /// What an earlier kernel left.
    fn handover(&mut self, range: Range) -> Option<L::Share> {
        let what = "what an earlier kernel left";
        let share = self.take(what, "is left out", range, Owner::Trace);
        if let (None, Some(warning)) = (&share, self.warnings.last_mut()) {
            warning.push_str("; starting with a clean slate");
        }
        share
    }
}

/// Gives free memory that the tree reserves away; what that means for `ours`.
fn reserve(
    ram: &mut impl Ledger,
    reserved: &[Reserved],
    ours: impl Iterator<Item = Range> + Clone,
) -> Vec<String> {
    reserved.iter().for_each(|r| ram.reserve(r.range));
    // A Linux that was booted by device tree can't report where its LPI tables are, and its kexec may
    // have put our files on top of one. Our files keep that memory all the same.
    let tables = reserved.iter().filter(|r| is_lpi_table(r)).map(|r| r.range);
    let on_top = |table: Range| {
        let ours = ours.clone().find(|ours| ours.overlaps(&table))?;
        Some(format!(
            "{ours} was put on top of {table}, an LPI table that is in use: if an LPI comes, it is written to"
        ))
    };
    tables.filter_map(on_top).collect()
}

/// Takes what is free below the stacks down to a whole block, so that no loaded kernel shares a
/// block with the stacks: memory is protected in blocks.
fn down_to_block(ram: &mut impl Ledger, stacks: Range) {
    let below = Range::new(stacks.start & !(IMAGE_ALIGN - 1), stacks.start);
    // Refused if another owner is there, or there is nothing to add.
    let _ = ram.claim(below, Owner::Stacks);
}

/// Where in a slot the page below the second stack is; the page below the first is the slot's first.
pub const GUARD_BETWEEN: u64 = PAGE + STACK_BYTES;

/// A CPU's two stacks. The page below each is left out of the map, so that an overflow faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stacks {
    /// For ordinary code.
    pub ordinary: Range,
    /// For exceptions and interrupts.
    pub exception: Range,
}

impl Stacks {
    /// In the slot that begins at this address.
    fn at(slot: u64) -> Self {
        let ordinary = Range::new(slot + PAGE, slot + GUARD_BETWEEN);
        Self { ordinary, exception: Range::new(ordinary.end + PAGE, slot + STACK_SLOT) }
    }
}

/// The stacks of the CPU with this number.
pub fn stacks_of(stacks: &Piece, cpu: usize) -> Stacks {
    Stacks::at(stacks.range().start + cpu as u64 * STACK_SLOT)
}
