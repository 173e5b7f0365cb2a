//! Giving memory to owners, for real or on paper.

use super::{Map, MapError, Owner, Piece, Ram, Range, Side};

/// Keeps which owner has which memory: the RAM, which hands out pieces; or a map, which hands out
/// ranges, so that a layout can be tried without any memory being used.
pub trait Ledger {
    /// What an owner gets.
    type Share;

    /// Gives the pages that `range` touches to `owner`.
    ///
    /// # Errors
    /// As [`Map::claim`].
    fn claim(&mut self, range: Range, owner: Owner) -> Result<Self::Share, MapError>;

    /// Finds free pages and gives these to `owner`.
    ///
    /// # Errors
    /// As [`Map::allocate`].
    fn allocate(
        &mut self,
        size: u64,
        align: u64,
        owner: Owner,
        from: Side,
    ) -> Result<Self::Share, MapError>;

    /// Gives free pages in `range` away for good: a reservation.
    fn reserve(&mut self, range: Range);

    /// Where a share is, in whole pages.
    fn range(share: &Self::Share) -> Range;
}

impl Ledger for Ram {
    type Share = Piece;

    fn claim(&mut self, range: Range, owner: Owner) -> Result<Piece, MapError> {
        Self::claim(self, range, owner)
    }

    fn allocate(
        &mut self,
        size: u64,
        align: u64,
        owner: Owner,
        from: Side,
    ) -> Result<Piece, MapError> {
        Self::allocate(self, size, align, owner, from)
    }

    fn reserve(&mut self, range: Range) {
        Self::reserve(self, range);
    }

    fn range(share: &Piece) -> Range {
        share.range()
    }
}

impl Ledger for Map {
    type Share = Range;

    fn claim(&mut self, range: Range, owner: Owner) -> Result<Range, MapError> {
        Self::claim(self, range, owner)?;
        Ok(range.grow_to(crate::config::PAGE).unwrap_or(range)) // the map has accepted it
    }

    fn allocate(
        &mut self,
        size: u64,
        align: u64,
        owner: Owner,
        from: Side,
    ) -> Result<Range, MapError> {
        Self::allocate(self, size, align, owner, from, None)
    }

    fn reserve(&mut self, range: Range) {
        Self::reserve(self, range);
    }

    fn range(share: &Range) -> Range {
        *share
    }
}
