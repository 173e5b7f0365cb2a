//! Taking over what an earlier kernel left.

use alloc::vec::Vec;

use super::banks::Banks;
use super::facts::RingsFact;
use super::page::{PAGE_WORDS, Page};
use super::{Area, Farewell, HandoverError, rings_for, store};
use crate::cpu::{CpuId, CpuMask, Topology};
use crate::results::Document;
use crate::sync::words::Word;
use crate::trace::{Event, Ring};

/// What an earlier kernel left: every value is within its range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Its last words. CPUs have this kernel's numbers.
    pub farewell: Farewell,
    /// Its last counter read, ticks.
    pub jump_at: u64,
    /// When the jump had copied the image; `None` if there was nothing to copy.
    pub copied_at: Option<u64>,
    /// It had the same CPUs with the same numbers as this kernel.
    pub same_cpus: bool,
}

impl Area<'_> {
    /// Takes over what an earlier kernel left in `left`, which is this kernel's own region or
    /// another one, for the CPUs of `topology`; `now` is this kernel's first counter read. Breaks
    /// the seal, so that a farewell is never taken twice. A region that holds nothing usable is made
    /// a clean slate.
    ///
    /// # Errors
    /// Why there is nothing to take.
    pub fn take(
        &self,
        left: &[Word],
        topology: &Topology,
        now: u64,
    ) -> Result<Taken, HandoverError> {
        let taken = self.read(left, topology, now);
        if taken.is_err() {
            self.format(topology);
            self.forget_results();
        }
        taken
    }

    fn read(&self, left: &[Word], topology: &Topology, now: u64) -> Result<Taken, HandoverError> {
        if left.len() < PAGE_WORDS {
            return Err(HandoverError::Small);
        }
        let page = Page::new(left);
        let facts = page.facts()?;
        let (cpus, jump_at) = (page.cpus()?, page.jump_at());
        if (left.len() as u64) < rings_for(cpus) / 8 {
            return Err(HandoverError::Small);
        }
        let mut farewell = Farewell::read(&facts)?;
        farewell.check(cpus, jump_at, now)?;
        page.break_seal();
        let generation = farewell.generation;
        let copied_at = page.copied_at().filter(|at| (jump_at..=now).contains(at));
        let rings = facts.find::<RingsFact>().ok().flatten();
        let placed = rings.is_some_and(|rings| rings.placed_as_ours());
        let old = OldRings { banks: placed.then(|| Banks::new(left, cpus)), generation, topology };
        let readable = rings == Some(RingsFact::OURS);
        let same_cpus = old.fit();
        if !same_cpus || !core::ptr::eq(left, self.words) {
            // Read first: the two layouts may be of the same memory.
            let results = store::read(left);
            farewell.parked = self.move_in(&old, readable, &farewell.parked);
            self.move_results(results.ok());
        } else if !readable {
            self.clear_rings(generation);
        }
        Ok(Taken { farewell, jump_at, copied_at, same_cpus })
    }

    /// Takes the results over that were laid out for other CPUs.
    fn move_results(&self, results: Option<Document>) {
        self.forget_results();
        results.into_iter().for_each(|mut results| self.keep_results(&mut results));
    }

    /// Lays the region out for this kernel's CPUs, with the events of the earlier kernel's rings if
    /// these are `readable`. Returns this kernel's numbers of the CPUs that are `parked`.
    fn move_in(&self, old: &OldRings<'_>, readable: bool, parked: &CpuMask) -> CpuMask {
        let numbers = old.numbers();
        // The events are copied out first: the two layouts may be of the same memory.
        let rings = if readable { old.events(&numbers) } else { Vec::new() };
        self.format(old.topology);
        for (cpu, events) in rings {
            let ring = self.ring(old.generation, cpu);
            ring.iter().for_each(|ring| events.iter().for_each(|event| ring.record(event)));
        }
        parked.iter().filter_map(|cpu| numbers.get(cpu)).collect()
    }
}

/// The rings that an earlier kernel left, beside the CPUs of this one.
struct OldRings<'a> {
    /// `None` if the rings are laid out as this kernel does not know.
    banks: Option<Banks<'a>>,
    generation: u32,
    topology: &'a Topology,
}

impl OldRings<'_> {
    /// True if they are labelled for the CPUs of this kernel.
    fn fit(&self) -> bool {
        self.banks.is_some_and(|banks| banks.fit(self.generation, self.topology))
    }

    fn rings(&self) -> impl Iterator<Item = Ring<'_>> {
        self.banks.into_iter().flat_map(|banks| banks.rings(self.generation))
    }

    /// This kernel's number of the CPU of a ring.
    fn cpu(&self, ring: &Ring<'_>) -> Option<CpuId> {
        self.topology.cpu(ring.label()?)
    }

    fn numbers(&self) -> Numbers {
        Numbers(self.rings().skip(1).map(|ring| self.cpu(&ring)).collect())
    }

    /// The events of all rings, by this kernel's numbers.
    fn events(&self, numbers: &Numbers) -> Vec<(CpuId, Vec<Event>)> {
        let renumbered = |event: Event| Some(Event { cpu: numbers.get(event.cpu)?, ..event });
        let read = |ring: Ring<'_>| {
            Some((self.cpu(&ring)?, ring.events().filter_map(renumbered).collect()))
        };
        self.rings().filter_map(read).collect()
    }
}

/// This kernel's number of each CPU of an earlier kernel, by the earlier kernel's number; `None` for
/// a CPU that this kernel does not have.
struct Numbers(Vec<Option<CpuId>>);

impl Numbers {
    fn get(&self, old: CpuId) -> Option<CpuId> {
        self.0.get(old.index()).copied().flatten()
    }
}
