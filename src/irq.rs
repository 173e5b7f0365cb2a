//! Shared interrupts: the driver's action, the CPUs that may take the interrupt, the CPU that does.
//!
//! An entry has the affinity that the user asked for, which only another request of the user
//! changes, and the CPU that takes the interrupt, which hotplug changes. A [`RoutePlan`] says where
//! every interrupt goes, for a whole set of leaving CPUs at once: computed in temporaries, so that
//! a refusal has changed nothing, and applied by the boot CPU before the first CPU leaves. The
//! targets come from [`Survivors`] alone. After CPUs came up, the same plan is made with all of
//! them online.
//!
//! Handlers read one thing: the table of actions, an [`RcuCell`]. A handler takes no lock,
//! allocates nothing and frees nothing.
//!
//! One lock, `entries`, is over the routes. Ordinary context only, and held with interrupts on,
//! since no handler takes this lock. Lock order: `entries`, then the callback list of RCU
//! ([`Rcu::call`]). The lock is never held while a grace period is waited for.

mod choice;
mod descriptor;
mod error;
mod list;
mod plan;
mod words;

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

pub use descriptor::{Action, AffinityKind, Handled, Irq, Wanted};
pub use error::IrqError;
pub use list::{IrqCounter, Row};
pub use plan::RoutePlan;
pub use words::Words;

use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::machine::Seam;
use crate::machine::irq::{IrqChip, Route};
use crate::rcu::{How, Rcu, RcuCell};
use choice::Loads;
use descriptor::{ActionTable, Descriptor, IrqEntry};

/// Numbers of shared interrupts that this kernel routes: the SPIs (IHI 0069 2.2). Extended SPIs
/// have registers of their own, and no machine in sight uses any.
const SHARED: core::ops::Range<u32> = 32..1020;

/// How long [`Irqs::free`] waits for handlers that may still run, milliseconds.
const FREE_MS: u64 = 1000;

/// All shared interrupts.
pub struct Irqs {
    table: RcuCell<ActionTable>,
    /// In rising order of the interrupt number.
    entries: Mutex<Vec<IrqEntry>>,
}

/// The caller of a change to the table, and what the change needs.
#[derive(Clone, Copy)]
pub struct Here<'a> {
    /// The machine.
    pub machine: &'a dyn Seam,
    /// The calling CPU.
    pub cpu: CpuId,
    /// The RCU under which handlers read the table.
    pub rcu: &'a Rcu,
    /// The CPUs to which interrupts may be routed.
    pub online: &'a Survivors,
}

impl Default for Irqs {
    fn default() -> Self {
        let table = RcuCell::new(Box::new(ActionTable::default()));
        Self { table, entries: Mutex::new(Vec::new()) }
    }
}

impl Irqs {
    /// Configures, routes and enables an interrupt, whose action runs from now on. Boot CPU, in
    /// ordinary context. An interrupt whose affinity has no online CPU is masked
    /// ([`AffinityKind::Managed`]) or goes elsewhere ([`AffinityKind::Balanced`]) until such a CPU
    /// is there.
    ///
    /// # Errors
    /// The number is no SPI or is taken already, or its route did not take; nothing has changed.
    pub fn request(&self, here: &Here<'_>, wanted: Wanted) -> Result<(), IrqError> {
        let interrupt = wanted.interrupt;
        let intid = interrupt.intid;
        if !SHARED.contains(&intid) || intid >= here.machine.shared_end() {
            return Err(IrqError::NotShared(intid));
        }
        let mut entries = self.entries.lock();
        let Err(at) = find(&entries, intid) else {
            return Err(IrqError::Taken(intid, entries[find(&entries, intid).unwrap_or(0)].name()));
        };
        let (entry, route) = IrqEntry::new(wanted, here.online, &Loads::of(&entries))?;
        entries.insert(at, entry);
        self.publish(here, &entries); // before the enable: the first interrupt finds its action
        here.machine.configure(interrupt); // masked until now: no user had it
        let routed = here.machine.apply(&[route]);
        if let Err(error) = routed {
            let entry = entries.remove(at);
            self.publish(here, &entries);
            return Err(IrqError::route(entry.name(), route, error));
        }
        Ok(())
    }

    /// Masks an interrupt and takes its action away; when this returns without an error, the action
    /// does not run any more. Boot CPU, in ordinary context.
    ///
    /// # Errors
    /// The interrupt is not in use; or a CPU that may still run the action is silent, and then the
    /// action's memory is kept until that CPU has been quiescent.
    pub fn free(&self, here: &Here<'_>, intid: u32) -> Result<(), IrqError> {
        let mut entries = self.entries.lock();
        let at = find(&entries, intid).map_err(|_| IrqError::Unknown(intid))?;
        here.machine.enable(intid, false);
        let entry = entries.remove(at);
        self.publish(here, &entries);
        drop(entries);
        let deadline = here.machine.now() + here.machine.ticks_from_ms(FREE_MS);
        let over = here.rcu.synchronize(here.machine, here.cpu, How::Expedited, deadline);
        over.map_err(|stall| {
            here.rcu.call(here.cpu, Box::new(move || drop(entry)));
            IrqError::StillRunning(intid, stall.cpus)
        })
    }

