//! What a `kexec load` asks for, found among the files of the initrd.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use super::signature::Permit;
use crate::config::MAX_BOOTARGS;
use crate::kernel::Reporter;
use crate::kexec::{
    Files, InitrdAsk, InitrdChoice, KexecLoad, Kind, LoadError, LoadRequest, PackedError, Packing,
    packed,
};
use crate::machine::Granules;
use crate::memory::Range;
use crate::options::{self, CommandLine};

/// Most bytes that a packed file may unpack to: what the heap can hold at most.
pub const UNPACK_LIMIT: usize = 96 << 20;

/// Packed kernels of this size take long enough for a word before.
const LONG: usize = 1 << 20;

/// What is to be loaded, found.
pub(super) struct Chosen<'f> {
    /// The kernel's file, packed or not.
    file: &'f [u8],
    kind: Kind,
    pub initrd: InitrdChoice<'f>,
    /// Another tree than the running one.
    pub dtb: Option<&'f [u8]>,
    pub bootargs: CommandLine,
    /// Where the kernel is to go.
    pub at: Option<u64>,
}

impl<'f> Chosen<'f> {
    /// Finds what is asked for among the files. `own_at` is where this kernel's initrd lies;
    /// `bootargs` makes the command line of the next kernel if none is asked for.
    pub fn find(
        ask: &KexecLoad,
        files: &'f Files<'_>,
        own_at: Range,
        bootargs: impl FnOnce() -> Result<CommandLine, String>,
    ) -> Result<Self, String> {
        let get = |path: &str| files.find(path).map_err(|why| why.to_string());
        Ok(Self {
            file: get(&ask.path)?,
            kind: ask.kind,
            initrd: match &ask.initrd {
                None | Some(InitrdAsk::Keep) => InitrdChoice::Keep(own_at),
                Some(InitrdAsk::None) => InitrdChoice::None,
                Some(InitrdAsk::File(path)) => InitrdChoice::Bytes(get(path)?),
            },
            dtb: ask.dtb.as_deref().map(get).transpose()?,
            bootargs: ask.append.clone().map_or_else(bootargs, Ok)?,
            at: ask.at,
        })
    }

    /// What kind of file the kernel is in.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes of the next kernel's initrd; `own` is this kernel's.
    pub fn initrd_bytes<'s>(&'s self, own: &'s [u8]) -> Option<&'s [u8]> {
        match self.initrd {
            InitrdChoice::None => None,
            InitrdChoice::Keep(_) => Some(own),
            InitrdChoice::Bytes(bytes) => Some(bytes),
        }
    }

    /// Compares type, place and command line with the signature, which may say where a flat binary
    /// has to go.
    pub fn agree(&mut self, permit: &Permit<'_>) -> Result<(), String> {
        permit.terms(self.kind, self.at, self.bootargs.bytes())?;
        self.at = permit.base().or(self.at);
        Ok(())
    }

    /// The kernel in the file, unpacked. Where a signature is compared, a packed file is read once,
    /// to memory that no one else writes, and compared there; a flat one is compared as planned.
    pub fn flat(
        &self,
        out: &Reporter,
        permit: &mut Permit<'_>,
    ) -> Result<(Cow<'f, [u8]>, Packing), String> {
        if self.kind == Kind::Raw {
            return Ok((Cow::Borrowed(self.file), Packing::Flat));
        }
        let packing = packed::packing(self.file).map_err(load_error)?;
        if packing == Packing::Flat {
            return Ok((Cow::Borrowed(self.file), packing));
        }
        if self.file.len() > LONG {
            out.print(&format!("unpacking {} bytes, {}", self.file.len(), packing.name()));
        }
        let file = permit.private(self.file)?;
        let image = packed::unpack(&file, packing, UNPACK_LIMIT).map_err(load_error)?;
        Ok((Cow::Owned(image.into_owned()), packing))
    }

    /// The order for the planner; `image` is the unpacked kernel.
    pub fn request<'r>(&'r self, image: &'r [u8], granules: Granules) -> LoadRequest<'r> {
        let Self { kind, initrd, at, .. } = *self;
        LoadRequest { image, kind, initrd, bootargs: self.bootargs.bytes(), at, granules }
    }
}

/// The part of this kernel's command line that a next kernel gets.
pub(super) fn inherited(bootargs: &CommandLine) -> Result<CommandLine, String> {
    let refused = |why: String| {
        Err(format!(
            "this kernel's command line is not handed on: {why}; give `kexec load` --append"
        ))
    };
    if let Some(doubt) = bootargs.doubt() {
        return refused(doubt.to_string());
    }
    let inherited = options::without_run(bootargs);
    match inherited.bytes().len() {
        bytes if bytes > MAX_BOOTARGS => {
            refused(format!("it has {bytes} bytes, and {MAX_BOOTARGS} can be handed on"))
        }
        _ => Ok(inherited),
    }
}

fn load_error(error: PackedError) -> String {
    LoadError::from(error).to_string()
}
