//! What has to be known of a machine before anything can be allocated: where its RAM is, what of it
//! is taken, where the redistributors are that may still write to RAM, and, if something is wrong,
//! where a console is. Read from a checked tree without a heap, by the readers that also make the
//! [`Machine`](super::Machine).

mod room;

use heapless::Vec;

use super::dt::{self, LimitError, Limits, RESERVED_MEMORY, UART_BYTES};
use super::firmware::efi::{Efi, Envelope};
use super::firmware::{self, FirmwareError};
use super::{Gic, PlatformError, params};
use crate::config::PHYSICAL_END;
use crate::fdt::{self, AddressError, Blocks, Checked, FdtError, Properties, Row, Spot, region};
use crate::memory::{Physical, Range, Unreachable};

/// Banks of RAM that are looked at for room; a machine may have more.
const BANKS: usize = 64;

/// Reservations that are kept; if there are more, the tree is gone through again.
const KEPT: usize = 64;

/// The node of what the boot loader says.
const CHOSEN: &str = "chosen";

/// Calls its argument with each of some ranges.
pub type Each<'a> = &'a dyn Fn(&mut dyn FnMut(Range));

/// The memory of a machine, and its interrupt controller.
pub struct Early<'t> {
    tree: Checked<'t>,
    /// UEFI's memory map, if the tree points to one: then it says where RAM is, and no memory node.
    efi: Option<Efi<'t>>,
    banks: Vec<Range, BANKS>,
    /// What may be used of the banks; all, if `None`.
    limits: Option<Limits>,
    /// Bytes of the banks that may be used.
    usable: u64,
    taken: Vec<Range, KEPT>,
    /// Not all that is taken has found room in `taken`.
    more: bool,
    /// The interrupt controller; `None` if the full reading will find none either.
    pub gic: Option<Gic>,
}

/// What a walk has come by.
struct Seen {
    cells: Result<(), PlatformError>,
    limits: Option<Result<Option<Limits>, LimitError>>,
    banks: Vec<Range, BANKS>,
    taken: Vec<Range, KEPT>,
    more: bool,
    gic: Option<Gic>,
    /// That controller is behind another one.
    secondary: bool,
    envelope: Option<Result<Envelope, FirmwareError>>,
    /// Some node describes the machine.
    described: bool,
}

impl Seen {
    fn new() -> Self {
        let (banks, taken, more) = (Vec::new(), Vec::new(), false);
        let (cells, limits, gic, secondary) = (Ok(()), None, None, false);
        let (envelope, described) = (None, false);
        Self { cells, limits, banks, taken, more, gic, secondary, envelope, described }
    }

    fn note(&mut self, spot: Spot<'_, '_>) {
        match spot.depth() {
            0 => self.cells = dt::root_cells(spot),
            1 => {
                if self.limits.is_none() && spot.is_below_root(CHOSEN) {
                    self.limits = Some(Limits::of_all(spot));
                    self.envelope = Envelope::of(spot);
                }
                // The first node that does is enough, and most trees have one at once.
                self.described = self.described || fdt::describes(spot, spot.is_below_root(CHOSEN));
                if dt::is_memory(spot) {
                    return self.memory(spot);
                }
            }
            _ => {}
        }
        if (self.gic.is_none() || self.secondary) && dt::is_gic(spot) {
            self.controller(spot);
        }
        given_by(spot, &mut |range| self.take(range));
    }

    fn memory(&mut self, spot: Spot<'_, '_>) {
        let found = dt::ram_of(spot).into_iter().flatten().flatten();
        self.banks.extend(found.take(BANKS - self.banks.len()));
        closed_by(spot, &mut |range| self.take(range));
    }

    /// As the full reading chooses: the first that is not behind another one, or else the first.
    fn controller(&mut self, spot: Spot<'_, '_>) {
        let secondary = dt::is_secondary(spot);
        if self.gic.is_none() || (self.secondary && !secondary) {
            self.gic = dt::read_gic(spot).map(|(gic, _)| gic).ok();
            self.secondary = secondary;
        }
    }

    fn take(&mut self, range: Range) {
        if !range.is_empty() {
            self.more |= self.taken.push(range).is_err();
        }
    }

    /// The sum, of a tree that turned out to be well-formed.
    fn of<'t>(
        mut self,
        tree: Checked<'t>,
        physical: &'t dyn Physical,
    ) -> Result<Early<'t>, PlatformError> {
        tree.reservations().for_each(|(at, size)| self.take(Range::saturating(at, size)));
        let limits = self.limits.unwrap_or(Ok(None)).map_err(PlatformError::Usable)?;
        let efi = self.envelope.transpose()?.map(|envelope| Efi::open(&envelope, physical));
        let efi = efi.transpose()?;
        // The root's cells are those of the memory nodes, and with UEFI's map no memory node counts.
        if efi.is_none() {
            self.cells?;
        }
        let gic = match efi {
            Some(efi) if !self.described => firmware::gic(efi).ok(),
            _ => self.gic,
        };
        let (banks, taken, more) = (self.banks, self.taken, self.more);
        let mut early = Early { tree, efi, banks, limits, usable: 0, taken, more, gic };
        early.measure()?;
        Ok(early)
    }
}

