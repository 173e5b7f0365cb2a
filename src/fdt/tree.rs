//! A device tree as a flat table of its nodes, filled in one walk. Searching the flat form again
//! and again would cost more than bringing up the CPUs described there.

use alloc::vec::Vec;
use core::ops::Range;

use ::fdt::Fdt;
use ::fdt::nodes::{AsNode, Node as Raw};
use ::fdt::parsing::NoPanic;
use ::fdt::parsing::unaligned::UnalignedParser;
use dtoolkit::memreserve::MemoryReservation;

use super::check::{Counts, check};
use super::error::FdtError;
use super::node::Node;

type Parser<'a> = (UnalignedParser<'a>, NoPanic);

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
    pub(super) properties: Vec<(&'a str, &'a [u8])>,
    reservations: Vec<MemoryReservation>,
}

impl<'a> Tree<'a> {
    /// Checks a tree and reads every node. `dtb` may be longer than the tree and may have any
    /// alignment.
    ///
    /// # Errors
    /// [`FdtError`] if the tree is not well-formed.
    pub fn read(dtb: &'a [u8]) -> Result<Self, FdtError> {
        let (layout, counts) = check(dtb)?;
        let bytes = &dtb[..layout.total];
        let reservations = dtoolkit::fdt::Fdt::new_unchecked(bytes).memory_reservations().collect();
        let mut tree = Self {
            entries: Vec::with_capacity(counts.nodes),
            properties: Vec::with_capacity(counts.properties),
            reservations,
        };
        tree.fill(bytes).map_err(|_| FdtError::Unreadable("nodes"))?;
        tree.complete(&counts)
    }

    fn fill(&mut self, bytes: &'a [u8]) -> Result<(), ::fdt::FdtError> {
        let root = Fdt::new_unaligned_fallible(bytes)?.root()?;
        let mut open = Vec::new();
        self.push(0, root.as_node(), &mut open)?;
        for node in root.all_nodes()? {
            let (depth, node) = node?;
            self.push(depth, node, &mut open)?;
        }
        Ok(())
    }

    /// Adds a node below the last open one of a lower depth; `open` is the path down to that node.
    fn push(
        &mut self,
        depth: usize,
        node: Raw<'a, Parser<'a>>,
        open: &mut Vec<usize>,
    ) -> Result<(), ::fdt::FdtError> {
        open.truncate(depth);
        let parent = open.last().copied().unwrap_or(0);
        open.push(self.entries.len());
        let first = self.properties.len();
        for property in node.properties()?.iter() {
            let property = property?;
            self.properties.push((property.name, property.value));
        }
        let name = node.name()?;
        let properties = first..self.properties.len();
        let unit = name.unit_address;
        self.entries.push(Entry { name: name.name, unit, parent, depth, properties });
        Ok(())
    }

    fn complete(self, counts: &Counts) -> Result<Self, FdtError> {
        if self.entries.len() == counts.nodes && self.properties.len() == counts.properties {
            Ok(self)
        } else {
            Err(FdtError::Unreadable("last nodes"))
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
        self.nodes().find(|node| node.u32("phandle") == Some(phandle))
    }

    /// Address and size of each entry of the memory reservation block.
    pub fn reservations(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.reservations.iter().map(|r| (r.address(), r.size()))
    }
}
