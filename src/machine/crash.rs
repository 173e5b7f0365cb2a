//! Ways to fault on purpose.

/// A way to fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrashKind {
    /// Run an undefined instruction.
    Undef,
    /// Run the stack into its guard page.
    Stack,
    /// Write to code.
    WriteText,
    /// Write to the kernel that is loaded for kexec.
    WriteLoaded,
    /// Read address 0.
    Null,
    /// Panic.
    Panic,
}

impl CrashKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Undef, Self::Stack, Self::WriteText, Self::WriteLoaded, Self::Null, Self::Panic];

    /// The name on the console.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undef => "undef",
            Self::Stack => "stack",
            Self::WriteText => "write-text",
            Self::WriteLoaded => "write-loaded",
            Self::Null => "null",
            Self::Panic => "panic",
        }
    }
}
