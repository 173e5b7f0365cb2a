//! What the properties of a node say (devicetree specification v0.4, chapter 2), of a node in a table
//! ([`Node`](super::Node)) as of one that a walk has just reached ([`Spot`](super::Spot)).

use alloc::string::String;

use super::address::{AddressError, CellCounts};
use super::words::begins_with;

/// A node, cheap to copy, whose contents live as long as the tree.
pub trait Properties<'t>: Copy {
    /// The value of a property.
    fn property(&self, name: &str) -> Option<&'t [u8]>;

    /// The parent; `None` for the root.
    fn parent(&self) -> Option<Self>;

    /// How its children count cells.
    ///
    /// # Errors
    /// [`AddressError::Cells`] if a count is not one that is supported.
    fn cells(&self) -> Result<CellCounts, AddressError> {
        CellCounts::of(*self)
    }

    /// Its full path, for people; empty where nothing may be allocated.
    fn path(&self) -> String;

    /// The node itself, its parent, and so on up to the root.
    fn upwards(self) -> impl Iterator<Item = Self> {
        core::iter::successors(Some(self), |node| node.parent())
    }

    /// True if the property is there, empty or not.
    #[inline]
    fn has(&self, name: &str) -> bool {
        self.property(name).is_some()
    }

    /// A property of one cell.
    #[inline]
    fn u32(&self, name: &str) -> Option<u32> {
        Some(u32::from_be_bytes(self.property(name)?.try_into().ok()?))
    }

    /// A property of one or two cells.
    fn number(&self, name: &str) -> Option<u64> {
        let value = self.property(name)?;
        match value.len() {
            4 => self.u32(name).map(u64::from),
            _ => Some(u64::from_be_bytes(value.try_into().ok()?)),
        }
    }

    /// The first string of a property, without its NUL; `None` if not UTF-8.
    #[inline]
    fn string(&self, name: &str) -> Option<&'t str> {
        let first = self.property(name)?.split(|&b| b == 0).next()?;
        core::str::from_utf8(first).ok()
    }

    /// True if that is the first string of a property: in less time than to look at [`Self::string`].
    #[inline]
    fn says(&self, name: &str, text: &str) -> bool {
        self.property(name).is_some_and(|value| value_says(value, text))
    }

    /// The strings of a list, whatever is in them.
    #[inline]
    fn texts(&self, name: &str) -> impl Iterator<Item = &'t [u8]> + use<'t, Self> {
        let value = self.property(name).map(|v| v.strip_suffix(&[0]).unwrap_or(v));
        value.into_iter().flat_map(|v| v.split(|&b| b == 0))
    }

    /// The strings of a list; those that are not UTF-8 are passed over.
    fn strings(&self, name: &str) -> impl Iterator<Item = &'t str> + use<'t, Self> {
        self.texts(name).filter_map(|s| core::str::from_utf8(s).ok())
    }

    /// True if its `compatible` list has one of these.
    fn is_compatible(&self, with: &[&[u8]]) -> bool {
        self.texts("compatible").any(|c| with.contains(&c))
    }

    /// True unless `status` of this node or of a node above says that it cannot be used.
    fn is_available(&self) -> bool {
        self.upwards().all(|node| {
            !node.has("status") || node.says("status", "okay") || node.says("status", "ok")
        })
    }
}

/// True if that is the first string of a value.
#[inline]
pub fn value_says(value: &[u8], text: &str) -> bool {
    begins_with(value, text) && value.get(text.len()).is_none_or(|&end| end == 0)
}
