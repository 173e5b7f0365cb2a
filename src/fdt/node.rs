//! One node of a [`Tree`] (devicetree specification v0.4, chapter 2).

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::properties::Properties;
use super::tree::{Entry, Tree};

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
    fn entry(&self) -> &'t Entry<'t> {
        &self.tree.entries[self.index]
    }

    /// The tree of this node.
    pub fn tree(&self) -> &'t Tree<'t> {
        self.tree
    }

    /// Its name without the unit address; `/` for the root.
    pub fn base_name(&self) -> &'t str {
        self.entry().name
    }

    /// Its name with the unit address.
    pub fn name(&self) -> String {
        match self.entry().unit {
            Some(unit) => format!("{}@{unit}", self.entry().name),
            None => self.entry().name.into(),
        }
    }

    /// Its direct children, in order.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let depth = self.entry().depth;
        (self.index + 1..self.tree.entries.len())
            .map(move |index| Self { tree: self.tree, index })
            .take_while(move |node| node.entry().depth > depth)
            .filter(move |node| node.entry().depth == depth + 1)
    }

    /// The child of that name; a name without unit address finds the first child of that base name.
    pub fn child(&self, name: &str) -> Option<Self> {
        let (base, unit) = match name.split_once('@') {
            Some((base, unit)) => (base, Some(unit)),
            None => (name, None),
        };
        self.children()
            .find(|c| c.entry().name == base && (unit.is_none() || c.entry().unit == unit))
    }

    /// Names and values of its properties, in order.
    pub fn properties(&self) -> impl Iterator<Item = (&'t str, &'t [u8])> + use<'t> {
        let properties = &self.tree.properties[self.entry().properties.clone()];
        properties.iter().map(|&(name, value)| (name.text(), value))
    }
}

impl<'t> Properties<'t> for Node<'t> {
    fn property(&self, name: &str) -> Option<&'t [u8]> {
        let properties = &self.tree.properties[self.entry().properties.clone()];
        properties.iter().find(|(n, _)| n.is(name)).map(|&(_, value)| value)
    }

    fn parent(&self) -> Option<Self> {
        let parent = self.entry().parent;
        (self.index != 0).then_some(Self { tree: self.tree, index: parent })
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
