//! What a bar in the band of phases shows.

use std::fmt;

use baton::report::Name;
use baton::trace::Phase;

const JUMP: &str = "jump";
const BOOT: &str = "boot";

/// A part of a kexec, as the boot CPU goes through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A phase that a kernel traces.
    Phase(Phase),
    /// From the old kernel's last counter read to the new kernel's first.
    Jump,
    /// All from the new kernel's entry to its first traced phase.
    Boot,
    /// A phase that this tool does not know.
    Other(String),
}

impl From<&Name<Phase>> for Part {
    fn from(name: &Name<Phase>) -> Self {
        match name {
            Name::Known(phase) => Self::Phase(*phase),
            Name::Other(word) if word == JUMP => Self::Jump,
            Name::Other(word) if word == BOOT => Self::Boot,
            Name::Other(word) => Self::Other(word.clone()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Phase(phase) => phase.name(),
            Self::Jump => JUMP,
            Self::Boot => BOOT,
            Self::Other(word) => word,
        })
    }
}
