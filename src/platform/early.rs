//! What has to be known of a machine before anything can be allocated: where its RAM is, what of it
//! is taken, where the redistributors are that may still write to RAM, and, if something is wrong,
//! where a console is. Read from a checked tree without a heap, by the readers that also make the
//! [`Machine`](super::Machine).

use heapless::Vec;

use super::dt::{self, RESERVED_MEMORY};
use super::{Gic, params};
use crate::config::PAGE;
use crate::fdt::{Blocks, Checked, Properties, Spot};
use crate::memory::Range;

/// Banks of RAM that are looked at for room; a machine may have more.
const BANKS: usize = 64;

/// Reservations that are kept; if there are more, the tree is gone through again.
const KEPT: usize = 64;

/// Calls its argument with each of some ranges.
pub type Each<'a> = &'a dyn Fn(&mut dyn FnMut(Range));

/// The memory of a machine, and its interrupt controller.
pub struct Early<'t> {
    tree: Checked<'t>,
    banks: Vec<Range, BANKS>,
    taken: Vec<Range, KEPT>,
    /// Not all that is taken has found room in `taken`.
    more: bool,
    /// The interrupt controller; `None` if the full reading will find none either.
    pub gic: Option<Gic>,
}

impl<'t> Early<'t> {
    /// Looks.
    pub fn look(tree: Checked<'t>) -> Self {
        let (banks, taken) = (Vec::new(), Vec::new());
        let mut early = Self { tree, banks, taken, more: false, gic: None };
        tree.reservations().for_each(|(at, size)| early.take(saturating(at, size)));
        tree.visit(|spot| early.note(spot));
        early
    }

    fn note(&mut self, spot: Spot<'_, 't>) {
        if spot.depth() == 1 && dt::is_memory(spot) {
            let found = dt::ram_of(spot).into_iter().flatten().flatten();
            self.banks.extend(found.take(BANKS - self.banks.len()));
        } else if self.gic.is_none() && dt::is_gic(spot) {
            self.gic = dt::read_gic(spot).map(|(gic, _)| gic).ok();
        }
        taken_by(spot, &mut |range| self.take(range));
    }

    fn take(&mut self, range: Range) {
        if !range.is_empty() {
            self.more |= self.taken.push(range).is_err();
        }
    }

    /// True if a page of `registers` is in RAM.
    pub fn in_ram(&self, registers: Range) -> bool {
        match self.banks.is_full() {
            true => in_ram(&self.tree.blocks(), registers), // there may be more banks
            false => touches(registers, self.banks.iter().copied()),
        }
    }

    /// Bytes of RAM.
    pub fn ram_bytes(&self) -> u64 {
        self.banks.iter().map(Range::size).sum()
    }

    /// Calls `f` with everything that the tree says is taken.
    fn each_taken(&self, mut f: impl FnMut(Range)) {
        if !self.more {
            return self.taken.iter().for_each(|&range| f(range));
        }
        self.tree.reservations().for_each(|(at, size)| f(saturating(at, size)));
        self.tree.visit(|spot| taken_by(spot, &mut f));
    }

    /// The highest `size` bytes of RAM, beginning and ending at multiples of `align` (a power of
    /// two), that nothing has taken: neither what the tree reserves nor what `others` calls its
    /// argument with. `None` if there is no such place.
    pub fn highest_free(&self, size: u64, align: u64, others: Each<'_>) -> Option<Range> {
        let mut banks = self.banks.clone();
        banks.sort_unstable();
        banks.iter().rev().find_map(|&bank| self.highest_in(bank, size, align, others))
    }

    /// Moves a candidate down below whatever overlaps it until nothing does. Each second move is by
    /// at least `size`, so that there are few.
    fn highest_in(&self, bank: Range, size: u64, align: u64, others: Each<'_>) -> Option<Range> {
        let mut end = bank.end;
        loop {
            let start = (end & !(align - 1)).checked_sub(size)? & !(align - 1);
            let place = Range::sized(start, size).filter(|place| bank.covers(place))?;
            let mut lowest = None;
            let mut note = |range: Range| {
                if range.overlaps(&place) {
                    lowest = Some(lowest.unwrap_or(range.start).min(range.start));
                }
            };
            others(&mut note);
            self.each_taken(note);
            match lowest {
                Some(below) => end = below,
                None => return Some(place),
            }
        }
    }
}

fn saturating(at: u64, size: u64) -> Range {
    Range::new(at, at.saturating_add(size))
}

/// What a node says that is taken: a reservation, the initrd, the handover.
fn taken_by(spot: Spot<'_, '_>, take: &mut dyn FnMut(Range)) {
    if spot.depth() == 2 && spot.parent().is_some_and(|parent| parent.is_at(RESERVED_MEMORY)) {
        let windows = dt::windows(spot).into_iter().flatten();
        windows.for_each(|window| take(saturating(window.address, window.size)));
    } else if spot.depth() == 1 && spot.is_at("/chosen") {
        params::initrd_range(spot).into_iter().for_each(&mut *take);
        params::handover_range(spot).into_iter().for_each(&mut *take);
    }
}

/// The registers of a UART that has a driver: the one that `/chosen` names, or else the first.
/// Nothing else of the tree has to make sense.
pub fn console(tree: Blocks<'_>) -> Option<Range> {
    let wanted = text_at(&tree, "/chosen", "stdout-path");
    let wanted = wanted.or_else(|| text_at(&tree, "/chosen", "linux,stdout-path"));
    let wanted = wanted.and_then(|path| path.split(':').next());
    let path = wanted.map(|path| match path.starts_with('/') {
        true => path,
        false => text_at(&tree, "/aliases", path).unwrap_or_default(),
    });
    let (mut named, mut first) = (None, None);
    tree.visit(|spot| {
        if let Some(base) = dt::uart_base(spot) {
            first = first.or(Some(base));
            named = named.or(path.filter(|path| spot.is_at(path)).map(|_| base));
        }
    });
    named.or(first).filter(|base| !in_ram(&tree, *base))
}

/// True if a page of these registers is in RAM.
fn in_ram(tree: &Blocks<'_>, registers: Range) -> bool {
    let mut inside = false;
    tree.visit(|spot| {
        if spot.depth() == 1 && dt::is_memory(spot) {
            let ram = dt::ram_of(spot).into_iter().flatten().flatten();
            inside |= touches(registers, ram);
        }
    });
    inside
}

/// True if a page of these registers is in `ram`, or is no page.
fn touches(registers: Range, mut ram: impl Iterator<Item = Range>) -> bool {
    registers.grow_to(PAGE).is_none_or(|pages| ram.any(|ram| ram.overlaps(&pages)))
}

/// The first string of a property of the node at `path`, below the root.
fn text_at<'t>(tree: &Blocks<'t>, path: &str, property: &str) -> Option<&'t str> {
    let mut text = None;
    tree.visit(|spot| {
        if spot.depth() == 1 && spot.is_at(path) {
            text = text.or(spot.string(property));
        }
    });
    text
}

#[cfg(all(test, not(loom)))]
mod tests;
