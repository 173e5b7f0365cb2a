//! Lists of CPUs: `3`, `3-9`, `1,3-5`, `all`.

use crate::cpu::{CpuId, CpuMask};
use crate::options::cpu;
use crate::shell::command::Cpus;

/// Reads a list; `None` if the text is no list or names a CPU beyond the supported number.
pub(in crate::shell) fn cpus(text: &str) -> Option<Cpus> {
    if text == "all" {
        return Some(Cpus::All);
    }
    let mut mask = CpuMask::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (cpu(first)?, cpu(last)?);
        if first > last {
            return None;
        }
        (first.0..=last.0).for_each(|n| mask.insert(CpuId(n)));
    }
    Some(Cpus::Listed(mask))
}
