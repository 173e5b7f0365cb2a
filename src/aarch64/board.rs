//! The machine: every driver behind the seam.

mod crash;
mod device;
mod entry_record;
mod facts;
mod irq;
mod pmu;
mod quiesce;
mod seam;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use spin::{Mutex, Once};

pub use device::Held;
pub use entry_record::{Record, record_offset};
pub use pmu::emulate;

use super::gic::{Gic, IPI};
use super::mmu::Tables;
use super::percpu::PerCpu;
use super::regs::Features;
use super::{layout, percpu, timer, uart};
use crate::config::PAGE;
use crate::cpu::{CpuId, CpuMask, Topology};
use crate::hotplug::Hotplug;
use crate::interrupt::Interrupt;
use crate::kernel::layout::stacks_of;
use crate::machine::CrashKind;
use crate::machine::inherited::Inherited;
use crate::machine::input::{Input, Receiver};
use crate::memory::{Piece, Range};
use crate::services::Services;
use crate::trace::{Mark, Ring};

/// No CPU is to crash.
const NOBODY: u64 = u64::MAX;

/// The machine.
pub struct Board {
    pub(super) topology: Topology,
    pub(super) gic: Gic,
    pub(super) areas: Box<[PerCpu]>,
    pub(super) records: Box<[Record]>,
    /// A slot for each CPU.
    pub(super) stacks: Piece,
    /// Where the handover is.
    pub(super) handover: Range,
    /// The rings of this kernel, by CPU.
    pub(super) rings: Box<[Ring<'static>]>,
    devices: Held,
    pub(super) lpis_left_on: usize,
    pub(super) inherited: Inherited,
    pub(super) timer_ppi: Interrupt,
    pub(super) psci_version: (u32, u32),
    pub(super) entry_level: u32,
    /// What the boot CPU has.
    pub(super) features: Features,
    /// TTBR0, with which a secondary CPU turns its MMU on, and TTBR1.
    pub(super) roots: (u64, u64),
    /// Tables of the linear map. Only the boot CPU changes these.
    pub(super) tables: Mutex<Tables>,
    /// What was typed: written in the interrupt handler of one CPU, read by the boot CPU.
    input: Mutex<Input>,
    /// Crash kind + 1 that a CPU was told to crash with, and which CPU.
    crash: (AtomicU64, AtomicU8),
    /// The address that [`CrashKind::WriteLoaded`] writes to.
    crash_at: AtomicU64,
}

/// What a [`Board`] is made of.
pub struct Parts {
    /// The CPUs.
    pub topology: Topology,
    /// The interrupt controller, its distributor set up.
    pub gic: Gic,
    /// One area for each CPU.
    pub areas: Box<[PerCpu]>,
    /// A slot for each CPU.
    pub stacks: Piece,
    /// Where the handover is.
    pub handover: Range,
    /// This kernel's rings in it, by CPU.
    pub rings: Box<[Ring<'static>]>,
    /// Redistributors whose LPIs stay on.
    pub lpis_left_on: usize,
    /// What the kernel before left on.
    pub inherited: Inherited,
    /// The timer's interrupt.
    pub timer_ppi: Interrupt,
    /// PSCI_VERSION as (major, minor).
    pub psci_version: (u32, u32),
    /// Exception level of entry.
    pub entry_level: u32,
    /// The tables of the linear map.
    pub tables: Tables,
}

/// What every CPU has to find.
struct Shared {
    board: Board,
    cpus: Once<(Arc<Services>, Hotplug)>,
}

static SHARED: Once<Shared> = Once::new();

/// Makes the machine known to all CPUs. Boot CPU, once.
pub fn publish(board: Board) -> &'static Board {
    &SHARED.call_once(|| Shared { board, cpus: Once::new() }).board
}

/// Makes services and hotplug state known to all CPUs. Boot CPU, once, after [`publish`].
pub fn publish_cpus(
    services: Arc<Services>,
    hotplug: Hotplug,
) -> (&'static Services, &'static Hotplug) {
    let shared = SHARED.get().expect("the machine was published before");
    let (services, hotplug) = shared.cpus.call_once(|| (services, hotplug));
    (services, hotplug)
}

/// The machine and its hotplug state, once both are published.
pub fn shared() -> Option<(&'static Board, &'static Hotplug)> {
    let shared = SHARED.get()?;
    Some((&shared.board, &shared.cpus.get()?.1))
}

/// The mark of a CPU, for a report.
pub fn mark(cpu: CpuId) -> Option<Mark> {
    shared().map(|(_, hotplug)| hotplug.mark(cpu))
}

impl Board {
    /// With nothing pending on the console yet.
    pub fn new(parts: Parts) -> Self {
        let [identity, upper] = [layout::ttbr0(), layout::ttbr1()].map(layout::physical);
        Self {
            topology: parts.topology,
            gic: parts.gic,
            records: parts.areas.iter().map(|_| Record::default()).collect(),
            areas: parts.areas,
            stacks: parts.stacks,
            handover: parts.handover,
            rings: parts.rings,
            devices: Held::default(),
            lpis_left_on: parts.lpis_left_on,
            inherited: parts.inherited,
            timer_ppi: parts.timer_ppi,
            psci_version: parts.psci_version,
            entry_level: parts.entry_level,
            features: Features::here(),
            roots: (identity, upper),
            tables: Mutex::new(parts.tables),
            input: Mutex::default(),
            crash: (AtomicU64::new(NOBODY), AtomicU8::new(0)),
            crash_at: AtomicU64::new(0),
        }
    }

