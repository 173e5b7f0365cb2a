//! A device tree as a flat table of its nodes, filled in one walk. Searching the flat form again
//! and again would cost more than bringing up the CPUs described there.

use alloc::vec::Vec;
use core::cell::Cell;

use dtoolkit::memreserve::MemoryReservation;

use super::address::CellCounts;
use super::error::FdtError;
use super::node::Node;
use super::tokens::{Checked, Name, Token};
use super::words::{Key, Letters};

/// What is kept of one node.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// With the unit address; empty for the root.
    pub name: Name<'a>,
    pub parent: usize,
    /// The first entry that is neither this node nor below it.
    pub after: usize,
    /// The properties are those from here on, up to the first of the next entry.
    pub properties: usize,
    /// Their names.
    pub names: Letters,
}

/// What is kept of one property.
#[derive(Debug)]
pub(super) struct Property<'a> {
    key: Key,
    pub name: Name<'a>,
    pub value: &'a [u8],
}

/// Keys of names by where the names lie. Nodes of one kind share the names of their properties, so most
/// keys have been made before.
struct Keys<'a>([(&'a [u8], Key); 64]);

impl<'a> Keys<'a> {
    fn of(&mut self, name: Name<'a>) -> Key {
        let bytes = name.bytes();
        let (known, key) = &mut self.0[bytes.len() % 64];
        if known.len() != bytes.len() {
            (*known, *key) = (bytes, name.key());
        }
        *key
    }
}

/// A device tree that passed the check, as a table.
#[derive(Debug)]
pub struct Tree<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    properties: Vec<Property<'a>>,
    /// Each phandle and its node, in the order of the tree: interrupts look for these again and
    /// again.
    phandles: Vec<(u32, usize)>,
    reservations: Vec<MemoryReservation>,
    /// The counts of cells that were read last, and of which node: the children of a bus are read one
    /// after the other.
    pub(super) cells: Cell<Option<(usize, CellCounts)>>,
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
            phandles: Vec::with_capacity(checked.nodes()),
            reservations: checked.memory_reservations().collect(),
            cells: Cell::new(None),
        };
        let mut keys = Keys([(&[], Key::default()); 64]);
        // The innermost node that is open; the root is its own parent.
        let (mut open, mut names) = (0, Letters::NONE);
        for token in checked.tokens() {
            match token {
                Token::Begin(name) => {
                    tree.close_properties(&mut names);
                    let (parent, properties) = (open, tree.properties.len());
                    open = tree.entries.len();
                    tree.entries.push(Entry { name, parent, after: 0, properties, names });
                }
                Token::Property(name, value) => {
                    let key = keys.of(name);
                    names.add_key(key);
                    tree.property(Property { key, name, value });
                }
                Token::End => {
                    let after = tree.entries.len();
                    let ended = &mut tree.entries[open];
                    ended.after = after;
                    open = ended.parent;
                }
            }
        }
        tree.close_properties(&mut names);
        tree
    }

    /// The last node has no more properties: these come before its children.
    fn close_properties(&mut self, names: &mut Letters) {
        if let Some(node) = self.entries.last_mut() {
            node.names = core::mem::replace(names, Letters::NONE);
        }
    }

    /// Adds a property to the last node.
    fn property(&mut self, property: Property<'a>) {
        // Seven letters, and so its key is the whole name.
        const PHANDLE: Key = Key::of(b"phandle");
        if property.key == PHANDLE
            && let Ok(value) = property.value.try_into()
        {
            self.phandles.push((u32::from_be_bytes(value), self.entries.len() - 1));
        }
        self.properties.push(property);
    }

    /// The properties of the node at `index`.
    pub(super) fn properties(&self, index: usize) -> &[Property<'a>] {
        let end = self.entries.get(index + 1).map_or(self.properties.len(), |e| e.properties);
        &self.properties[self.entries[index].properties..end]
    }

    /// The value of the first property of that name, which has that key.
    pub(super) fn value(&self, index: usize, key: Key, name: &str) -> Option<&'a [u8]> {
        let is = |p: &&Property<'a>| p.key == key && p.name.is_behind_key(name);
        self.properties(index).iter().find(is).map(|p| p.value)
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
