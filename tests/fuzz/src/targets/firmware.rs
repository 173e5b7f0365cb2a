//! What firmware leaves in memory: UEFI's tables and ACPI's. The input is a tree, with its length in
//! two bytes before it, and then memory: address in eight bytes, length in two, bytes, and so on. The
//! checksums of tables are made right first: otherwise few inputs come past them.

#[path = "../../../firmware_support/memory.rs"]
mod memory;

use baton::cpu::Mpidr;
use baton::fdt::Checked;
use baton::platform::early::Early;
use baton::platform::{self, Described};

use memory::Memory;

use super::check_message;

/// Signatures of tables that have a checksum.
const SEALED: [[u8; 4]; 8] =
    [*b"XSDT", *b"FACP", *b"APIC", *b"GTDT", *b"SPCR", *b"DBG2", *b"DSDT", *b"SSDT"];

/// Reads the machine in both ways.
pub fn firmware(input: &[u8]) -> bool {
    let Some((length, rest)) = input.split_first_chunk::<2>() else { return false };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let Ok(tree) = Checked::of(&rest[..length]) else { return false };
    let mut writes = Memory::writes(&rest[length..]);
    writes.iter_mut().for_each(|(_, bytes)| seal_all(bytes));
    let memory = Memory::of(&writes);
    let boot = Mpidr::from_register(0);
    let described = platform::describe_with(&tree, &memory, boot);
    let early = Early::look_with(tree, &memory);
    match described {
        Ok(described) => {
            check(&described, &early.unwrap_or_else(|why| panic!("{why}, but all was read")));
            true
        }
        Err(why) => {
            check_message(why);
            false
        }
    }
}

fn check(Described { machine, warnings, .. }: &Described, early: &Early<'_>) {
    assert!(machine.memory.windows(2).all(|pair| pair[0].end < pair[1].start));
    assert!(!machine.memory.is_empty() && !machine.topology.is_empty());
    assert!(machine.apart_from(&machine.memory).is_ok());
    let mut members = machine.clusters.iter().flat_map(|cluster| cluster.cpus.iter());
    assert!(members.all(|cpu| cpu.index() < machine.topology.len()));
    warnings.iter().for_each(check_message);
    if let Some(heap) = early.highest_free(4 << 20, 2 << 20, &|_| {}) {
        assert!(machine.memory.iter().any(|bank| bank.covers(&heap)), "{heap}");
        assert!(machine.reserved.iter().all(|taken| !taken.range.overlaps(&heap)), "{heap}");
    }
}

/// Makes the checksum of each table right that lies in these bytes as a whole.
fn seal_all(bytes: &mut [u8]) {
    let starts = (0..bytes.len().saturating_sub(35))
        .filter(|&at| SEALED.iter().any(|signature| bytes[at..].starts_with(signature)));
    for at in starts.collect::<Vec<_>>() {
        let length = bytes[at + 4..].first_chunk().map_or(0, |l| u32::from_le_bytes(*l)) as usize;
        let Some(table) = bytes.get_mut(at..at.saturating_add(length)) else { continue };
        if let [.., _] = table
            && table.len() >= 36
        {
            table[9] = 0;
            table[9] = table.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
        }
    }
}
