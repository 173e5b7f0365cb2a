//! What `kexec load` was asked for.

use alloc::string::String;

use super::Kind;

/// What `kexec load` was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KexecLoad {
    /// The kernel image.
    pub path: String,
    /// How the image is to be read.
    pub kind: Kind,
    /// The initrd.
    pub initrd: Option<InitrdAsk>,
    /// The command line.
    pub append: Option<String>,
    /// The device tree.
    pub dtb: Option<String>,
    /// The signature.
    pub sig: Option<String>,
    /// Physical address for the image.
    pub at: Option<u64>,
}

/// The initrd of the next kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InitrdAsk {
    /// The one of this kernel.
    Keep,
    /// None.
    None,
    /// A file.
    File(String),
}
