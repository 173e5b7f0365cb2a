//! CPUs that come without a kernel (`bare.S`): the words that they share with the boot CPU.
//!
//! The boot CPU reaches these words through its cache, the others with caches off. So words that the
//! boot CPU writes while another CPU may write lie on lines of their own; the boot CPU cleans what
//! it writes to the point of coherency, and drops its lines before it looks at what another CPU has
//! written.

use alloc::boxed::Box;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aarch64_cpu::registers::{MPIDR_EL1, Readable};
use smccc::psci::PSCI_CPU_OFF;
use spin::Once;

use super::board::Board;
use super::{cache, layout, psci, regs, timer};
use crate::config::MAX_CPUS;
use crate::cpu::CpuId;
use crate::machine::{Bare, BareSeen, PsciError, Timed};

core::arch::global_asm!(
    include_str!("bare.S"),
    include_str!("bare_entry.S"),
    SLOT_ORDER = const offset_of!(Slot, order),
    SLOT_FIRST = const offset_of!(Slot, first),
    SLOT_LEAVING = const offset_of!(Slot, leaving),
    SLOT_CODE = const offset_of!(Slot, code),
    SLOT_DENIED = const offset_of!(Slot, denied),
    ORDER_GO = const offset_of!(Order, go),
    ORDER_SMC = const offset_of!(Order, smc),
    CPU_OFF = const PSCI_CPU_OFF,
);

/// MPIDR_EL1.MT.
const THREADS: u64 = 1 << 24;

/// What the boot CPU says to all. The alignment is that of the largest line of known cores.
#[repr(C, align(256))]
#[derive(Default)]
struct Order {
    /// Not 0: CPUs go.
    go: AtomicU64,
    /// Not 0: firmware is called by SMC.
    smc: AtomicU64,
}

/// What one CPU says. Written by that CPU, and by the boot CPU while that CPU is off.
#[repr(C, align(256))]
#[derive(Default)]
struct Slot {
    /// Physical address of the [`Order`].
    order: AtomicU64,
    /// Counter at the first instruction; 0 before.
    first: AtomicU64,
    /// Counter at the call of CPU_OFF; 0 before.
    leaving: AtomicU64,
    /// What CPU_OFF has answered, once `denied` says 1.
    code: AtomicU64,
    denied: AtomicU64,
}

/// The words of all CPUs.
struct Words {
    order: Order,
    slots: Box<[Slot]>,
}

/// Never freed: a CPU that is late writes to its slot.
static WORDS: Once<Box<Words>> = Once::new();

fn words() -> &'static Words {
    WORDS.get().expect("bare_open comes first")
}

fn slot(cpu: CpuId) -> &'static Slot {
    &words().slots[cpu.index()]
}

fn physical<T>(value: &T) -> u64 {
    layout::physical(core::ptr::from_ref(value) as u64)
}

fn clean<T>(value: &T) {
    cache::clean_to_poc(core::ptr::from_ref(value) as u64, size_of::<T>() as u64);
}

impl Slot {
    /// The lines of a slot that no CPU of this kernel has written since they were cleaned.
    fn drop_lines(&self) {
        let at = core::ptr::from_ref(self) as u64;
        // SAFETY: `bare_forget` has cleaned these lines, and since then the boot CPU, which alone
        // reaches them through a cache, has only read.
        unsafe { cache::drop_lines(at, size_of::<Self>() as u64) };
    }

    fn seen(&self) -> BareSeen {
        let time = |word: &AtomicU64| Some(word.load(Relaxed)).filter(|&at| at != 0);
        let denied = self.denied.load(Relaxed) != 0;
        BareSeen {
            first_at: time(&self.first),
            leaving_at: time(&self.leaving),
            denied: denied.then(|| psci::answer(self.code.load(Relaxed))),
        }
    }
}

impl Bare for Board {
    fn bare_open(&self, cpus: usize) {
        WORDS.call_once(|| {
            let slots = (0..cpus.min(MAX_CPUS)).map(|_| Slot::default()).collect();
            Box::new(Words { order: Order::default(), slots })
        });
    }

    fn bare_go(&self, go: bool) {
        let order = &words().order;
        order.smc.store(psci::by_smc().into(), Relaxed);
        order.go.store(go.into(), Relaxed);
        clean(order);
        regs::send_event(); // ends the WFE of CPUs that wait
    }

    fn bare_forget(&self, cpu: CpuId) {
        let slot = slot(cpu);
        slot.order.store(physical(&words().order), Relaxed);
        for word in [&slot.first, &slot.leaving, &slot.code, &slot.denied] {
            word.store(0, Relaxed);
        }
        clean(slot);
    }

    fn bare_on(&self, cpu: CpuId) -> Timed<Result<(), PsciError>> {
        let [entry, context] = [layout::physical(layout::bare_entry()), physical(slot(cpu))];
        let Some(mpidr) = self.topology.mpidr(cpu) else {
            let now = timer::now();
            return Timed { begin: now, end: now, answer: Err(PsciError::InvalidParameters) };
        };
        let begin = timer::now();
        // SAFETY: the code at `_bare_entry` needs nothing of this kernel but its own bytes and the
        // words at `context`, which are static; it never enters Rust.
        let answer = unsafe { psci::cpu_on(mpidr, entry, context) };
        Timed { begin, end: timer::now(), answer }
    }

    fn bare_seen(&self, cpu: CpuId) -> BareSeen {
        let slot = slot(cpu);
        slot.drop_lines();
        slot.seen()
    }

    fn bare_wait(&self) {
        regs::wait_for_event();
    }

    fn bare_call(&self) -> Timed<()> {
        let begin = timer::now();
        let _ = psci::version(); // what it says is known
        Timed { begin, end: timer::now(), answer: () }
    }

    fn has_threads(&self) -> bool {
        MPIDR_EL1.get() & THREADS != 0
    }
}
