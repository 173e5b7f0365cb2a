//! LoadPart a `kexec load` asks for, found among the files of the initrd.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use crate::kernel::Reporter;
use crate::kexec::signature::Asked;
use crate::kexec::{
    Digest, Files, InitrdAsk, InitrdChoice, KexecLoad, Kind, LoadError, LoadRequest, Packing,
    packed,
};
use crate::machine::Granules;
use crate::memory::Range;

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
    pub bootargs: String,
    at: Option<u64>,
}

impl<'f> Chosen<'f> {
    /// Finds what is asked for among the files. `own_at` is where this kernel's initrd lies;
    /// `bootargs` makes the command line of the next kernel if none is asked for.
    pub fn find(
        ask: &KexecLoad,
        files: &'f Files<'_>,
        own_at: Range,
        bootargs: impl FnOnce() -> String,
    ) -> Result<Self, String> {
        let get = |path: &str| {
            files.get(path).ok_or_else(|| format!("{path}: no such file; `files` lists them"))
        };
        Ok(Self {
            file: get(&ask.path)?,
            kind: ask.kind,
            initrd: match &ask.initrd {
                None | Some(InitrdAsk::Keep) => InitrdChoice::Keep(own_at),
                Some(InitrdAsk::None) => InitrdChoice::None,
                Some(InitrdAsk::File(path)) => InitrdChoice::Bytes(get(path)?),
            },
            dtb: ask.dtb.as_deref().map(get).transpose()?,
            bootargs: ask.append.clone().unwrap_or_else(bootargs),
            at: ask.at,
        })
    }

    /// What a signature covers: the kernel's file, packed or not; `own` is this kernel's initrd.
    pub fn as_signed<'s>(&'s self, own: &'s [u8]) -> Asked<'s> {
        let Self { kind, file: image, dtb, .. } = *self;
        let initrd = match self.initrd {
            InitrdChoice::None => None,
            InitrdChoice::Keep(_) => Some(own),
            InitrdChoice::Bytes(bytes) => Some(bytes),
        };
        Asked { kind, image, initrd, dtb, append: &self.bootargs }
    }

    /// What the kept initrd `own` hashes to, for a second look before the jump; `None` if the
    /// initrd is not kept.
    pub fn kept_digest(&self, own: &[u8]) -> Option<Digest> {
        matches!(self.initrd, InitrdChoice::Keep(_)).then(|| Digest::of(own))
    }

    /// The kernel in the file, unpacked.
    pub fn flat(&self, out: &Reporter) -> Result<(Cow<'f, [u8]>, Packing), String> {
        if self.kind == Kind::Raw {
            return Ok((Cow::Borrowed(self.file), Packing::Flat));
        }
        unpacked(self.file, out).map_err(|error| error.to_string())
    }

    /// The order for the planner; `image` is the unpacked kernel.
    pub fn request<'r>(&'r self, image: &'r [u8], granules: Granules) -> LoadRequest<'r> {
        let Self { kind, initrd, at, .. } = *self;
        LoadRequest { image, kind, initrd, bootargs: &self.bootargs, at, granules }
    }
}

fn unpacked<'f>(file: &'f [u8], out: &Reporter) -> Result<(Cow<'f, [u8]>, Packing), LoadError> {
    let packing = packed::packing(file)?;
    if packing != Packing::Flat && file.len() > LONG {
        out.print(&format!("unpacking {} bytes, {}", file.len(), packing.name()));
    }
    Ok((packed::unpack(file, packing, UNPACK_LIMIT)?, packing))
}
