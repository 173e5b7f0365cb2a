//! Why there is no tree for the kernel.

use core::fmt;

/// What is wrong with the firmware's tree, or with the room for the new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeError {
    /// What lies there is no tree, or one of another version.
    Header(&'static str),
    /// A block lies outside the tree.
    Block(&'static str),
    /// A token cannot be where it is, by its offset in the structure block.
    Token(usize),
    /// A name lies outside the strings.
    Name(usize),
    /// The new tree has more bytes than there is room for.
    TooLarge,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the firmware's device tree: ")?;
        match self {
            Self::Header(field) => write!(f, "the {field} in its header cannot be"),
            Self::Block(name) => write!(f, "the {name} block lies outside of it"),
            Self::Token(at) => {
                write!(f, "what stands at offset {at:#x} of its structure cannot be")
            }
            Self::Name(at) => write!(f, "there is no string at offset {at:#x}"),
            Self::TooLarge => f.write_str("it is too large to be handed on"),
        }?;
        f.write_str("; give another tree to the firmware, or have it use ACPI")
    }
}
