//! A device tree as a flat table of its nodes, filled in one walk. Searching the flat form again
//! and again would cost more than bringing up the CPUs described there.

use alloc::vec::Vec;
use core::ops::Range;

use dtoolkit::memreserve::MemoryReservation;

use super::error::FdtError;
use super::node::Node;
use super::tokens::{Checked, Name, Token};

/// What is kept of one node.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub unit: Option<&'a str>,
    pub parent: usize,
    pub depth: usize,
    pub properties: Range<usize>,
}

/// A device tree that passed the check, as a table.
#[derive(Debug)]
pub struct Tree<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) properties: Vec<(Name<'a>, &'a [u8])>,
    /// Each phandle and its node, in the order of the tree: interrupts look for these again and
    /// again.
    phandles: Vec<(u32, usize)>,
    reservations: Vec<MemoryReservation>,
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
        let mut tree = Self {
            entries: Vec::with_capacity(checked.nodes()),
            properties: Vec::with_capacity(checked.properties()),
            phandles: Vec::new(),
            reservations: checked.memory_reservations().collect(),
        };
        let mut open = Vec::new();
        for token in checked.tokens() {
            match token {
                Token::Begin(name) => tree.begin(name.text(), &mut open),
                Token::Property(name, value) => tree.property(name, value),
                Token::End => _ = open.pop(),
            }
        }
        tree
    }

    /// Adds a node below the last of `open`, the path down to that node.
    fn begin(&mut self, name: &'a str, open: &mut Vec<usize>) {
        let parent = open.last().copied();
        let (name, unit) = match name.split_once('@') {
            Some((name, unit)) => (name, Some(unit)),
            None => (name, None),
        };
        let name = if parent.is_none() { "/" } else { name };
        let first = self.properties.len();
        let (parent, depth) = (parent.unwrap_or(0), open.len());
        open.push(self.entries.len());
        self.entries.push(Entry { name, unit, parent, depth, properties: first..first });
    }

    /// Adds a property to the last node: the properties of a node come before its children.
    fn property(&mut self, name: Name<'a>, value: &'a [u8]) {
        if name.is("phandle")
            && let Ok(value) = value.try_into()
        {
            self.phandles.push((u32::from_be_bytes(value), self.entries.len() - 1));
        }
        self.properties.push((name, value));
        if let Some(node) = self.entries.last_mut() {
            node.properties.end = self.properties.len();
        }
    }

    /// The root node.
    pub fn root(&self) -> Node<'_> {
        Node { tree: self, index: 0 }
    }

    /// All nodes in the order of the tree, the root first.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.entries.len()).map(|index| Node { tree: self, index })
    }

    /// The node at a full path. A part without a unit address finds the first node of that name.
    pub fn find(&self, path: &str) -> Option<Node<'_>> {
        let parts = path.strip_prefix('/')?.split('/').filter(|part| !part.is_empty());
        parts.into_iter().try_fold(self.root(), |node, part| node.child(part))
    }

    /// The node with a phandle.
    pub fn by_phandle(&self, phandle: u32) -> Option<Node<'_>> {
        let found = self.phandles.iter().find(|(number, _)| *number == phandle)?;
        Some(Node { tree: self, index: found.1 })
    }

    /// Address and size of each entry of the memory reservation block.
    pub fn reservations(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.reservations.iter().map(|r| (r.address(), r.size()))
    }
}
