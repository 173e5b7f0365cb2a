//! A walk over all nodes of a checked tree that needs no memory: each node with the path down to
//! that node.

use alloc::string::String;

use super::check::MAX_DEPTH;
use super::properties::Properties;
use super::tokens::{Blocks, Checked, Name, Token};
use super::words::Letters;

/// One node on the path down.
#[derive(Clone)]
pub(super) struct Level<'t> {
    name: Name<'t>,
    /// What follows the beginning of the node: its properties first.
    contents: &'t [u8],
    /// The names of its properties.
    pub names: Letters,
    /// How many nodes came before.
    pub row: usize,
}

impl<'t> Level<'t> {
    /// A node whose name begins with `name`, and whose properties may be any yet.
    pub fn new(name: &'t [u8], contents: &'t [u8], row: usize) -> Self {
        Self { name: Name::new(name), contents, names: Letters::ANY, row }
    }
}

/// From the root, which [`MAX_DEPTH`] does not count, to a node.
pub(super) type Path<'t> = heapless::Vec<Level<'t>, { MAX_DEPTH + 1 }>;

/// The node that a walk has reached: the last of a path.
#[derive(Clone, Copy)]
pub struct Spot<'s, 't> {
    path: &'s [Level<'t>],
    blocks: Blocks<'t>,
}

impl<'s, 't> Spot<'s, 't> {
    /// The last node of a path, which has the root at least.
    pub(super) fn last_of(path: &'s Path<'t>, blocks: Blocks<'t>) -> Self {
        Self { path, blocks }
    }

    fn level(&self) -> &'s Level<'t> {
        &self.path[self.path.len() - 1] // a path has the root at least
    }

    /// How many nodes are above.
    pub fn depth(&self) -> usize {
        self.path.len() - 1
    }

    /// True for the node of this name, without a unit address, right below the root. The same as
    /// [`Self::is_at`] for such a path, in less time.
    pub fn is_below_root(&self, name: &str) -> bool {
        self.depth() == 1 && self.level().name.is_or_has_base(name)
    }

    /// The number in its name, where the name ends with one.
    pub fn unit_address(&self) -> Option<u64> {
        let (_, unit) = self.level().name.text().split_once('@')?;
        u64::from_str_radix(unit, 16).ok()
    }

    /// True if the node lies at this full path. A part without a unit address means any node of
    /// that base name.
    pub fn is_at(&self, path: &str) -> bool {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let mut names = self.path[1..].iter().map(|level| level.name);
        let same = |name: Name<'_>| parts.next().is_some_and(|part| name.is_or_has_base(part));
        names.all(same) && parts.next().is_none()
    }
}

impl<'t> Properties<'t> for Spot<'_, 't> {
    #[inline]
    fn property(&self, name: &str) -> Option<&'t [u8]> {
        let level = self.level();
        let may_be = level.names.may_have(name);
        if may_be { self.blocks.value(level.contents, name) } else { None }
    }

    fn parent(&self) -> Option<Self> {
        let path = &self.path[..self.depth()];
        (!path.is_empty()).then_some(Self { path, blocks: self.blocks })
    }

    fn path(&self) -> String {
        String::new()
    }
}

impl<'t> Checked<'t> {
    /// Visits every node in the order of the tree, the root first.
    pub fn visit(&self, visitor: impl FnMut(Spot<'_, 't>)) {
        self.blocks().visit(visitor);
    }
}

impl<'t> Blocks<'t> {
    /// Visits every node in the order of the tree, the root first. Nodes below [`MAX_DEPTH`], which
    /// the check refuses, are passed over.
    pub fn visit(&self, mut visitor: impl FnMut(Spot<'_, 't>)) {
        let (mut beyond, mut nodes) = (0usize, 0);
        let mut path = Path::new();
        let mut tokens = self.tokens();
        while let Some(token) = tokens.next() {
            match token {
                Token::Begin(name) => {
                    let level = Level::new(name.bytes(), tokens.rest(), nodes);
                    nodes += 1;
                    if path.push(level).is_ok() {
                        visitor(Spot::last_of(&path, *self));
                    } else {
                        beyond += 1;
                    }
                }
                Token::Property(..) => {}
                Token::End if beyond > 0 => beyond -= 1,
                Token::End => _ = path.pop(),
            }
        }
    }
}
