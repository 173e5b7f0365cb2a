//! Machines that firmware describes: memory, and the tree that points there.
#![allow(dead_code)] // no test file uses all of it

pub mod altra;
pub mod aml;
pub mod build;
pub mod memory;

use baton::cpu::Mpidr;
use baton::fdt::Checked;
use baton::platform::{self, Described, PlatformError};
use memory::Memory;

/// A tree, and what is in memory.
#[derive(Clone, Debug)]
pub struct Guest {
    pub tree: Vec<u8>,
    pub writes: Vec<(u64, Vec<u8>)>,
}

impl Guest {
    /// What `tests/data/acpi` has.
    pub fn recorded(name: &str) -> Self {
        let path =
            |ending| format!("{}/tests/data/acpi/{name}.{ending}", env!("CARGO_MANIFEST_DIR"));
        let read = |ending| std::fs::read(path(ending)).unwrap();
        Self { tree: read("dtb"), writes: Memory::writes(&read("mem")) }
    }

    pub fn memory(&self) -> Memory {
        Memory::of(&self.writes)
    }

    pub fn describe(&self, boot: u64) -> Result<Described, PlatformError> {
        let tree = Checked::of(&self.tree).unwrap();
        platform::describe_with(&tree, &self.memory(), Mpidr::from_register(boot))
    }

    pub fn machine(&self, boot: u64) -> Described {
        self.describe(boot).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Why the machine is refused.
    pub fn refusal(&self, boot: u64) -> String {
        self.describe(boot).map(|d| d.warnings).unwrap_err().to_string()
    }
}
