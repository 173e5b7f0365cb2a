//! What both sources of a [`Machine`](super::Machine) check of devices.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use super::Console;
use super::machine::ram_at;
use crate::cpu::CpuMask;
use crate::interrupt::Interrupt;
use crate::memory::Range;

/// Bytes of a virtio device's registers without the configuration space (virtio 1.2, 4.2.2).
pub(super) const VIRTIO_BYTES: u64 = 0x100;

/// Interrupts that the distributor can route one by one (IHI 0069 2.2). Extended ones have registers
/// of their own.
pub(super) fn is_shared(interrupt: Interrupt) -> bool {
    (32..1020).contains(&interrupt.intid)
}

/// Registers, if they are large enough for `least` bytes.
pub(super) fn with_room(base: Range, least: u64) -> Result<Range, String> {
    if base.size() < least || !base.start.is_multiple_of(4) {
        return Err(format!("{base} can't hold its registers, {least:#x} bytes and aligned"));
    }
    Ok(base)
}

/// Registers that are not in RAM. The range is mapped in whole pages, as device memory: RAM may not
/// be mapped so.
pub(super) fn outside(memory: &[Range], base: Range) -> Result<Range, String> {
    match ram_at(base, memory.iter().copied()) {
        Some(_) => Err(format!("{base} is in RAM")),
        None => Ok(base),
    }
}

/// What clusters further up have.
pub(super) struct Taken {
    cpus: CpuMask,
    intids: BTreeSet<u32>,
}

impl Taken {
    /// No cluster yet; the console has its interrupt.
    pub fn new(console: Option<&Console>) -> Self {
        let intid = console.and_then(|console| console.interrupt).map(|i| i.intid);
        Self { cpus: CpuMask::new(), intids: intid.into_iter().collect() }
    }

    /// Takes the CPUs and the interrupt of a cluster.
    ///
    /// # Errors
    /// Another cluster has one of them.
    pub fn take(&mut self, members: &CpuMask, interrupt: Interrupt) -> Result<(), String> {
        if let Some(twice) = members.and(&self.cpus).iter().next() {
            return Err(format!("CPU {twice} is in another cluster too"));
        }
        if !self.intids.insert(interrupt.intid) {
            return Err(format!("interrupt {} is used by another node too", interrupt.intid));
        }
        self.cpus = self.cpus.or(members);
        Ok(())
    }
}