    pub(super) fn me(&self) -> &PerCpu {
        percpu::current().unwrap_or(&self.areas[self.topology.boot().index()])
    }

    pub(super) fn send_ipi(&self, cpus: &CpuMask) {
        let mpidr = |i: usize| self.topology.mpidr(CpuId(i as u16)).expect("a CPU of the topology");
        self.gic.wake(cpus, &mpidr, &self.areas);
    }

    /// Serves one interrupt of this CPU.
    pub(super) fn interrupt(&self, intid: u32) {
        let me = self.me();
        if intid == IPI {
            me.count_ipi();
            me.wake();
            self.crash_if_told(me.cpu);
        } else if intid == self.timer_ppi.intid {
            timer::silence();
            me.count_timer();
            self.overflow_due(me);
            me.wake();
        } else if !dispatch(me.cpu, intid) {
            self.silence(me, intid);
        }
    }

    /// Disables an interrupt that has no action; otherwise a level that stays high would come back
    /// for ever.
    fn silence(&self, me: &PerCpu, intid: u32) {
        if intid < 32 {
            self.gic.enable_private(me, intid, false);
        } else {
            self.gic.enable_shared(intid, false);
        }
    }

    /// Runs `body` with the input and the UART that it comes from, interrupts masked.
    fn with_input<R>(&self, body: impl FnOnce(&mut Input, &mut dyn Receiver) -> R) -> R {
        device::masked(&self.input, |input| body(input, &mut uart::Receive))
    }

    /// Takes what the console has received, and wakes the boot CPU; false if there was nothing.
    fn receive(&self) -> bool {
        let any = self.with_input(|input, uart| input.receive(uart));
        let (me, boot) = (self.me(), self.topology.boot());
        if me.cpu == boot {
            me.wake();
        } else {
            self.send_ipi(&CpuMask::from_iter([boot]));
        }
        any
    }

    fn crash_if_told(&self, cpu: CpuId) {
        // Acquire: pairs with the store in `crash_on`; kind and address are read after the number.
        if self.crash.0.load(Ordering::Acquire) == u64::from(cpu.0)
            && let Some(kind) = CrashKind::from_u8(self.crash.1.load(Ordering::Relaxed))
        {
            crash::crash(kind, self.crash_at.load(Ordering::Relaxed));
        }
    }
}

/// Runs the action of a shared interrupt; false if there is no action.
fn dispatch(cpu: CpuId, intid: u32) -> bool {
    let Some(shared) = SHARED.get() else { return false };
    let Some((services, _)) = shared.cpus.get() else { return false };
    services.irqs.handle(&services.rcu, &shared.board, cpu, intid)
}

/// Called by the IRQ vector.
pub fn interrupt() {
    if let Some(shared) = SHARED.get() {
        shared.board.gic.serve(|intid| shared.board.interrupt(intid));
    }
}

/// The stack whose guard page holds an address.
pub fn guard_page_of(address: u64) -> Option<Stack> {
    use super::layout::{boot_exception_guard, boot_guard};
    let page = |start| Range::new(start, start + PAGE).contains(address);
    if page(boot_guard()) {
        return Some(Stack { cpu: None, exception: false });
    }
    if page(boot_exception_guard()) {
        return Some(Stack { cpu: None, exception: true });
    }
    let shared = SHARED.get()?;
    shared.board.topology.cpus().find_map(|cpu| {
        let stacks = stacks_of(&shared.board.stacks, cpu.index());
        let below = |stack: Range| page(layout::linear(stack.start - PAGE));
        let exception = below(stacks.exception);
        (below(stacks.ordinary) || exception).then_some(Stack { cpu: Some(cpu), exception })
    })
}

/// A stack, for a report.
pub struct Stack {
    cpu: Option<CpuId>,
    exception: bool,
}

impl core::fmt::Display for Stack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = if self.exception { "exception stack" } else { "stack" };
        match self.cpu {
            Some(cpu) => write!(f, "the {kind} of CPU {cpu}"),
            None => write!(f, "the boot CPU's {kind}"),
        }
    }
}
