//! Ways to fault on purpose.

use crate::trace::named;

named! {
    /// A way to fault.
    CrashKind {
        /// Run an undefined instruction.
        Undef = "undef",
        /// Run the stack into its guard page.
        Stack = "stack",
        /// Write to code.
        WriteText = "write-text",
        /// Write to the kernel that is loaded for kexec.
        WriteLoaded = "write-loaded",
        /// Read address 0.
        Null = "null",
        /// Panic.
        Panic = "panic",
    }
}
