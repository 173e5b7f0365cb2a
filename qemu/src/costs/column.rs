//! What a column of the table belongs to: a line of QEMU's versions, and the compiler.

use std::fmt;

/// The compiler by which this tool was built, and with it the kernel, if `make` built both.
pub fn rustc() -> &'static str {
    env!("BATON_RUSTC")
}

/// Under which QEMU and by which compiler figures were measured.
///
/// QEMU's device tree, and where QEMU lets its CPUs take turns, are part of what a kexec costs there;
/// both stay within a line of versions, such as 7.2 or 10.0. The compiler decides how many
/// instructions a line of the source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Major and minor version of QEMU.
    pub line: (u32, u32),
    /// What QEMU says of itself.
    pub qemu: String,
    /// What the compiler says of itself.
    pub rustc: String,
}

impl Column {
    /// From what QEMU and the compiler say of themselves; `None` if the former has no version.
    pub fn new(qemu: &str, rustc: &str) -> Option<Self> {
        let version = qemu.split_whitespace().skip_while(|word| *word != "version").nth(1)?;
        let line = line(version)?;
        Some(Self { line, qemu: qemu.into(), rustc: rustc.into() })
    }

    /// How far two lines lie apart: a major version is further than any number of minor ones.
    pub fn distance(&self, other: &Self) -> (u32, u32) {
        (self.line.0.abs_diff(other.line.0), self.line.1.abs_diff(other.line.1))
    }
}

/// `7.2` as the head of a column.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.line.0, self.line.1)
    }
}

/// Major and minor number of a version: `7.2.22`, `10.0.0-rc1`, `11.0`.
pub fn line(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
