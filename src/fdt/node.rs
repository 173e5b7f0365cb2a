//! One node of a [`Tree`] (devicetree specification v0.4, chapter 2).

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::address::{AddressError, CellCounts};
use super::properties::Properties;
use super::rows::Row;
use super::tokens::Name;
use super::tree::Tree;

/// A node: a handle, cheap to copy.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    pub(super) tree: &'t Tree<'t>,
    pub(super) index: usize,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && core::ptr::eq(self.tree, other.tree)
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl<'t> Node<'t> {
    fn row(&self) -> &'t Row {
        &self.tree.rows[self.index]
    }

    fn own_name(&self) -> Name<'t> {
        self.tree.name(self.row())
    }

    /// All nodes of the tree that come after this node and those below this node.
    pub fn after(self) -> impl Iterator<Item = Self> {
        let tree = self.tree;
        (self.row().after as usize..tree.rows.len()).map(move |index| Self { tree, index })
    }

    /// All nodes of the tree that come before this node.
    pub fn before(self) -> impl Iterator<Item = Self> {
        (0..self.index).map(move |index| Self { tree: self.tree, index })
    }

    /// The tree of this node.
    pub fn tree(&self) -> &'t Tree<'t> {
        self.tree
    }

    /// Its name without the unit address; `/` for the root.
    pub fn base_name(&self) -> &'t str {
        match self.own_name().text() {
            _ if self.index == 0 => "/",
            name => name.split_once('@').map_or(name, |(name, _)| name),
        }
    }

    /// True if that is its name without the unit address; the root has none.
    pub fn has_base_name(&self, name: &str) -> bool {
        self.own_name().is_or_has_base(name)
    }

    /// Its name with the unit address.
    pub fn name(&self) -> String {
        match self.index {
            0 => "/".into(),
            _ => self.own_name().text().into(),
        }
    }

    /// Its direct children, in order.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let (tree, end) = (self.tree, self.row().after as usize);
        let at = move |index| (index < end).then_some(Self { tree, index });
        core::iter::successors(at(self.index + 1), move |child| at(child.row().after as usize))
    }

    /// The child of that name; a name without unit address finds the first child of that base name.
    pub fn child(&self, name: &str) -> Option<Self> {
        let has_unit = name.contains('@');
        let is = |child: &Self| match has_unit {
            true => child.own_name().is(name),
            false => child.has_base_name(name),
        };
        self.children().find(is)
    }

    /// The values of several properties, found in one go.
    #[inline]
    pub fn values<const N: usize>(&self, names: [&str; N]) -> [Option<&'t [u8]>; N] {
        self.tree.values(self.row(), names)
    }

    /// Names and values of its properties, in order.
    pub fn properties(&self) -> impl Iterator<Item = (&'t str, &'t [u8])> + use<'t> {
        self.tree.properties(self.row()).map(|(name, value)| (name.text(), value))
    }
}

impl<'t> Properties<'t> for Node<'t> {
    #[inline]
    fn property(&self, name: &str) -> Option<&'t [u8]> {
        let row = self.row();
        let may_be = row.names.may_have(name);
        if may_be { self.tree.value(row, name) } else { None }
    }

    fn parent(&self) -> Option<Self> {
        let parent = self.row().parent as usize;
        (self.index != 0).then_some(Self { tree: self.tree, index: parent })
    }

    fn cells(&self) -> Result<CellCounts, AddressError> {
        match self.tree.cells.get() {
            Some((index, cells)) if index == self.index => Ok(cells),
            _ => {
                let cells = CellCounts::of(*self)?;
                self.tree.cells.set(Some((self.index, cells)));
                Ok(cells)
            }
        }
    }

    /// Its full path.
    fn path(&self) -> String {
        match self.parent() {
            None => "/".into(),
            Some(parent) if parent.index == 0 => format!("/{}", self.name()),
            Some(parent) => format!("{}/{}", parent.path(), self.name()),
        }
    }
}
