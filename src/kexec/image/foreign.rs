//! Kinds of file that are given for a kernel by mistake, known by their magics. One table serves
//! both kinds of kernel: what is named for an Image is not entered as a flat binary either.
//!
//! A flat binary may begin with any instruction, so that two bytes prove nothing by themselves: a
//! magic here has three bytes or more, or other fields of its format are looked at, too. One
//! exception is "MZ", which begins the kernels that are programs for EFI.

#[cfg(test)]
mod tests;

use core::fmt;
use core::str;

use super::{u16_at, u32_at};

/// A kind of file that is no kernel by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// Compressed in a way that is not unpacked here.
    Compressed(&'static str),
    /// Of another known kind.
    Known {
        /// What it is.
        what: &'static str,
        /// What to give instead, or to do.
        instead: &'static str,
    },
}

impl Foreign {
    /// The kind of a file; `None` if the file is of no known kind.
    pub fn recognise(file: &[u8]) -> Option<Self> {
        let by_magic = || MAGICS.iter().find(|magic| magic.matches(file)).map(|magic| magic.is);
        let by_fields = || FIELDS.iter().find(|(test, _)| test(file)).map(|(_, is)| *is);
        by_magic().or_else(by_fields).or_else(|| text(file))
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed(how) => write!(f, "this is a {how} file; unpack it to a flat Image"),
            Self::Known { what, instead } => write!(f, "this is {what}; {instead}"),
        }
    }
}

/// Bytes at a fixed place, and what a file is that has them.
struct Magic {
    at: usize,
    bytes: &'static [u8],
    is: Foreign,
}

impl Magic {
    fn matches(&self, file: &[u8]) -> bool {
        file.get(self.at..).is_some_and(|rest| rest.starts_with(self.bytes))
    }
}

const fn magic(at: usize, bytes: &'static [u8], is: Foreign) -> Magic {
    Magic { at, bytes, is }
}

const fn known(what: &'static str, instead: &'static str) -> Foreign {
    Foreign::Known { what, instead }
}

const ARM64: &str = "give the kernel's arm64 build";
const INSIDE: &str = "use the flat Image inside it";
const ARCHIVE: &str = "unpack it and use the flat Image inside it";
const CPIO: Foreign = known("a cpio archive", "it belongs to --initrd, give a flat Image");
const ZIMAGE: Foreign = known("a zImage of 32-bit Arm", ARM64);
const SKIPPABLE: Foreign = Foreign::Compressed("zstd or lz4");

/// The first that matches counts: kernels for EFI come before "MZ".
const MAGICS: &[Magic] = &[
    magic(56, b"ARM\x64", known("an arm64 Image", "leave --type raw out")),
    magic(
        4,
        b"zimg",
        known("a compressed EFI kernel", "leave --type raw out, or use the flat Image inside it"),
    ),
    magic(56, b"RSC\x05", known("a RISC-V Image", ARM64)),
    magic(48, b"RISCV\0\0\0", known("a RISC-V Image", ARM64)),
    magic(0x202, b"HdrS", known("a bzImage of x86", ARM64)),
    magic(0x24, b"\x18\x28\x6f\x01", ZIMAGE),
    magic(0x24, b"\x01\x6f\x28\x18", ZIMAGE),
    magic(0, b"MZ", known("a PE file without the arm64 header", "use a flat Image")),
    magic(0, b"\x7fELF", known("an ELF file", "convert it to a flat Image (objcopy -O binary)")),
    magic(0, b"\x1f\x8b\x08", known("a gzip file", "unpack it to a flat Image (gunzip)")),
    magic(0, b"\x28\xb5\x2f\xfd", Foreign::Compressed("zstd")),
    magic(0, b"\xfd7zXZ", Foreign::Compressed("xz")),
    magic(0, b"BZh", Foreign::Compressed("bzip2")),
    magic(0, b"\x02\x21\x4c\x18", Foreign::Compressed("lz4")),
    magic(0, b"\x04\x22\x4d\x18", Foreign::Compressed("lz4")),
    magic(0, b"\x89LZO\0", Foreign::Compressed("lzop")),
    magic(0, b"PK\x03\x04", known("a zip archive", ARCHIVE)),
    magic(0, b"7z\xbc\xaf\x27\x1c", known("a 7z archive", ARCHIVE)),
    magic(0, b"Rar!\x1a\x07", known("a rar archive", ARCHIVE)),
    magic(257, b"ustar", known("a tar archive", ARCHIVE)),
    magic(0, b"!<arch>\n", known("an archive of ar, or a Debian package", ARCHIVE)),
    magic(0, b"\xed\xab\xee\xdb", known("an rpm package", ARCHIVE)),
    magic(0, b"07070", CPIO),
    magic(0, b"\x27\x05\x19\x56", known("a U-Boot image", "use the flat Image it was made from")),
    magic(0, b"\xd0\x0d\xfe\xed", known("a device tree or FIT image", INSIDE)),
    magic(0, b"ANDROID!", known("a boot image of Android", INSIDE)),
    magic(0, b"VNDRBOOT", known("a vendor boot image of Android", INSIDE)),
    magic(0, b"\x3a\xff\x26\xed", known("a sparse image of Android", INSIDE)),
    magic(0, b"\xd7\xb7\xab\x1e", known("a table of device trees of Android", "use a flat Image")),
    magic(0, b"CHROMEOS", known("a kernel partition of ChromeOS", INSIDE)),
    magic(0, b"\x01\x00\x64\xaa", known("a package of Arm firmware (FIP)", INSIDE)),
    magic(40, b"_FVH", known("a firmware volume of UEFI", INSIDE)),
    magic(0, b"hsqs", known("a squashfs file system", INSIDE)),
    magic(0, b"sqsh", known("a squashfs file system", INSIDE)),
    magic(0, b"XFSB", known("an XFS file system", INSIDE)),
    magic(0, b"UBI#", known("a UBI volume", INSIDE)),
    magic(0, b"\x45\x3d\xcd\x28", known("a cramfs file system", INSIDE)),
    magic(0, b"-rom1fs-", known("a romfs file system", INSIDE)),
    magic(1024, b"\xe2\xe1\xf5\xe0", known("an EROFS file system", INSIDE)),
    magic(54, b"FAT16   ", known("a FAT file system", INSIDE)),
    magic(82, b"FAT32   ", known("a FAT file system", INSIDE)),
    magic(32769, b"CD001", known("a CD image (ISO 9660)", INSIDE)),
    magic(512, b"EFI PART", known("a disk image", INSIDE)),
    magic(0, b"QFI\xfb", known("a disk image of QEMU (qcow2)", INSIDE)),
    magic(0, b"KDMV", known("a disk image of VMware", INSIDE)),
    magic(0, b"vhdxfile", known("a disk image of Hyper-V", INSIDE)),
    magic(0, b"\xcf\xfa\xed\xfe", known("a Mach-O file", "use a flat Image")),
    magic(0, b"BC\xc0\xde", known("LLVM bitcode", "compile and link it to a flat Image")),
    magic(0, b"\0asm", known("a WebAssembly module", "use a flat Image")),
    magic(0, b"%PDF", known("a PDF file", "use a flat Image")),
    magic(0, b"\x89PNG", known("a picture", "use a flat Image")),
    magic(0, b"#!/", known("a script", "use the flat Image that it brings, if it does")),
];

