//! The RAM of this machine, and the only maker of [`Piece`]s.

use super::{Map, MapError, Owner, Range, Side};

/// A range of physical memory that the map has given to one owner. There is one piece for each range,
/// and it can't be copied: to hold a piece is to own the memory, and through nothing else is memory
/// read or written. When a piece is dropped, the memory stays with the owner for good.
#[derive(PartialEq, Eq, Debug)]
pub struct Piece {
    range: Range,
    owner: Owner,
}

impl Piece {
    /// Where, in whole pages.
    pub fn range(&self) -> Range {
        self.range
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.range.size() as usize
    }

    /// Never: a piece has a page at least.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The owner that the map names.
    pub fn owner(&self) -> Owner {
        self.owner
    }
}

/// Memory that nothing writes to at present, and that may be made read-only; found by
/// [`Ram::quiet`].
#[derive(PartialEq, Eq, Debug)]
pub struct Quiet(Range);

impl Quiet {
    /// Where.
    pub fn range(&self) -> Range {
        self.0
    }
}

/// The owners of all RAM, as in the map, with a piece for each owner that asks.
pub struct Ram {
    map: Map,
}

impl Ram {
    /// The RAM that `map` describes. What has an owner in `map` already stays that owner's, and
    /// no piece is made of it.
    ///
    /// # Safety
    /// No other `Ram` has any of this RAM, and nothing but this kernel's own image uses what is free
    /// in `map`. Before a piece is used, its memory is mapped for reading and writing, for good.
    pub unsafe fn new(map: Map) -> Self {
        Self { map }
    }

    /// RAM that no piece is ever used of.
    #[cfg(all(test, not(loom)))]
    pub fn of_tests(ram: &[Range]) -> Self {
        // SAFETY: on the host nothing reads or writes memory through a piece.
        unsafe { Self::new(Map::new(ram)) }
    }

    /// The owner of each page.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Gives the pages that `range` touches to `owner`.
    ///
    /// # Errors
    /// As [`Map::claim`].
    pub fn claim(&mut self, range: Range, owner: Owner) -> Result<Piece, MapError> {
        self.map.claim(range, owner)?;
        let range = range.grow_to(crate::config::PAGE).unwrap_or(range); // the map has accepted it
        Ok(Piece { range, owner })
    }

    /// Finds free pages and gives these to `owner`.
    ///
    /// # Errors
    /// As [`Map::allocate`].
    pub fn allocate(
        &mut self,
        size: u64,
        align: u64,
        owner: Owner,
        from: Side,
    ) -> Result<Piece, MapError> {
        let range = self.map.allocate(size, align, owner, from, None)?;
        Ok(Piece { range, owner })
    }

    /// Gives free pages in `range` away for good: a reservation.
    pub fn reserve(&mut self, range: Range) {
        self.map.reserve(range);
    }

    /// Makes the pages of a piece free again.
    ///
    /// # Errors
    /// None for a piece of this RAM; [`MapError`] for one of another.
    pub fn free(&mut self, piece: Piece) -> Result<(), MapError> {
        self.map.require(piece.range, piece.owner)?;
        self.map.free(piece.range)
    }

    /// `range` as memory that nothing writes to as long as a kernel is loaded; `None` if a part has
    /// an owner that writes. The running kernel's tree and initrd are only read, and free memory is
    /// given only to another load, which ends the present one.
    pub fn quiet(&self, range: Range) -> Option<Quiet> {
        let mut here = self.map.regions().filter(|region| region.range.overlaps(&range)).peekable();
        here.peek()?;
        let idle = |o| matches!(o, Owner::Segment | Owner::Free | Owner::Dtb | Owner::Initrd);
        here.all(|region| idle(region.owner)).then_some(Quiet(range))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const RAM: Range = Range::new(0x4000_0000, 0x4100_0000);

    fn ram() -> Ram {
        Ram::of_tests(&[RAM])
    }

    #[test]
    fn a_piece_has_its_pages_alone_until_it_is_given_back() {
        let mut ram = ram();
        let piece = ram.claim(Range::new(0x4000_0800, 0x4000_1001), Owner::Segment).unwrap();
        assert_eq!(piece.range(), Range::new(0x4000_0000, 0x4000_2000));
        assert!(ram.claim(piece.range(), Owner::Segment).is_err());
        assert_eq!(ram.map().owner_of(0x4000_1fff), Some(Owner::Segment));
        ram.free(piece).unwrap();
        assert_eq!(ram.map().free_bytes(), RAM.size());
    }

    #[test]
    fn a_piece_of_other_ram_frees_nothing() {
        let (mut one, mut other) = (ram(), ram());
        let piece = one.allocate(0x1000, 0x1000, Owner::Heap, Side::Low).unwrap();
        assert!(other.free(piece).is_err());
        assert_eq!(other.map().free_bytes(), RAM.size());
    }

    #[test]
    fn what_an_owner_writes_to_is_not_quiet() {
        let mut ram = ram();
        let block = Range::new(0x4020_0000, 0x4040_0000);
        let segment = ram.claim(Range::new(0x4020_0000, 0x4021_0000), Owner::Segment).unwrap();
        let quiet = ram.quiet(block).map(|quiet| quiet.range());
        assert_eq!(quiet, Some(block));
        ram.claim(Range::new(0x403f_f000, 0x4040_0000), Owner::Heap).unwrap();
        assert_eq!(ram.quiet(block), None);
        assert_eq!(ram.quiet(segment.range()).map(|quiet| quiet.range()), Some(segment.range()));
        assert_eq!(ram.quiet(Range::new(0, 0x1000)), None, "no RAM");
    }
}
