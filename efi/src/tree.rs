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
    let mut copy = Copy {
        old: &blocks,
        chosen,
        out: Writer::new(out)?,
        depth: 0,
        inside: false,
        map: None,
        describes_machine: false,
        kept_initrd: false,
    };
    copy.all()?;
    let Copy { out, map, describes_machine, kept_initrd, .. } = copy;
    let len = out.finish(blocks.boot_cpu, blocks.strings, &NAMES)?;
    Ok(Written { len, describes_machine, kept_initrd, map: map.unwrap_or_default() })
}

/// The copy of a firmware's tree, token by token; the properties of this boot go into `/chosen`, or into a
/// new one at the end.
struct Copy<'c, 't, 'o> {
    old: &'c Blocks<'t>,
    chosen: &'c Chosen<'c>,
    out: Writer<'o>,
    depth: usize,
    /// In `/chosen`.
    inside: bool,
    /// As in [`Written`], once `/chosen` has been written.
    map: Option<[usize; 3]>,
    describes_machine: bool,
    kept_initrd: bool,
}

impl Copy<'_, '_, '_> {
    fn all(&mut self) -> Result<(), TreeError> {
        let mut tokens = self.old.tokens();
        loop {
            let (at, token) = tokens.next_token()?;
            match token {
                // One root, and nothing outside of it.
                Token::Begin(_) if self.depth == 0 && at != 0 => return Err(TreeError::Token(at)),
                Token::Begin(node) => self.begin(node)?,
                Token::Property(..) | Token::EndNode if self.depth == 0 => {
                    return Err(TreeError::Token(at));
                }
                Token::Property(name, value) => self.property(name, value)?,
                Token::EndNode => self.end()?,
                Token::End if self.depth == 0 && self.map.is_some() => return Ok(()),
                Token::End => return Err(TreeError::Token(at)),
            }
        }
    }

    fn begin(&mut self, node: &[u8]) -> Result<(), TreeError> {
        self.out.begin(node)?;
        self.depth += 1;
        if self.depth == 2 && self.map.is_none() && is_chosen(node) {
            self.map = Some(properties(&mut self.out, self.old.strings.len(), self.chosen)?);
            self.inside = true;
        }
        self.describes_machine |= self.depth == 2 && !is_chosen(node);
        Ok(())
    }

    fn property(&mut self, name: usize, value: &[u8]) -> Result<(), TreeError> {
        let of_chosen = self.inside && self.depth == 2;
        let text = if of_chosen { self.old.string(name)? } else { b"" };
        if is_renewed(text, self.chosen) {
            return Ok(());
        }
        self.kept_initrd |= text == b"linux,initrd-start";
        self.out.property(name, value).map(drop)
    }

    fn end(&mut self) -> Result<(), TreeError> {
        if self.depth == 1 && self.map.is_none() {
            self.map = Some(node(&mut self.out, self.old.strings.len(), self.chosen)?);
        }
        self.depth -= 1;
        self.inside &= self.depth > 1;
        self.out.end()
    }
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