/// True for a file of one kind.
type Test = fn(&[u8]) -> bool;

/// Kinds whose magic alone is too weak.
const FIELDS: &[(Test, Foreign)] = &[
    (is_skippable, SKIPPABLE),
    (is_lzma, Foreign::Compressed("lzma")),
    (is_binary_cpio, CPIO),
    (is_ext, known("an ext2, ext3 or ext4 file system", INSIDE)),
    (no_instruction, known("a file that begins with no instruction", "copy it again")),
];

/// A skippable frame of zstd or lz4.
fn is_skippable(file: &[u8]) -> bool {
    matches!(file.first_chunk(), Some([0x50..=0x5f, 0x2a, 0x4d, 0x18]))
}

/// Properties as all tools write them, a dictionary of 2^n or 3 * 2^n bytes, and a size that is
/// unknown or below 2^40.
fn is_lzma(file: &[u8]) -> bool {
    let (Some(dictionary), Some(size)) = (u32_at(file, 1), file.get(5..13)) else { return false };
    let dictionary_good = dictionary >= 4096
        && (dictionary.is_power_of_two()
            || (dictionary / 3 * 3 == dictionary && (dictionary / 3).is_power_of_two()));
    let size_good = size.iter().all(|byte| *byte == 0xff) || size.ends_with(&[0; 3]);
    file[0] == 0x5d && dictionary_good && size_good
}

/// The old form of cpio, of either byte order: a name that ends where the header says.
fn is_binary_cpio(file: &[u8]) -> bool {
    const HEADER: usize = 26;
    let order = match file.first_chunk() {
        Some([0xc7, 0x71]) => u16::from_le,
        Some([0x71, 0xc7]) => u16::from_be,
        _ => return false,
    };
    let bytes = u16_at(file, 20).map_or(0, |size| usize::from(order(size.to_le())));
    let name = file.get(HEADER..HEADER + bytes);
    name.is_some_and(|name| name.len() > 1 && name.iter().position(|b| *b == 0) == Some(bytes - 1))
}

/// The superblock: magic, block size and revision.
fn is_ext(file: &[u8]) -> bool {
    const SUPERBLOCK: usize = 1024;
    u16_at(file, SUPERBLOCK + 56) == Some(0xef53)
        && u32_at(file, SUPERBLOCK + 24).is_some_and(|shift| shift <= 6)
        && u32_at(file, SUPERBLOCK + 76).is_some_and(|revision| revision <= 1)
}

/// No CPU executes these words, which holes and erased flash have: 0x0000_xxxx is UDF (Arm ARM
/// C6.2), all ones are not allocated.
fn no_instruction(file: &[u8]) -> bool {
    u32_at(file, 0).is_some_and(|word| word >> 16 == 0 || word == u32::MAX)
}

/// The kind of a file that is a text in its first KiB.
fn text(file: &[u8]) -> Option<Foreign> {
    let start = readable(&file[..file.len().min(1024)])?;
    let begins = |with: &str| start.starts_with(with);
    Some(match start.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).as_bytes() {
        [b'<', ..] => known(
            "an HTML or XML page",
            "a server sent it in place of the file; get the file again",
        ),
        _ if begins("version https://git-lfs") => {
            known("a pointer of Git LFS", "get the file itself (git lfs pull)")
        }
        _ if begins("baton-signature") => {
            known("a signature of baton", "it belongs to --sig, give the kernel that it is of")
        }
        [b':', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
            known("a file of Intel HEX", "convert it (objcopy -I ihex -O binary)")
        }
        [b'S', b'0'..=b'9', a, ..] if a.is_ascii_hexdigit() => {
            known("a file of S-records", "convert it (objcopy -I srec -O binary)")
        }
        _ => known("a text", "use a flat Image"),
    })
}

/// `bytes` as text: UTF-8 without control characters, but for a character that is cut at the end.
fn readable(bytes: &[u8]) -> Option<&str> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x1b');
    (!text.is_empty() && text.chars().all(plain)).then_some(text)
}
