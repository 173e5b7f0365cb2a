//! Names of the image's functions, from the ELF that the image was made of.

use std::path::PathBuf;

use anyhow::{Context, Result};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol, SymbolKind};

use baton::config::{IMAGE_ALIGN, KERNEL_BASE};

use crate::vm::image_path;

struct Function {
    at: u64,
    size: u64,
    name: String,
}

/// The functions, or why there are none.
pub struct Symbols(Result<Vec<Function>>);

impl Symbols {
    /// Reads the ELF beside the image under test.
    pub fn read() -> Self {
        Self(functions())
    }

    /// The function that an instruction belongs to.
    pub fn name(&self, pc: u64) -> String {
        let functions = match &self.0 {
            Ok(functions) => functions,
            Err(error) => return format!("a function without a name ({error:#})"),
        };
        // Before the MMU is on, and in the jump, code runs at its physical address, in the first
        // of the image's blocks.
        let linked = if pc < KERNEL_BASE { KERNEL_BASE + pc % IMAGE_ALIGN } else { pc };
        let function = functions.iter().find(|f| (f.at..f.at + f.size).contains(&linked));
        function.map_or_else(
            || "no function of the image".into(),
            |f| format!("{:#}+{:#x}", rustc_demangle::demangle(&f.name), linked - f.at),
        )
    }
}

fn elf_path() -> PathBuf {
    image_path().with_file_name("aarch64-unknown-none-softfloat/release/baton-kernel")
}

fn functions() -> Result<Vec<Function>> {
    let path = elf_path();
    let bytes = std::fs::read(&path).with_context(|| format!("no ELF at {}", path.display()))?;
    let elf = ElfFile64::<Endianness>::parse(&*bytes)?;
    let symbols = elf.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let function = |symbol: object::read::elf::ElfSymbol64<'_, '_, Endianness>| {
        let (at, size) = (symbol.address(), symbol.size());
        Ok(Function { at, size, name: symbol.name()?.into() })
    };
    symbols.map(function).collect()
}
