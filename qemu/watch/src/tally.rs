//! What was seen: how often each page of device addresses was read and written, and every
//! instruction that had no business there.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::syndrome;

/// Device addresses are counted by pages of this size.
const PAGE: u64 = 4096;

/// An instruction, as it was translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Its virtual address.
    pub pc: u64,
    /// The opcode.
    pub opcode: u32,
}

/// One access to a device address.
#[derive(Clone, Debug)]
pub struct Access {
    /// What made it.
    pub by: Instruction,
    /// The physical address.
    pub at: u64,
    /// True for a store, and for what loads and stores at once.
    pub store: bool,
    /// QEMU's name of the memory region.
    pub region: String,
}

#[derive(Debug, Default)]
struct Page {
    region: String,
    loads: u64,
    stores: u64,
}

/// All accesses so far.
#[derive(Debug, Default)]
pub struct Tally {
    pages: BTreeMap<u64, Page>,
    /// Those without a syndrome, in the order in which they came; each instruction once.
    offences: Vec<Access>,
    known: HashSet<Instruction>,
}

impl Tally {
    /// Counts an access, and keeps it if the instruction has no syndrome.
    pub fn add(&mut self, access: Access) {
        let page = self.pages.entry(access.at & !(PAGE - 1)).or_default();
        page.region.clone_from(&access.region);
        if access.store {
            page.stores += 1;
        } else {
            page.loads += 1;
        }
        if !syndrome::is_valid(access.by.opcode) && self.known.insert(access.by) {
            self.offences.push(access);
        }
    }
}

/// A line for each offence, a line for each page, and a last line, without which the report is cut
/// short. Numbers without a sign of their base are decimal; a region's name ends its line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Access { by, at, store, region } in &self.offences {
            let kind = if *store { "store" } else { "load" };
            writeln!(f, "offence {:#018x} {:#010x} {kind} {at:#x} {region}", by.pc, by.opcode)?;
        }
        for (at, Page { region, loads, stores }) in &self.pages {
            writeln!(f, "page {at:#x} {loads} {stores} {region}")?;
        }
        writeln!(f, "end")
    }
}

#[cfg(test)]
mod tests;
