//! A device tree as a flat table of its nodes. Searching the tree for nodes again and again would cost
//! more than bringing up the CPUs described there; properties are looked for in place, of one node.

use alloc::vec::Vec;
use core::cell::Cell;

use dtoolkit::memreserve::MemoryReservation;

use super::address::CellCounts;
use super::error::FdtError;
use super::interrupts::Inherited;
use super::node::Node;
use super::rows::Row;
use super::tokens::{Blocks, Checked, Name, Token};

/// A device tree that passed the check, as a table.
#[derive(Debug)]
pub struct Tree<'a> {
    blocks: Blocks<'a>,
    pub(super) rows: Vec<Row>,
    reservations: Vec<MemoryReservation>,
    /// The counts of cells that were read last, and of which node: the children of a bus are read one
    /// after the other.
    pub(super) cells: Cell<Option<(usize, CellCounts)>>,
    /// The bus whose children had interrupts last.
    pub(super) inherited: Cell<Option<Inherited>>,
    /// The phandle that was looked for last, and its row: most interrupts go to one controller.
    recent: Cell<(u32, usize)>,
}

impl<'a> Tree<'a> {
    /// Checks a tree and reads every node. `dtb` may be longer than the tree and may have any
    /// alignment.
    ///
    /// # Errors
    /// [`FdtError`] if the tree is not well-formed.
    pub fn read(dtb: &'a [u8]) -> Result<Self, FdtError> {
        Checked::of(dtb).map(|checked| Self::of(&checked))
    }

    /// Every node of a tree that passed the check.
    pub fn of(checked: &Checked<'a>) -> Self {
        Self {
            blocks: checked.blocks(),
            rows: checked.all_rows(),
            reservations: checked.memory_reservations().collect(),
            cells: Cell::new(None),
            inherited: Cell::new(None),
            recent: Cell::new((0, 0)),
        }
    }

    fn from(&self, offset: u32) -> &'a [u8] {
        self.blocks.structs.get(offset as usize..).unwrap_or_default()
    }

    /// The name of a node.
    pub(super) fn name(&self, row: &Row) -> Name<'a> {
        Name::new(self.from(row.name))
    }

    /// The properties of a node, in order.
    pub(super) fn properties(
        &self,
        row: &Row,
    ) -> impl Iterator<Item = (Name<'a>, &'a [u8])> + use<'a> {
        self.blocks.tokens_from(self.from(row.contents)).map_while(|token| match token {
            Token::Property(name, value) => Some((name, value)),
            Token::Begin(_) | Token::End => None,
        })
    }

    /// The value of the first property of that name.
    pub(super) fn value(&self, row: &Row, name: &str) -> Option<&'a [u8]> {
        self.blocks.value(self.from(row.contents), name)
    }

    /// The same of several names.
    #[inline]
    pub(super) fn values<const N: usize>(
        &self,
        row: &Row,
        names: [&str; N],
    ) -> [Option<&'a [u8]>; N] {
        self.blocks.values(self.from(row.contents), names)
    }

    /// The root node.
    pub fn root(&self) -> Node<'_> {
        Node { tree: self, index: 0 }
    }

    /// All nodes in the order of the tree, the root first.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.rows.len()).map(|index| Node { tree: self, index })
    }

    /// The node at a full path. A part without a unit address finds the first node of that name.
    pub fn find(&self, path: &str) -> Option<Node<'_>> {
        let parts = path.strip_prefix('/')?.split('/').filter(|part| !part.is_empty());
        parts.into_iter().try_fold(self.root(), |node, part| node.child(part))
    }

    /// The node with a phandle.
    pub fn by_phandle(&self, phandle: u32) -> Option<Node<'_>> {
        let (recent, mut index) = self.recent.get();
        if recent != phandle || phandle == 0 {
            index = self.rows.iter().position(|row| row.phandle == phandle && phandle != 0)?;
            self.recent.set((phandle, index));
        }
        Some(Node { tree: self, index })
    }

    /// Address and size of each entry of the memory reservation block.
    pub fn reservations(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.reservations.iter().map(|r| (r.address(), r.size()))
    }
}
