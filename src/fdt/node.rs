//! One node of a [`Tree`] and its properties (devicetree specification v0.4, chapter 2).

use alloc::format;
use alloc::string::String;
use core::fmt;

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

    /// Its full path.
    pub fn path(&self) -> String {
        match self.parent() {
            None => "/".into(),
            Some(parent) if parent.index == 0 => format!("/{}", self.name()),
            Some(parent) => format!("{}/{}", parent.path(), self.name()),
        }
    }

    /// The parent; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let parent = self.entry().parent;
        (self.index != 0).then_some(Self { tree: self.tree, index: parent })
    }

    /// The node itself, its parent, and so on up to the root.
    pub fn upwards(self) -> impl Iterator<Item = Self> {
        core::iter::successors(Some(self), Self::parent)
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
        self.tree.properties[self.entry().properties.clone()].iter().copied()
    }

    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&'t [u8]> {
        self.properties().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// True if the property is there, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.property(name).is_some()
    }

    /// A property of one cell.
    pub fn u32(&self, name: &str) -> Option<u32> {
        Some(u32::from_be_bytes(self.property(name)?.try_into().ok()?))
    }

    /// A property of one or two cells.
    pub fn number(&self, name: &str) -> Option<u64> {
        let value = self.property(name)?;
        match value.len() {
            4 => self.u32(name).map(u64::from),
            _ => Some(u64::from_be_bytes(value.try_into().ok()?)),
        }
    }

    /// The first string of a property, without its NUL; `None` if not UTF-8.
    pub fn string(&self, name: &str) -> Option<&'t str> {
        let first = self.property(name)?.split(|&b| b == 0).next()?;
        core::str::from_utf8(first).ok()
    }

    /// The strings of a list; those that are not UTF-8 are passed over.
    pub fn strings(&self, name: &str) -> impl Iterator<Item = &'t str> + use<'t> {
        let value = self.property(name).map(|v| v.strip_suffix(&[0]).unwrap_or(v));
        let strings = value.into_iter().flat_map(|v| v.split(|&b| b == 0));
        strings.filter_map(|s| core::str::from_utf8(s).ok())
    }

    /// True if its `compatible` list has one of these.
    pub fn is_compatible(&self, with: &[&str]) -> bool {
        self.strings("compatible").any(|c| with.contains(&c))
    }

    /// True unless `status` of this node or of a node above says that it cannot be used.
    pub fn is_available(&self) -> bool {
        self.upwards()
            .all(|node| !node.has("status") || matches!(node.string("status"), Some("okay" | "ok")))
    }
}
