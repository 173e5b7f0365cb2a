//! The memory of the loaded kernel: written, read back, made read-only.

use alloc::format;
use alloc::string::{String, ToString};

use crate::kernel::{Level, Reporter};
use crate::kexec::{Loaded, Plan, Segment, What};
use crate::machine::Memory;
use crate::memory::{Map, Owner, Range};

/// What a level 2 entry of the page tables maps.
const BLOCK: u64 = 2 << 20;

/// Writes every segment to its place and cleans that memory to the point of coherency.
pub(super) fn write<'b>(memory: &dyn Memory, plan: &Plan, contents: impl Fn(What) -> &'b [u8]) {
    for segment in &plan.segments {
        let bytes = contents(segment.what);
        memory.write(segment.dest.start, bytes);
        let rest = Range::new(segment.dest.start + bytes.len() as u64, segment.dest.end);
        memory.zero(rest);
        memory.clean(segment.dest);
    }
}

/// Hashes what memory holds of every segment.
///
/// # Errors
/// The first segment that memory does not hold as written.
pub(super) fn read_back(memory: &dyn Memory, plan: &Plan) -> Result<(), String> {
    let good = |segment: &Segment| segment.verify(memory.bytes(segment.dest));
    plan.segments.iter().try_for_each(good).map_err(|e| e.to_string())
}

/// Makes memory of the loaded kernel read-only; `None` if that can't be done at this place. Where
/// memory is mapped in blocks of 2 MiB, only whole blocks can be protected: a block qualifies if no
/// part belongs to an owner that writes.
pub(super) fn guard(
    out: &mut Reporter,
    memory: &dyn Memory,
    map: &Map,
    range: Range,
) -> Option<Range> {
    let idle = |r: &Range| only_loaded(map, *r);
    let whole = range.grow_to(BLOCK).filter(idle);
    let inner = range.shrink_to(BLOCK);
    let choices = [whole, Some(range), Some(inner)].into_iter().flatten();
    let found = choices.filter(|r| !r.is_empty()).find(|r| memory.protect(*r, true));
    if !found.is_some_and(|found| found.covers(&range)) {
        let kept = found.map_or(String::from("none"), |r| r.to_string());
        let text = format!("of {range}, where it is loaded, {kept} is read-only");
        out.say(Level::Warning, &text);
    }
    found
}

/// Makes what is read-only of a loaded kernel's memory writable again.
pub(super) fn unguard(memory: &dyn Memory, loaded: &Loaded) {
    for &range in &loaded.guarded {
        memory.protect(range, false);
    }
}

/// True if no part of the range is written as long as a kernel is loaded. The running kernel's tree
/// and initrd are only read, and free memory is given only to another load, which ends the present
/// one.
fn only_loaded(map: &Map, range: Range) -> bool {
    let here = map.regions().filter(|region| region.range.overlaps(&range));
    let idle = |o| matches!(o, Owner::Segment | Owner::Free | Owner::Dtb | Owner::Initrd);
    here.clone().count() > 0 && here.into_iter().all(|region| idle(region.owner))
}
