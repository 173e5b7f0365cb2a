//! Where there is room for something before anything can be allocated: in a bank of RAM, away from all
//! that is taken.

use super::{Each, Early, PlatformError, taken_by};
use crate::memory::Range;
use crate::platform::dt::{self, Limits};
use crate::platform::firmware::efi::Entry;
use crate::platform::machine::ram_at;

impl Early<'_> {
    /// Counts the RAM that may be used.
    pub(super) fn measure(&mut self) -> Result<(), PlatformError> {
        let mut usable = 0u64;
        self.each_bank(|bank| usable = usable.saturating_add(self.usable_of(bank)));
        self.usable = usable;
        // What is reserved has to be readable before anything is given out.
        match &self.efi {
            Some(efi) => Ok(efi.each_taken(&mut |_, _| {})?),
            None => Ok(()),
        }
    }

    /// Calls `f` with each bank that is looked at for room.
    fn each_bank(&self, f: impl FnMut(Range)) {
        match &self.efi {
            Some(efi) => efi.map.ram().for_each(f),
            None => self.banks.iter().copied().for_each(f),
        }
    }

    /// Bytes of a bank that may be used.
    fn usable_of(&self, bank: Range) -> u64 {
        let parts = |limits: &Limits| limits.parts(bank).map(|part| part.size()).sum();
        self.limits.as_ref().map_or(bank.size(), parts)
    }

    /// The RAM in which a page of `registers` lies.
    pub fn ram_at(&self, registers: Range) -> Option<Range> {
        if let Some(efi) = &self.efi {
            let memory = efi.map.entries().filter(Entry::is_memory);
            return ram_at(registers, memory.map(|entry| entry.range));
        }
        if !self.banks.is_full() {
            return ram_at(registers, self.banks.iter().copied());
        }
        let mut found = None; // there may be more banks
        self.tree.visit(|spot| {
            if found.is_none() && spot.depth() == 1 && dt::is_memory(spot) {
                let ram = dt::ram_of(spot).into_iter().flatten().flatten();
                found = ram_at(registers, ram);
            }
        });
        found
    }

    /// Bytes of RAM that may be used.
    pub fn ram_bytes(&self) -> u64 {
        self.usable
    }

    /// Calls `f` with everything that is said to be taken, or may not be used.
    fn each_taken(&self, mut f: impl FnMut(Range)) {
        let all = Range::new(0, u64::MAX);
        self.limits.iter().flat_map(|limits| limits.gaps(all)).for_each(&mut f);
        if let Some(efi) = &self.efi {
            // That all of it can be read has been seen.
            let _ = efi.each_taken(&mut |_, range| f(range));
        }
        if !self.more {
            return self.taken.iter().for_each(|&range| f(range));
        }
        self.tree.reservations().for_each(|(at, size)| f(Range::saturating(at, size)));
        self.tree.visit(|spot| taken_by(spot, &mut f));
    }

    /// The highest `size` bytes of RAM, beginning and ending at multiples of `align` (a power of
    /// two), that nothing has taken: neither what tree and firmware reserve nor what `others` calls
    /// its argument with. `None` if there is no such place.
    pub fn highest_free(&self, size: u64, align: u64, others: Each<'_>) -> Option<Range> {
        let mut highest = None;
        self.each_bank(|bank| {
            // A lower bank cannot have a higher place.
            if highest.is_none_or(|place: Range| place.start < bank.end) {
                highest = highest.max(self.highest_in(bank, size, align, others));
            }
        });
        highest
    }

    /// Moves a candidate down below whatever overlaps it until nothing does. Each second move is by
    /// at least `size`, so that there are few.
    fn highest_in(&self, bank: Range, size: u64, align: u64, others: Each<'_>) -> Option<Range> {
        let mut end = bank.end;
        loop {
            let start = (end & !(align - 1)).checked_sub(size)? & !(align - 1);
            let place = Range::sized(start, size).filter(|place| bank.covers(place))?;
            let mut lowest = None;
            let mut note = |range: Range| {
                if range.overlaps(&place) {
                    lowest = Some(lowest.unwrap_or(range.start).min(range.start));
                }
            };
            others(&mut note);
            self.each_taken(note);
            match lowest {
                Some(below) => end = below,
                None => return Some(place),
            }
        }
    }
}