    /// Replaces the table of actions. The old table is freed after a grace period.
    fn publish(&self, here: &Here<'_>, entries: &[IrqEntry]) {
        here.rcu.free_later(here.cpu, self.table.replace(Box::new(ActionTable::of(entries))));
    }

    /// Runs the action of an interrupt that this CPU has taken. False if there is no action, or if
    /// the action has found no reason too often in a row: the caller then disables the interrupt.
    /// From the interrupt handler.
    pub fn handle(&self, rcu: &Rcu, machine: &dyn Seam, cpu: CpuId, intid: u32) -> bool {
        let entered = rcu.irq_enter(cpu);
        let taken = {
            let guard = rcu.read(cpu);
            self.table.read(&guard).take(&Irq { intid, cpu, machine })
        };
        rcu.irq_exit(cpu, entered);
        taken
    }

    /// Where every interrupt goes if these CPUs stay. Changes nothing.
    ///
    /// # Errors
    /// No CPU stays.
    pub fn plan(&self, survivors: &Survivors) -> Result<RoutePlan, IrqError> {
        RoutePlan::new(&self.entries.lock(), survivors)
    }

    /// Carries a plan out: afterwards no interrupt goes to a CPU that leaves, read back from the
    /// hardware. Boot CPU, before the first CPU leaves.
    ///
    /// # Errors
    /// The first interrupt whose route did not read back as written, and where it goes. All
    /// interrupts are where they were.
    pub fn apply(&self, m: &dyn IrqChip, plan: &RoutePlan) -> Result<(), IrqError> {
        let mut entries = self.entries.lock();
        if let Err(error) = plan.route(m) {
            return Err(plan.explain(&entries, error));
        }
        for route in plan.routes() {
            if let Ok(at) = find(&entries, route.intid) {
                entries[at].follow(route);
            }
        }
        Ok(())
    }

    /// Routes every interrupt to where its affinity wants it, as far as those CPUs are online. Boot
    /// CPU, after CPUs came up, or when a teardown was called off.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn restore(&self, m: &dyn IrqChip, online: &Survivors) -> Result<(), IrqError> {
        let plan = self.plan(online)?;
        self.apply(m, &plan)
    }

    /// Sets the affinity that the user wants. The interrupt is not moved if the CPU that takes it
    /// is among these CPUs. Boot CPU; `online` has the CPUs that are online.
    ///
    /// # Errors
    /// The interrupt is not in use, none of the CPUs is online, the device binds the interrupt to
    /// certain CPUs, or the route did not read back as written; nothing has changed.
    pub fn set_affinity(
        &self,
        m: &dyn IrqChip,
        online: &Survivors,
        intid: u32,
        wanted: &CpuMask,
    ) -> Result<(), IrqError> {
        let mut entries = self.entries.lock();
        let at = find(&entries, intid).map_err(|_| IrqError::Unknown(intid))?;
        let entry = &entries[at];
        if entry.kind() == AffinityKind::Managed {
            return Err(IrqError::Bound(intid, entry.name(), entry.requested));
        }
        let to = choice::among(entry.at, wanted, online, &Loads::of(&entries))
            .ok_or(IrqError::NobodyOnline(intid, *wanted))?;
        let route = Route { intid, to, enable: !entry.silenced() };
        m.apply(&[route]).map_err(|error| IrqError::route(entry.name(), route, error))?;
        let entry = &mut entries[at];
        (entry.requested, entry.home) = (*wanted, Some(to.cpu()));
        entry.follow(&route);
        Ok(())
    }

    /// The CPU that takes an interrupt; `None` if the interrupt is not in use, or masked.
    pub fn effective(&self, intid: u32) -> Option<CpuId> {
        let entries = self.entries.lock();
        find(&entries, intid).ok().and_then(|at| entries[at].effective())
    }

    /// All interrupts in use, in rising order of the number.
    pub fn rows(&self) -> Vec<Row> {
        self.entries.lock().iter().map(Row::of).collect()
    }

    /// The count of one interrupt, for a caller that looks often; `None` if the interrupt is not in
    /// use.
    pub fn counter(&self, intid: u32) -> Option<IrqCounter> {
        let entries = self.entries.lock();
        let at = find(&entries, intid).ok()?;
        Some(IrqCounter(entries[at].shared.clone()))
    }

    /// The first interrupt that the hardware routes to one of `cpus`, and which of them: none once
    /// a plan is applied under which these CPUs leave. Reads one register for each interrupt.
    pub fn stray(&self, m: &dyn IrqChip, cpus: &CpuMask) -> Option<(u32, CpuId)> {
        let entries = self.entries.lock();
        let routed = entries.iter().filter_map(|e| Some((e.intid(), m.route_of(e.intid())?)));
        routed.into_iter().find(|(_, cpu)| cpus.contains(*cpu))
    }
}

/// Where an interrupt is among the entries, or would be.
fn find(entries: &[IrqEntry], intid: u32) -> Result<usize, usize> {
    entries.binary_search_by_key(&intid, IrqEntry::intid)
}

/// A descriptor, shared by the table that handlers read, the entries, and counters.
type SharedDescriptor = Arc<Descriptor>;
