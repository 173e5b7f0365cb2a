//! Physical memory on the host.

use std::collections::BTreeMap;

use baton::memory::Physical;

const PAGE: u64 = 4096;

/// Pages that have been written, the rest of each zero; neighbours are one region.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    regions: BTreeMap<u64, Vec<u8>>,
}

impl Memory {
    /// Memory with these bytes in these places.
    pub fn of(writes: &[(u64, Vec<u8>)]) -> Self {
        let mut pages = BTreeMap::<u64, Vec<u8>>::new();
        for (at, bytes) in writes {
            for (offset, byte) in bytes.iter().enumerate() {
                let at = at.wrapping_add(offset as u64);
                let page = pages.entry(at / PAGE).or_insert_with(|| vec![0; PAGE as usize]);
                page[(at % PAGE) as usize] = *byte;
            }
        }
        let mut memory = Self::default();
        for (number, page) in pages {
            let at = number * PAGE;
            let last = memory.regions.iter_mut().next_back();
            match last.filter(|(start, bytes)| *start + bytes.len() as u64 == at) {
                Some((_, bytes)) => bytes.extend(page),
                None => _ = memory.regions.insert(at, page),
            }
        }
        memory
    }

    /// What a file has: address, length in two bytes, bytes, and so on.
    pub fn writes(mut file: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut writes = Vec::new();
        while let Some((head, rest)) = file.split_first_chunk::<10>() {
            let at = u64::from_le_bytes(*head.first_chunk().unwrap());
            let length = usize::from(u16::from_le_bytes([head[8], head[9]])).min(rest.len());
            writes.push((at, rest[..length].to_vec()));
            file = &rest[length..];
        }
        writes
    }
}

impl Physical for Memory {
    fn bytes(&self, at: u64, len: usize) -> Option<&[u8]> {
        let (start, bytes) = self.regions.range(..=at).next_back()?;
        let offset = usize::try_from(at - start).ok()?;
        bytes.get(offset..offset.checked_add(len)?)
    }
}
