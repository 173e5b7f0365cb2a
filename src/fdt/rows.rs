//! Where each node of a tree lies, noted while its form is checked. A row has a fixed size and borrows
//! nothing, so that the first walk can fill rows before there is a heap, and no second walk is needed.

use super::words::Letters;

/// What is noted of one node; all offsets are bytes from the start of the structure block.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name with the unit address, its NUL and its padding.
    pub(super) name: u32,
    /// What follows the name: the properties first.
    pub(super) contents: u32,
    /// The row of the parent; the root is its own.
    pub(super) parent: u32,
    /// The first row that is neither this node nor below it.
    pub(super) after: u32,
    /// 0, which no phandle is (devicetree specification v0.4, section 2.3.3), if there is none.
    pub(super) phandle: u32,
    /// The names of the properties.
    pub(super) names: Letters,
}

impl Row {
    /// A row that is to be filled.
    pub const EMPTY: Self =
        Self { name: 0, contents: 0, parent: 0, after: 0, phandle: 0, names: Letters::NONE };
}

/// Rows that a walk fills. If the tree has more nodes, those beyond are only counted, and the rows are
/// of no use.
pub(super) struct Rows<'s>(pub &'s mut [Row]);

impl Rows<'_> {
    /// A node begins.
    pub fn begin(&mut self, index: usize, row: Row) {
        if let Some(place) = self.0.get_mut(index) {
            *place = row;
        }
    }

    /// All properties of the node have been seen.
    pub fn describe(&mut self, index: usize, names: Letters, phandle: u32) {
        if let Some(row) = self.0.get_mut(index) {
            (row.names, row.phandle) = (names, phandle);
        }
    }

    /// The node ends, and the tree has had `nodes` nodes so far.
    pub fn end(&mut self, index: usize, nodes: usize) {
        if let Some(row) = self.0.get_mut(index) {
            row.after = nodes as u32; // a tree has at most MAX_DTB bytes
        }
    }
}
