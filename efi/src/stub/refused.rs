//! Why the kernel is not started.

use core::fmt;

use baton_efi::command_line::CommandLineError;
use baton_efi::image::NoKernel;
use baton_efi::tree::TreeError;
use r_efi::efi::Status;

/// What the user is told, and the firmware.
#[derive(Clone, Copy, Debug)]
pub enum Refused {
    /// The file is not what it should be.
    NoKernel(NoKernel),
    /// The load options are no command line.
    CommandLine(CommandLineError),
    /// The firmware's tree cannot be used.
    Tree(TreeError),
    /// A service of firmware failed: what it was for.
    Firmware(&'static str, Status),
}

impl Refused {
    /// What firmware gets.
    pub fn status(self) -> Status {
        match self {
            Self::NoKernel(_) => Status::LOAD_ERROR,
            Self::CommandLine(_) | Self::Tree(_) => Status::INVALID_PARAMETER,
            Self::Firmware(_, status) => status,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKernel(why) => why.fmt(f),
            Self::CommandLine(why) => why.fmt(f),
            Self::Tree(why) => why.fmt(f),
            Self::Firmware(what, status) => {
                write!(f, "{what}: the firmware says {}", name(*status))?;
                write!(f, " (EFI status {:#x})", status.as_usize())
            }
        }
    }
}

fn name(status: Status) -> &'static str {
    match status {
        Status::OUT_OF_RESOURCES => "there is no memory left",
        Status::NOT_FOUND => "it is not there",
        Status::UNSUPPORTED => "it cannot do that",
        Status::DEVICE_ERROR => "the device has failed",
        Status::ACCESS_DENIED | Status::SECURITY_VIOLATION => "it is not permitted",
        Status::INVALID_PARAMETER => "what it was asked is wrong",
        _ => "it failed",
    }
}

impl From<NoKernel> for Refused {
    fn from(why: NoKernel) -> Self {
        Self::NoKernel(why)
    }
}

impl From<CommandLineError> for Refused {
    fn from(why: CommandLineError) -> Self {
        Self::CommandLine(why)
    }
}

impl From<TreeError> for Refused {
    fn from(why: TreeError) -> Self {
        Self::Tree(why)
    }
}