impl<'t> Early<'t> {
    /// Looks at a tree.
    ///
    /// # Errors
    /// [`PlatformError`] if it is not known which RAM may be used.
    pub fn look(tree: Checked<'t>) -> Result<Self, PlatformError> {
        Self::look_with(tree, &Unreachable)
    }

    /// As [`Self::look`], where memory can be read: a tree may only point to what firmware says.
    ///
    /// # Errors
    /// [`PlatformError`] if it is not known which RAM may be used.
    pub fn look_with(tree: Checked<'t>, physical: &'t dyn Physical) -> Result<Self, PlatformError> {
        let mut seen = Seen::new();
        tree.visit(|spot| seen.note(spot));
        seen.of(tree, physical)
    }

    /// Checks a tree and looks at the tree in the same walk: on the way to the first CPU_ON every
    /// walk counts. `rows` note where each node is, for the full reading.
    ///
    /// # Errors
    /// [`FdtError`] if the tree is not well-formed; inside, the same as of [`Self::look_with`].
    pub fn check(
        dtb: &'t [u8],
        rows: &'t mut [Row],
        physical: &'t dyn Physical,
    ) -> Result<Result<Self, PlatformError>, FdtError> {
        let mut seen = Seen::new();
        let tree = Checked::visited(dtb, rows, |spot| seen.note(spot))?;
        Ok(seen.of(tree, physical))
    }

    /// The tree that was looked at.
    pub fn tree(&self) -> &Checked<'t> {
        &self.tree
    }
}

/// What of its own ranges a memory node does not let be used; all, if that cannot be read.
fn closed_by(node: Spot<'_, '_>, take: &mut dyn FnMut(Range)) {
    let limits = Limits::of_node(node);
    for bank in dt::ram_of(node).into_iter().flatten().flatten() {
        match &limits {
            Ok(None) => {}
            Ok(Some(limits)) => limits.gaps(bank).for_each(&mut *take),
            Err(_) => take(bank),
        }
    }
}

/// What a node says that is taken: what it gives to somebody, and RAM that may not be used.
fn taken_by(spot: Spot<'_, '_>, take: &mut dyn FnMut(Range)) {
    match spot.depth() == 1 && dt::is_memory(spot) {
        true => closed_by(spot, take),
        false => given_by(spot, take),
    }
}

/// What a node that is no memory node gives to somebody: a reservation, the initrd, the handover.
fn given_by(spot: Spot<'_, '_>, take: &mut dyn FnMut(Range)) {
    if spot.depth() == 2 && spot.parent().is_some_and(|p| p.is_below_root(RESERVED_MEMORY)) {
        let windows = dt::windows(spot).into_iter().flatten();
        windows.for_each(|window| take(Range::saturating(window.address, window.size)));
    } else if spot.is_below_root(CHOSEN) {
        params::initrd_range(spot).into_iter().for_each(&mut *take);
        params::handover_range(spot).into_iter().for_each(&mut *take);
    }
}

/// The registers of a UART that has a driver: the one that `/chosen` names, or else the first.
/// Nothing else of the tree has to make sense, and the tree may say that there is RAM, too: that may
/// be what is to be told.
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
        if let Some(base) = dt::uart_base(spot).or_else(|| base_by_name(spot)) {
            first = first.or(Some(base));
            named = named.or(path.filter(|path| spot.is_at(path)).map(|_| base));
        }
    });
    named.or(first)
}

/// As [`console`], of a tree that points to firmware's tables: what these name.
pub fn console_of_firmware(tree: Blocks<'_>, physical: &dyn Physical) -> Option<Range> {
    let mut envelope = None;
    tree.visit(|spot| {
        if spot.is_below_root(CHOSEN) && envelope.is_none() {
            envelope = Envelope::of(spot).and_then(Result::ok);
        }
    });
    firmware::console_of_last_resort(Efi::open(&envelope?, physical).ok()?)
}

/// The registers of a UART below the root, whose counts of cells make no sense: where its `reg`
/// begins with the address in its name, in one cell or in two.
fn base_by_name(spot: Spot<'_, '_>) -> Option<Range> {
    let unit = spot.unit_address().filter(|_| spot.depth() == 1 && dt::is_uart(spot))?;
    let (Err(AddressError::Cells { .. } | AddressError::Length { .. }), Some(reg)) =
        (region(spot, 0), spot.property("reg"))
    else {
        return None;
    };
    let one = reg.first_chunk().map(|cell| u64::from(u32::from_be_bytes(*cell)));
    let two = reg.first_chunk().map(|cells| u64::from_be_bytes(*cells));
    let range = Range::sized(unit, UART_BYTES).filter(|_| one == Some(unit) || two == Some(unit));
    range.filter(|range| range.end <= PHYSICAL_END && range.start.is_multiple_of(4))
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
