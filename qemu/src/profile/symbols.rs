//! Names of the kernel's functions, from its ELF.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD, SHF_EXECINSTR, SHT_SYMTAB, STT_FUNC, STT_NOTYPE};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};

use crate::image;

/// Addresses below this one are physical: the MMU is off, or the code is in the identity page.
pub const UPPER_HALF: u64 = 1 << 63;
/// The function of an address that has none.
const NONE: &str = "(no function)";

/// A function or a label of assembly.
struct Symbol {
    at: u64,
    /// 0 for a label: it ends where the next one begins.
    size: u64,
    name: usize,
}

/// All functions, by address.
pub struct Symbols {
    all: Vec<Symbol>,
    names: Vec<String>,
    /// Where the image is linked, and its span.
    linked: (u64, u64),
    /// Where kernels were loaded.
    bases: Vec<u64>,
}

impl Symbols {
    /// Reads an ELF from which `image` was made, for kernels at the physical addresses `bases`.
    ///
    /// # Errors
    /// No ELF of ours, the image is another one's, or the ELF has no symbols.
    pub fn read(elf: &[u8], image: &[u8], bases: &[u64]) -> Result<Self> {
        ensure!(
            image::is_from(image, elf)?,
            "the image was not made from this ELF, so its functions would be wrong: `make image` \
             makes both, and --image and --elf name others"
        );
        let (found, linked) = symbols(elf).context("the ELF's symbols can't be read")?;
        ensure!(!found.is_empty(), "the ELF has no symbols: it was stripped");
        Ok(Self::new(found, linked, bases))
    }

    /// From symbols as they are in an ELF: address, size, name.
    pub fn new(mut found: Vec<(u64, u64, String)>, linked: (u64, u64), bases: &[u64]) -> Self {
        found.sort();
        let (mut all, mut names, mut known) =
            (Vec::<Symbol>::new(), vec![NONE.into()], HashMap::new());
        for (at, size, name) in found {
            let inside = |last: &Symbol| at < last.at + last.size || at == last.at && size == 0;
            // Of two names for one address the longer function has it; labels inside are no functions.
            if all.last().is_some_and(|last| size == 0 && inside(last)) {
                continue;
            }
            let name = format!("{:#}", rustc_demangle::demangle(&name));
            let name = *known.entry(name).or_insert_with_key(|name: &String| {
                names.push(name.clone());
                names.len() - 1
            });
            all.push(Symbol { at, size, name });
        }
        Self { all, names, linked, bases: bases.to_vec() }
    }

    /// Number of the function with the instruction at this address.
    pub fn at(&self, pc: u64) -> usize {
        let pc = if pc < UPPER_HALF { self.linked_at(pc) } else { pc };
        let after = self.all.partition_point(|symbol| symbol.at <= pc);
        let before = after.checked_sub(1).map(|i| &self.all[i]);
        let holds = |symbol: &&Symbol| symbol.size == 0 || pc < symbol.at + symbol.size;
        before.filter(holds).map_or(0, |symbol| symbol.name)
    }

    /// The name of a function.
    pub fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// Where an instruction at a physical address is linked; the address itself outside kernels.
    fn linked_at(&self, pc: u64) -> u64 {
        let (start, span) = self.linked;
        let offset = self.bases.iter().filter_map(|base| pc.checked_sub(*base)).find(|o| *o < span);
        offset.map_or(pc, |offset| start + offset)
    }
}

type Found = (Vec<(u64, u64, String)>, (u64, u64));

/// The symbols of code, and where the image is linked.
fn symbols(elf: &[u8]) -> Result<Found> {
    let header = FileHeader64::<Endianness>::parse(elf)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, elf)?.iter();
    let loaded = segments.filter(|segment| segment.p_type(endian) == PT_LOAD);
    let spans = loaded.map(|s| (s.p_vaddr(endian), s.p_vaddr(endian) + s.p_memsz(endian)));
    let (start, end) = spans.fold((u64::MAX, 0), |(a, b), (c, d)| (a.min(c), b.max(d)));
    let sections = header.sections(endian, elf)?;
    let table = sections.symbols(endian, elf, SHT_SYMTAB)?;
    let mut found = Vec::new();
    for (index, symbol) in table.enumerate() {
        let name = String::from_utf8_lossy(table.symbol_name(endian, symbol)?).into_owned();
        let kind = [STT_FUNC, STT_NOTYPE].contains(&symbol.st_type());
        let section = table.symbol_section(endian, symbol, index)?;
        let section = section.map(|section| sections.section(section)).transpose()?;
        let code = section.is_some_and(|s| s.sh_flags(endian).0 & SHF_EXECINSTR.0 != 0);
        // `$x` and `$d` tell code from data, `.L` are labels of the compiler.
        if kind && code && !name.is_empty() && !name.starts_with(['$', '.']) {
            let size = if symbol.st_type() == STT_FUNC { symbol.st_size(endian) } else { 0 };
            found.push((symbol.st_value(endian), size, name));
        }
    }
    Ok((found, (start, end.saturating_sub(start))))
}
