//! Where the rings are: two banks behind the page. A bank has the boot CPU's ring, then a ring of
//! each CPU by its number; of these, the boot CPU's stays empty. Each ring is labelled with the
//! affinity of its CPU.

use super::page::PAGE_WORDS;
use crate::config::{BOOT_TRACE_EVENTS, TRACE_EVENTS};
use crate::cpu::{CpuId, Mpidr, Topology};
use crate::sync::words::Word;
use crate::trace::{Ring, label_in, ring_words};

/// Words of one bank.
pub(super) const fn bank_words(cpus: usize) -> usize {
    ring_words(BOOT_TRACE_EVENTS) + cpus * ring_words(TRACE_EVENTS)
}

/// The rings of a region, as a kernel with so many CPUs has laid them out.
#[derive(Clone, Copy)]
pub(super) struct Banks<'a> {
    region: &'a [Word],
    cpus: usize,
}

impl<'a> Banks<'a> {
    /// In `region`, page included. Where the region is too small there are no rings.
    pub fn new(region: &'a [Word], cpus: usize) -> Self {
        Self { region, cpus }
    }

    /// The boot CPU's ring in the bank of a generation.
    pub fn boot_ring(&self, generation: u32) -> Option<Ring<'a>> {
        self.at(self.bank(generation), BOOT_TRACE_EVENTS)
    }

    /// The ring of the CPU with this number in the bank of a generation, if it is not the boot CPU;
    /// `None` past the number of CPUs.
    pub fn row(&self, generation: u32, number: usize) -> Option<Ring<'a>> {
        let row = ring_words(BOOT_TRACE_EVENTS) + number * ring_words(TRACE_EVENTS);
        let there = number < self.cpus;
        there.then(|| self.at(self.bank(generation) + row, TRACE_EVENTS)).flatten()
    }

    /// All rings of a generation: the boot CPU's, then one for each number. None if the region is
    /// too small.
    pub fn rings(&self, generation: u32) -> impl Iterator<Item = Ring<'a>> + use<'a> {
        self.in_bank(generation).filter_map(Ring::new)
    }

    /// The rings of all CPUs, by CPU; `boot` is the boot CPU's number.
    pub fn by_cpu(&self, generation: u32, boot: CpuId) -> impl Iterator<Item = Ring<'a>> + use<'a> {
        let first = self.boot_ring(generation);
        let rows = self.rings(generation).skip(1).enumerate();
        rows.map(move |(i, row)| first.filter(|_| i == boot.index()).unwrap_or(row))
    }

    /// The words of each ring of a generation, in the order of [`Self::rings`].
    fn in_bank(&self, generation: u32) -> impl Iterator<Item = &'a [Word]> + use<'a> {
        // By the rings' words: every kexec comes by here.
        let bank = self.region.get(self.bank(generation)..).unwrap_or_default();
        let split = bank.split_at_checked(ring_words(BOOT_TRACE_EVENTS));
        let (boot, rows) = split.unzip();
        let rows = rows.unwrap_or_default().chunks_exact(ring_words(TRACE_EVENTS)).take(self.cpus);
        boot.into_iter().chain(rows)
    }

    /// Empties the rings of a generation and labels each.
    pub fn label(&self, generation: u32, topology: &Topology) {
        for (ring, mpidr) in self.rings(generation).zip(labels_of(topology)) {
            ring.clear();
            ring.set_label(mpidr);
        }
    }

    /// True if the rings of a generation are labelled as those of `topology` are.
    pub fn fit(&self, generation: u32, topology: &Topology) -> bool {
        let labels = self.in_bank(generation).map(label_in);
        self.cpus == topology.len() && labels.eq(labels_of(topology).map(Some))
    }

    fn bank(&self, generation: u32) -> usize {
        PAGE_WORDS + (generation as usize & 1) * bank_words(self.cpus)
    }

    fn at(&self, at: usize, events: usize) -> Option<Ring<'a>> {
        Ring::new(self.region.get(at..)?.get(..ring_words(events))?)
    }
}

/// The labels of a bank, in order.
fn labels_of(topology: &Topology) -> impl Iterator<Item = Mpidr> {
    let mpidr = |cpu| topology.mpidr(cpu);
    [topology.boot()].into_iter().chain(topology.cpus()).filter_map(mpidr)
}
