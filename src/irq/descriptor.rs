//! One interrupt: the request, the action and counts, and the route.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::choice::{self, Choice, Loads};
use super::{IrqError, SharedDescriptor};
use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::interrupt::Interrupt;
use crate::machine::Seam;
use crate::machine::irq::Route;
use crate::sync::atomic::{AtomicU64, Ordering};

/// How often in a row an interrupt may come without its action finding a reason, before the
/// interrupt is silenced: a level that no action clears would keep its CPU busy for ever.
pub(super) const FOR_NOTHING: u64 = 10_000;

/// What an action is told.
pub struct Irq<'a> {
    /// The interrupt.
    pub intid: u32,
    /// The CPU that has taken it, and runs the action.
    pub cpu: CpuId,
    /// The machine.
    pub machine: &'a dyn Seam,
}

/// What an action says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handled {
    /// The device had a reason, and that is dealt with.
    Yes,
    /// The device had no reason.
    No,
}

/// Runs in the interrupt handler of one CPU at a time: allocates nothing, frees nothing, and takes
/// no lock that ordinary code holds with interrupts on.
pub type Action = Box<dyn Fn(&Irq<'_>) -> Handled + Send + Sync>;

/// Which CPUs may take an interrupt when no CPU of its affinity stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AffinityKind {
    /// Any CPU, until a CPU of the affinity is back.
    Balanced,
    /// None: only the affinity's CPUs reach the device. The interrupt is masked until one of those
    /// is back.
    Managed,
}

/// What [`super::Irqs::request`] is asked for.
pub struct Wanted {
    /// The interrupt, and what triggers it.
    pub interrupt: Interrupt,
    /// The device's name, for people.
    pub name: String,
    /// CPUs that may take the interrupt.
    pub affinity: CpuMask,
    /// What to do if none of these CPUs stays.
    pub kind: AffinityKind,
    /// The action that serves the interrupt.
    pub action: Action,
}

/// The part that handlers see, through the table.
pub(super) struct Descriptor {
    intid: u32,
    name: String,
    kind: AffinityKind,
    action: Action,
    /// Written by the CPU that has taken the interrupt. Relaxed: only counts.
    handled: AtomicU64,
    declined: AtomicU64,
    declined_in_a_row: AtomicU64,
}

impl Descriptor {
    /// Runs the action; false if the interrupt has come for nothing once too often.
    pub(super) fn take(&self, irq: &Irq<'_>) -> bool {
        if (self.action)(irq) == Handled::Yes {
            self.handled.fetch_add(1, Ordering::Relaxed);
            if self.declined_in_a_row.load(Ordering::Relaxed) != 0 {
                self.declined_in_a_row.store(0, Ordering::Relaxed);
            }
            return true;
        }
        self.declined.fetch_add(1, Ordering::Relaxed);
        self.declined_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 < FOR_NOTHING
    }

    pub(super) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    pub(super) fn declined(&self) -> u64 {
        self.declined.load(Ordering::Relaxed)
    }
}

/// Where one interrupt goes. Plans are made from entries, and an entry changes only after the route
/// was read back from the hardware.
pub(super) struct IrqEntry {
    pub(super) shared: SharedDescriptor,
    /// The affinity: the user's, or the device's if [`AffinityKind::Managed`]. Hotplug reads this
    /// and never writes it.
    pub(super) requested: CpuMask,
    /// The CPU of the affinity that takes the interrupt whenever that CPU is online; none until the
    /// first route to a CPU of the affinity.
    pub(super) home: Option<CpuId>,
    /// The CPU to which the interrupt is routed.
    pub(super) at: CpuId,
    /// False while the interrupt is masked for want of a CPU, or silenced.
    pub(super) enabled: bool,
}

impl IrqEntry {
    /// An entry for the request, and the first route.
    pub(super) fn new(
        wanted: Wanted,
        online: &Survivors,
        loads: &Loads,
    ) -> Result<(Self, Route), IrqError> {
        let Wanted { interrupt, name, affinity: requested, kind, action } = wanted;
        let intid = interrupt.intid;
        let choice = choice::anew(&requested, kind, online, loads).ok_or(IrqError::NobodyStays)?;
        let Choice { to, enable } = choice;
        let descriptor = Descriptor {
            intid,
            name,
            kind,
            action,
            handled: AtomicU64::new(0),
            declined: AtomicU64::new(0),
            declined_in_a_row: AtomicU64::new(0),
        };
        let (shared, at) = (Arc::new(descriptor), to.cpu());
        let mut entry = Self { shared, requested, home: None, at, enabled: enable };
        let route = Route { intid, to, enable };
        entry.follow(&route);
        Ok((entry, route))
    }

    /// Notes a route that the hardware has taken.
    pub(super) fn follow(&mut self, route: &Route) {
        (self.at, self.enabled) = (route.to.cpu(), route.enable);
        if self.home.is_none() && self.requested.contains(self.at) {
            self.home = Some(self.at);
        }
    }

    pub(super) fn intid(&self) -> u32 {
        self.shared.intid
    }

    pub(super) fn name(&self) -> String {
        self.shared.name.clone()
    }

    pub(super) fn kind(&self) -> AffinityKind {
        self.shared.kind
    }

    /// The CPU that takes the interrupt; none while it is masked.
    pub(super) fn effective(&self) -> Option<CpuId> {
        (self.enabled && !self.silenced()).then_some(self.at)
    }

    /// True if the interrupt has come for nothing once too often.
    pub(super) fn silenced(&self) -> bool {
        self.shared.declined_in_a_row.load(Ordering::Relaxed) >= FOR_NOTHING
    }
}

/// The actions as handlers see them: never changed, only replaced as a whole. In rising order of
/// the interrupt number, which stands beside the descriptor so that a search stays in few cache
/// lines.
#[derive(Default)]
pub(super) struct ActionTable(Vec<(u32, SharedDescriptor)>);

impl ActionTable {
    pub(super) fn of(entries: &[IrqEntry]) -> Self {
        Self(entries.iter().map(|entry| (entry.intid(), Arc::clone(&entry.shared))).collect())
    }

    /// Runs the action; false if there is none, or if the interrupt has to be silenced.
    pub(super) fn take(&self, irq: &Irq<'_>) -> bool {
        match self.0.binary_search_by_key(&irq.intid, |row| row.0) {
            Ok(at) => self.0[at].1.take(irq),
            Err(_) => false,
        }
    }
}
