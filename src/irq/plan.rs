//! Where every interrupt goes, for a whole set of leaving CPUs at once.

use alloc::vec::Vec;

use super::choice::{self, Choice, Loads};
use super::descriptor::IrqEntry;
use super::{IrqError, find};
use crate::cpu::{CpuMask, Survivors};
use crate::machine::irq::{IrqChip, Route, RouteError};

/// The routes that change, and the routes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoutePlan {
    there: Vec<Route>,
    back: Vec<Route>,
}

impl RoutePlan {
    /// First the interrupts that are [`settled`](choice::settled), which make up the loads; then
    /// all others in rising order of the number, each to the CPU with the least load so far.
    pub(super) fn new(entries: &[IrqEntry], survivors: &Survivors) -> Result<Self, IrqError> {
        let mut loads = Loads::none();
        let settled: Vec<_> = entries.iter().map(|e| choice::settled(e, survivors)).collect();
        settled.iter().flatten().for_each(|to| loads.add(to.cpu()));
        let everybody = everybody(survivors);
        let mut plan = Self { there: Vec::new(), back: Vec::new() };
        for (entry, settled) in entries.iter().zip(settled) {
            let choice = match settled {
                Some(to) => Choice { to, enable: true },
                None => moved(entry, survivors, &mut loads)?,
            };
            plan.note(entry, choice, &everybody);
        }
        Ok(plan)
    }

    fn note(&mut self, entry: &IrqEntry, choice: Choice, everybody: &Survivors) {
        let (intid, enable) = (entry.intid(), choice.enable && !entry.silenced());
        if (entry.at, entry.enabled) == (choice.to.cpu(), enable) {
            return;
        }
        self.there.push(Route { intid, to: choice.to, enable });
        let back = everybody.stays(entry.at);
        self.back.extend(back.map(|to| Route { intid, to, enable: entry.enabled }));
    }

    /// What changes, in rising order of the interrupt number.
    pub fn routes(&self) -> &[Route] {
        &self.there
    }

    /// Applies all routes, or none.
    pub(super) fn route(&self, m: &dyn IrqChip) -> Result<(), RouteError> {
        if self.there.is_empty() {
            return Ok(());
        }
        m.apply(&self.there).inspect_err(|_| {
            // The route that was refused has not moved. Writing it back may be refused again, and
            // that changes nothing.
            let _ = m.apply(&self.back);
        })
    }

    /// The error, with the interrupt's name and the CPU of the route as planned.
    pub(super) fn explain(&self, entries: &[IrqEntry], error: RouteError) -> IrqError {
        let route = self.there.iter().find(|route| route.intid == error.intid);
        let name = find(entries, error.intid).map(|at| entries[at].name()).unwrap_or_default();
        match route {
            Some(route) => IrqError::route(name, *route, error),
            None => IrqError::Unknown(error.intid),
        }
    }
}

fn moved(entry: &IrqEntry, survivors: &Survivors, loads: &mut Loads) -> Result<Choice, IrqError> {
    let choice = choice::moved(entry, survivors, loads).ok_or(IrqError::NobodyStays)?;
    if choice.enable {
        loads.add(choice.to.cpu());
    }
    Ok(choice)
}

/// The CPUs that stay and the CPUs that leave, as targets of the way back: if a route is refused,
/// the teardown is called off, and no CPU leaves.
fn everybody(survivors: &Survivors) -> Survivors {
    let all = survivors.mask().iter().chain(survivors.leaving().iter()).collect();
    Survivors::freeze(&all, &CpuMask::new())
}
