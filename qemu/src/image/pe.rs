//! The PE header of an image that UEFI starts (PE/COFF specification, sections 3 and 4; UEFI
//! specification 2.10, 2.1.1; Linux `include/linux/pe.h`).
//!
//! | section | from, to | permissions |
//! | --- | --- | --- |
//! | headers | 0, 4096: the Image's header, this one, and the kernel's first page | read |
//! | `.kernel` | the rest of the kernel, which the stub copies | read |
//! | `.text` | the stub's code | read, execute |
//! | `.data` | the stub's data | read, write |
//!
//! Sections lie in memory as in the file, on pages, and none is both written and executed. The file ends
//! with the last one, so a signature goes behind.

use anyhow::{Result, ensure};

/// Where the header begins: behind the header of the Image, whose last word points here.
const AT: usize = 64;
const POINTER: usize = 60;
/// Where no header reaches any more.
pub(super) const END: usize = 512;
/// Bytes in front of the first section, and the alignment of sections in memory.
const PAGE: usize = 4096;
/// What lengths in the file are multiples of.
const FILE_ALIGN: u32 = 0x200;
/// Bytes of the optional header with six directories.
const OPTIONAL: u16 = 112 + 6 * 8;

const MACHINE: u16 = 0xaa64;
/// Executable, no line numbers, no debug information: as Linux.
const CHARACTERISTICS: u16 = 0x206;
const PE32_PLUS: u16 = 0x20b;
/// Version of the image, as loaders of Linux read it: bits 0 and 1, the initrd is taken by LoadFile2
/// and by `initrd=`.
const IMAGE_VERSION: u16 = 3;
const EFI_APPLICATION: u16 = 10;
const NX_COMPAT: u16 = 0x100;

const CODE: u32 = 0x6000_0020;
const CONSTANTS: u32 = 0x4000_0040;
const DATA: u32 = 0xc000_0040;

/// Where the parts of the file begin; the last one ends with the file.
pub(super) struct Layout {
    /// The stub's code, behind the kernel.
    pub code: usize,
    /// The stub's data.
    pub data: usize,
    /// The end.
    pub end: usize,
    /// The first instruction for UEFI.
    pub entry: usize,
}

/// Writes the header into the gap behind the Image's header.
///
/// # Errors
/// There is no gap, or a part does not begin on a page.
pub(super) fn write(file: &mut [u8], layout: &Layout) -> Result<()> {
    let Layout { code, data, end, .. } = *layout;
    ensure!([code, data, end].iter().all(|at| at % PAGE == 0), "parts have to begin on pages");
    ensure!(PAGE < code && code < data && data < end, "parts have to follow each other");
    let header = header(layout);
    ensure!(AT + header.len() <= END, "the header has {} bytes", header.len());
    let gap = file.get_mut(AT..AT + header.len());
    let gap = gap.filter(|gap| gap.iter().all(|byte| *byte == 0));
    let Some(gap) = gap else {
        anyhow::bail!("{} bytes behind the Image's header have to be zero", header.len());
    };
    gap.copy_from_slice(&header);
    file[POINTER..POINTER + 4].copy_from_slice(&(AT as u32).to_le_bytes());
    Ok(())
}

fn header(layout: &Layout) -> Vec<u8> {
    let Layout { code, data, end, .. } = *layout;
    let mut out = Bytes(b"PE\0\0".to_vec());
    out.halves(&[MACHINE, 3]);
    out.words(&[0, 0, 0]); // no date: the same input makes the same file; no symbols
    out.halves(&[OPTIONAL, CHARACTERISTICS]);
    optional(&mut out, layout);
    out.section(b".kernel\0", PAGE, code, CONSTANTS);
    out.section(b".text\0\0\0", code, data, CODE);
    out.section(b".data\0\0\0", data, end, DATA);
    out.0
}

fn optional(out: &mut Bytes, layout: &Layout) {
    let Layout { code, data, end, entry } = *layout;
    let (page, constants) = (PAGE as u32, code - PAGE + (end - data));
    out.halves(&[PE32_PLUS, 0]); // linker version
    out.words(&[(data - code) as u32, constants as u32, 0]); // no zeroed data: it is in the file
    out.words(&[entry as u32, code as u32]);
    out.words(&[0, 0]); // image base: any
    out.words(&[page, FILE_ALIGN]);
    out.halves(&[0, 0, IMAGE_VERSION, 0, 0, 0]); // versions: system, image, subsystem
    out.words(&[0, end as u32, page, 0]); // sizes of image and headers; the checksum is a signer's
    out.halves(&[EFI_APPLICATION, NX_COMPAT]);
    out.words(&[0; 8]); // stack and heap: firmware's
    out.words(&[0, 6]);
    out.words(&[0; 12]); // directories: the fifth is where a signer writes
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn halves(&mut self, halves: &[u16]) {
        self.0.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
    }

    fn words(&mut self, words: &[u32]) {
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn section(&mut self, name: &[u8; 8], from: usize, to: usize, characteristics: u32) {
        self.0.extend(name);
        let (at, size) = (from as u32, (to - from) as u32);
        self.words(&[size, at, size, at, 0, 0]);
        self.halves(&[0, 0]);
        self.words(&[characteristics]);
    }
}
