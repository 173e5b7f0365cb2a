//! From the linked ELF to the flat arm64 `Image` that loaders take.
//!
//! Header: Linux `Documentation/arch/arm64/booting.rst`, section 4.

mod pe;
mod stub;

use anyhow::{Context, Result, bail, ensure};
use baton::kexec::BatonMark;
use object::elf::{EM_AARCH64, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, LittleEndian};

/// Bytes of the header.
const HEADER: usize = 64;
/// Where `image_size` is in the header.
const IMAGE_SIZE_AT: usize = 16;
/// Where the magic is in the header.
const MAGIC_AT: usize = 56;
const MAGIC: &[u8; 4] = b"ARM\x64";
/// No image of ours is near this; segments further apart mean a wrong linker script.
const LARGEST: u64 = 64 << 20;

/// One piece of the file and where it belongs.
struct Piece<'a> {
    at: u64,
    bytes: &'a [u8],
}

/// Makes the flat image: every PT_LOAD segment by physical address, from the lowest; bss is left
/// out, the header's `image_size` tells the loader about it. Behind it goes the UEFI stub, if there is
/// one, and the file is a PE file too. The mark of a baton is completed; an image without the mark's
/// magic stays as linked.
///
/// # Errors
/// Not an aarch64 ELF, nothing to load, segments that overlap or lie too far apart, a stub that does
/// not fit, or a result that [`check`] refuses.
pub fn from_elf(elf: &[u8], stub: Option<&[u8]>) -> Result<Vec<u8>> {
    let pieces = pieces(elf)?;
    let base = pieces.first().context("the ELF has nothing to load")?.at;
    let mut flat = Vec::new();
    for piece in &pieces {
        append(&mut flat, piece, base)?;
    }
    if let Some(stub) = stub {
        flat = stub::join(flat, stub)?;
    }
    check(&flat)?;
    BatonMark::complete(&mut flat);
    Ok(flat)
}

/// True if a flat image was made from an ELF, with a UEFI stub or without one: the kernel is the same
/// from where no header is any more.
///
/// # Errors
/// The ELF is none that an image can be made from.
pub fn is_from(image: &[u8], elf: &[u8]) -> Result<bool> {
    let kernel = from_elf(elf, None)?;
    let (ours, theirs) = (kernel.get(pe::END..), image.get(pe::END..kernel.len()));
    Ok(ours.is_some() && ours == theirs)
}

fn pieces(elf: &[u8]) -> Result<Vec<Piece<'_>>> {
    let header = FileHeader64::<Endianness>::parse(elf).context("not a 64-bit ELF")?;
    let endian = header.endian().context("not an ELF of known byte order")?;
    let machine = header.e_machine(endian);
    ensure!(machine == EM_AARCH64, "the ELF is for machine {machine}, not aarch64 ({EM_AARCH64})");
    let mut pieces = Vec::new();
    for segment in header.program_headers(endian, elf).context("program headers are broken")? {
        if segment.p_type(endian) == PT_LOAD && segment.p_filesz(endian) > 0 {
            let Ok(bytes) = segment.data(endian, elf) else {
                bail!("a segment lies outside the file: is the ELF cut short?");
            };
            pieces.push(Piece { at: segment.p_paddr(endian), bytes });
        }
    }
    pieces.sort_by_key(|piece| piece.at);
    Ok(pieces)
}

fn append(flat: &mut Vec<u8>, piece: &Piece<'_>, base: u64) -> Result<()> {
    let offset = piece.at - base;
    ensure!(offset < LARGEST, "a segment at {:#x} lies too far from {base:#x}", piece.at);
    let offset = usize::try_from(offset)?;
    ensure!(offset >= flat.len(), "the segment at {:#x} overlaps the one before it", piece.at);
    flat.resize(offset, 0);
    flat.extend_from_slice(piece.bytes);
    Ok(())
}

/// Checks the 64-byte header: magic, and `image_size` not below the file's size.
///
/// # Errors
/// Says which field is wrong and what it holds.
pub fn check(image: &[u8]) -> Result<()> {
    ensure!(image.len() >= HEADER, "{} bytes are too few for an arm64 Image", image.len());
    let magic = &image[MAGIC_AT..MAGIC_AT + MAGIC.len()];
    ensure!(magic == MAGIC, "no arm64 Image magic at offset {MAGIC_AT}: {magic:02x?}");
    let size = image_size(image);
    ensure!(
        size >= image.len() as u64,
        "the header's image_size is {size}, but the file has {} bytes",
        image.len()
    );
    Ok(())
}

/// The header's `image_size`: file and bss together. The slice must hold a whole header.
pub fn image_size(image: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&image[IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8]);
    object::U64::<LittleEndian>::from_bytes(bytes).get(LittleEndian)
}

#[cfg(test)]
mod tests;
