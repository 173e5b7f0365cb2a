//! The UEFI stub, from its linked ELF, and how it is joined to a kernel's flat image.
//!
//! The stub lies behind the kernel, on a page of its own, and the PE header in the gap behind the
//! kernel's own header. So the file stays an arm64 Image; the kernel never looks at the rest, and has
//! its bss there.

use anyhow::{Context, Result, bail, ensure};
use object::Endianness;
use object::elf::{FileHeader64, R_AARCH64_RELATIVE, SHT_RELA};
use object::read::elf::{FileHeader, SectionHeader};

use super::pe::{self, Layout};
use super::{MAGIC, MAGIC_AT, append, image_size, pieces};

/// What the stub begins with; the offset of the stub in the file goes behind.
const MARK: &[u8; 8] = b"batonefi";
/// "MZ" as an instruction that changes nothing, which the kernel begins with.
const MZ: &[u8; 2] = b"MZ";
/// UEFI's pages, and the alignment of sections.
const PAGE: usize = 4096;
/// Bytes that a signature may add to the file behind what is here.
const SIGNATURE: usize = 64 << 10;

/// The stub as it lies in memory, linked at 0.
struct Stub {
    bytes: Vec<u8>,
    /// Where its code ends and its data begin.
    data: usize,
    entry: usize,
}

/// The kernel's flat image with the stub behind it: an arm64 Image that is a PE file too.
///
/// # Errors
/// The stub is no position-independent program of this project, the kernel's header leaves no room, or
/// the kernel needs too little memory for the file to fit.
pub(super) fn join(mut kernel: Vec<u8>, elf: &[u8]) -> Result<Vec<u8>> {
    let stub = read(elf).context("the UEFI stub")?;
    let magic = kernel.get(MAGIC_AT..MAGIC_AT + MAGIC.len());
    ensure!(
        kernel.starts_with(MZ) && magic == Some(&MAGIC[..]),
        "the kernel has no header for UEFI"
    );
    kernel.resize(kernel.len().next_multiple_of(PAGE), 0);
    let code = kernel.len();
    kernel.extend(&stub.bytes);
    kernel[code + MARK.len()..code + 2 * MARK.len()].copy_from_slice(&(code as u64).to_le_bytes());
    let layout =
        Layout { code, data: code + stub.data, end: kernel.len(), entry: code + stub.entry };
    pe::write(&mut kernel, &layout)?;
    let (size, file) = (image_size(&kernel), kernel.len() + SIGNATURE);
    ensure!(
        size >= file as u64,
        "the kernel needs {size} bytes of memory, and the file with the UEFI stub and a signature may have {file}"
    );
    Ok(kernel)
}

fn read(elf: &[u8]) -> Result<Stub> {
    let pieces = pieces(elf)?;
    let [code, data] = &pieces[..] else {
        bail!("{} segments to load, not code and data", pieces.len());
    };
    ensure!(code.at == 0, "it is linked at {:#x}, not at 0", code.at);
    let mut bytes = Vec::new();
    append(&mut bytes, code, 0)?;
    append(&mut bytes, data, 0)?;
    let at = usize::try_from(data.at)?;
    ensure!(at % PAGE == 0 && bytes.len() % PAGE == 0, "its parts are not whole pages");
    ensure!(bytes.starts_with(MARK), "it does not begin with {:?}", String::from_utf8_lossy(MARK));
    let entry = entry(elf)?;
    ensure!((2 * MARK.len()..at).contains(&entry), "its entry {entry:#x} is not in its code");
    Ok(Stub { bytes, data: at, entry })
}

/// Where the stub is entered; its relocations have to be those that its first instructions apply.
fn entry(elf: &[u8]) -> Result<usize> {
    let header = FileHeader64::<Endianness>::parse(elf)?;
    let endian = header.endian()?;
    for section in header.sections(endian, elf)?.iter() {
        // Sections that are not loaded (debug information) may have any.
        let loaded = section.sh_addr(endian) != 0 && section.sh_type(endian) == SHT_RELA;
        let Some((entries, _)) = section.rela(endian, elf)?.filter(|_| loaded) else { continue };
        let other = entries.iter().find(|entry| entry.r_type(endian, false) != R_AARCH64_RELATIVE);
        if let Some(other) = other {
            bail!(
                "a relocation of type {:?}, which it does not apply",
                other.r_type(endian, false)
            );
        }
    }
    Ok(usize::try_from(header.e_entry(endian))?)
}

#[cfg(test)]
mod tests;
