//! The tree that the kernel is entered with: what Linux's stub makes (`drivers/firmware/efi/libstub/
//! fdt.c`; Linux `Documentation/arch/arm/uefi.rst`).
//!
//! Where the firmware has a tree, that is the machine's description, and only `/chosen` is written
//! anew; its memory reservations go, since UEFI's memory map has them. Where there is none, the tree
//! has nothing but `/chosen`, and ACPI's tables describe the machine.

mod error;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use error::TreeError;

use read::{Blocks, Token};
use write::Writer;

/// Bytes that `/chosen` needs beside the old tree and the command line.
pub const ROOM: usize = 2048;

/// What goes into `/chosen`.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'c> {
    /// The command line; empty: that of the firmware's tree stays.
    pub bootargs: &'c [u8],
    /// First address of the initrd, and the one behind its last; `None`: that of the firmware's tree
    /// stays, which a boot loader such as GRUB 2.06 has put there.
    pub initrd: Option<(u64, u64)>,
    /// Fresh entropy; `None`: what the firmware's tree has stays.
    pub seeds: Option<Seeds>,
    /// What kernels of Debian and Ubuntu ask for: 1 not known, 2 disabled, 3 enabled.
    pub secure_boot: u32,
    /// Where UEFI's system table is.
    pub system_table: u64,
    /// Where UEFI's memory map will be. How long it is, is known later: [`Written::set_map`].
    pub map: u64,
}

/// Fresh entropy for one kernel.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// For its numbers.
    pub rng: [u8; 32],
    /// For its place.
    pub kaslr: u64,
}

/// A tree that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// Bytes.
    pub len: usize,
    /// True if the firmware's tree describes the machine: there is more in it than `/chosen`.
    pub describes_machine: bool,
    /// True if the initrd is the one that the firmware's tree names.
    pub kept_initrd: bool,
    /// Where size, stride and version of the map go.
    map: [usize; 3],
}

impl Written {
    /// Writes into the tree how long the map is, how long an entry, and of which version. Nothing here
    /// can fail: boot services are gone by then.
    pub fn set_map(&self, tree: &mut [u8], words: [u32; 3]) {
        for (at, word) in self.map.iter().zip(words) {
            if let Some(place) = tree.get_mut(*at..*at + 4) {
                place.copy_from_slice(&word.to_be_bytes());
            }
        }
    }
}

/// Names of the properties that are written.
const NAMES: [&str; 13] = [
    "#address-cells",
    "#size-cells",
    "bootargs",
    "linux,initrd-start",
    "linux,initrd-end",
    "rng-seed",
    "kaslr-seed",
    "linux,uefi-secure-boot",
    "linux,uefi-system-table",
    "linux,uefi-mmap-start",
    "linux,uefi-mmap-size",
    "linux,uefi-mmap-desc-size",
    "linux,uefi-mmap-desc-ver",
];

/// Bytes of the firmware's tree, by its header; [`from_firmware`] checks the rest.
///
/// # Errors
/// What lies there is no tree.
pub fn size(header: &[u8]) -> Result<usize, TreeError> {
    read::size(header)
}

/// Writes a tree that is nothing but `/chosen`.
///
/// # Errors
/// `out` is too small.
pub fn alone(chosen: &Chosen<'_>, out: &mut [u8]) -> Result<Written, TreeError> {
    let mut writer = Writer::new(out)?;
    writer.begin(b"")?;
    writer.property(name(0, "#address-cells"), &2u32.to_be_bytes())?;
    writer.property(name(0, "#size-cells"), &2u32.to_be_bytes())?;
    let map = node(&mut writer, 0, chosen)?;
    writer.end()?;
    let len = writer.finish(0, &[], &NAMES)?;
    Ok(Written { len, map, describes_machine: false, kept_initrd: false })
}

/// Writes the firmware's tree, with `/chosen` for this boot.
///
/// # Errors
/// The tree is malformed, or `out` is too small.
pub fn from_firmware(
    old: &[u8],
    chosen: &Chosen<'_>,
    out: &mut [u8],
) -> Result<Written, TreeError> {
    let blocks = Blocks::of(old)?;
    let names = blocks.strings.len();
    let mut writer = Writer::new(out)?;
    let mut written = Written { len: 0, map: [0; 3], describes_machine: false, kept_initrd: false };
    written.map = copy(&blocks, names, chosen, &mut writer, &mut written)?;
    written.len = writer.finish(blocks.boot_cpu, blocks.strings, &NAMES)?;
    Ok(written)
}

/// Copies all tokens; the properties of this boot go into `/chosen`, or into a new one at the end.
fn copy(
    old: &Blocks<'_>,
    names: usize,
    chosen: &Chosen<'_>,
    out: &mut Writer<'_>,
    seen: &mut Written,
) -> Result<[usize; 3], TreeError> {
    let (mut depth, mut map, mut inside) = (0, None, false);
    let mut tokens = old.tokens();
    loop {
        let (at, token) = tokens.next_token()?;
        match token {
            Token::Begin(_) if depth == 0 && at != 0 => return Err(TreeError::Token(at)),
            Token::Begin(node) => {
                out.begin(node)?;
                depth += 1;
                if depth == 2 && map.is_none() && is_chosen(node) {
                    map = Some(properties(out, names, chosen)?);
                    inside = true;
                }
                seen.describes_machine |= depth == 2 && !is_chosen(node);
            }
            Token::Property(..) if depth == 0 => return Err(TreeError::Token(at)),
            Token::Property(name, value) => {
                let of_chosen = if inside && depth == 2 { old.string(name)? } else { b"" };
                if !is_renewed(of_chosen, chosen) {
                    seen.kept_initrd |= of_chosen == b"linux,initrd-start";
                    out.property(name, value)?;
                }
            }
            Token::EndNode => {
                if depth == 1 && map.is_none() {
                    map = Some(node(out, names, chosen)?);
                }
                depth = depth_above(depth, at)?;
                inside = inside && depth > 1;
                out.end()?;
            }
            Token::End => return map.filter(|_| depth == 0).ok_or(TreeError::Token(at)),
        }
    }
}

fn depth_above(depth: usize, at: usize) -> Result<usize, TreeError> {
    depth.checked_sub(1).ok_or(TreeError::Token(at))
}

/// Readers find a node by its name without a unit address.
fn is_chosen(name: &[u8]) -> bool {
    name == b"chosen" || name.starts_with(b"chosen@")
}

/// True for a property of `/chosen` that described another boot, or is written anew.
fn is_renewed(name: &[u8], chosen: &Chosen<'_>) -> bool {
    match name {
        b"bootargs" => !chosen.bootargs.is_empty(),
        b"rng-seed" | b"kaslr-seed" => chosen.seeds.is_some(),
        b"linux,initrd-start" | b"linux,initrd-end" => chosen.initrd.is_some(),
        _ => name.starts_with(b"linux,uefi-"),
    }
}

/// `/chosen`, as a new node.
fn node(out: &mut Writer<'_>, names: usize, chosen: &Chosen<'_>) -> Result<[usize; 3], TreeError> {
    out.begin(b"chosen")?;
    let map = properties(out, names, chosen)?;
    out.end()?;
    Ok(map)
}

/// The properties of this boot; `names` is where [`NAMES`] begin among the strings. Returns where the
/// numbers go that are not known yet.
fn properties(
    out: &mut Writer<'_>,
    names: usize,
    chosen: &Chosen<'_>,
) -> Result<[usize; 3], TreeError> {
    let name = |text| name(names, text);
    if !chosen.bootargs.is_empty() {
        out.text(name("bootargs"), chosen.bootargs)?;
    }
    if let Some((start, end)) = chosen.initrd {
        out.property(name("linux,initrd-start"), &start.to_be_bytes())?;
        out.property(name("linux,initrd-end"), &end.to_be_bytes())?;
    }
    if let Some(seeds) = &chosen.seeds {
        out.property(name("rng-seed"), &seeds.rng)?;
        out.property(name("kaslr-seed"), &seeds.kaslr.to_be_bytes())?;
    }
    out.property(name("linux,uefi-secure-boot"), &chosen.secure_boot.to_be_bytes())?;
    out.property(name("linux,uefi-system-table"), &chosen.system_table.to_be_bytes())?;
    out.property(name("linux,uefi-mmap-start"), &chosen.map.to_be_bytes())?;
    Ok([
        out.property(name("linux,uefi-mmap-size"), &[0; 4])?,
        out.property(name("linux,uefi-mmap-desc-size"), &[0; 4])?,
        out.property(name("linux,uefi-mmap-desc-ver"), &[0; 4])?,
    ])
}

/// Where a name of [`NAMES`] lies among the strings, if these begin at `base`.
fn name(base: usize, wanted: &str) -> usize {
    base + NAMES
        .iter()
        .take_while(|name| **name != wanted)
        .map(|name| name.len() + 1)
        .sum::<usize>()
}
