//! The owner of a cluster's PMU: one word, so that leaving, arriving and taking over can't
//! disagree.
//!
//! Invariants of the word, which every update keeps:
//!
//! - The owner is present.
//! - If CPUs are present and none is the owner, each of these was leaving when the last owner went:
//!   an owner that leaves passes the cluster on to a present CPU that stays, if there is one, and a
//!   CPU that arrives takes a cluster that has no owner.
//! - LOST is set only while there is no owner. The next owner is told, and clears it.
//!
//! Whether a CPU stays is not in the word; the survivors of the teardown say so, which do not
//! change while the update is tried again.

use crate::cpu::Target;
use crate::sync::atomic::{AtomicU32, Ordering};

/// Most CPUs of a cluster that can be told apart: bits of the word. A DSU has at most 8, its
/// successors at most 14.
pub(super) const CPUS: usize = 16;

const OWNER_SHIFT: u32 = 16;
/// The owner's index plus one, so that 0 means vacant.
const OWNER: u32 = 0x1f << OWNER_SHIFT;
/// The last owner went without stopping the counters.
const LOST: u32 = 1 << 24;

/// What [`PmuOwner::arrive`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// Another CPU owns the cluster.
    Joined,
    /// The cluster was vacant and is this CPU's now.
    Took,
    /// As `Took`, and the last owner went without stopping the counters.
    TookLost,
}

/// What became of a CPU's share in its cluster when it left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PmuLeft {
    /// Another CPU is the owner, or none.
    Bystander,
    /// The CPU was the owner, and the target is the owner now. The counters go on, since the
    /// registers are the cluster's.
    Passed(Target),
    /// The CPU was the owner, and no CPU of the cluster stays: the counters are stopped.
    Vacant,
}

/// Present CPUs in bits 15:0, the owner's index plus one in 20:16 (0 if vacant), bit 24 if the last
/// owner was lost. An index is a CPU's place in its cluster.
pub(super) struct PmuOwner(AtomicU32);

impl Default for PmuOwner {
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

impl PmuOwner {
    /// A CPU comes, and takes the cluster if that is vacant. Of several CPUs that come together
    /// exactly one does.
    pub(super) fn arrive(&self, index: u32) -> Arrival {
        let before = self.update(|word| arrived(word, index));
        match (owner_in(before), before & LOST != 0) {
            (Some(_), _) => Arrival::Joined,
            (None, false) => Arrival::Took,
            (None, true) => Arrival::TookLost,
        }
    }

    /// A CPU goes. If that CPU is the owner, the first present CPU for which `stays` has a target
    /// is the next owner.
    pub(super) fn leave(&self, index: u32, stays: &dyn Fn(u32) -> Option<Target>) -> PmuLeft {
        // Computed once more from the value that the update replaced: the outcome belongs to
        // exactly that change.
        let before = self.update(|word| left(word, index, stays).0);
        left(before, index, stays).1
    }

    /// The same for a CPU that is gone without having left. If the cluster is vacant then, its
    /// counters were not stopped and can't be trusted: the next owner begins anew.
    pub(super) fn forget(&self, index: u32, stays: &dyn Fn(u32) -> Option<Target>) -> PmuLeft {
        let mark = |(word, left)| if left == PmuLeft::Vacant { word | LOST } else { word };
        let before = self.update(|word| mark(left(word, index, stays)));
        left(before, index, stays).1
    }

    /// The owner's index. Acquire: pairs with `update`. A CPU that sees an owner sees what that
    /// owner did before taking over.
    pub(super) fn get(&self) -> Option<u32> {
        owner_in(self.0.load(Ordering::Acquire))
    }

    /// Indices of the CPUs that are present, one bit each. At a glance: relaxed.
    pub(super) fn present(&self) -> u32 {
        present_in(self.0.load(Ordering::Relaxed))
    }

    fn update(&self, next: impl Fn(u32) -> u32) -> u32 {
        // AcqRel: pairs with itself and with `get`. The next owner sees all that the last one did
        // with the cluster before leaving.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Some(next(word)))
            .unwrap_or_else(|word| word)
    }
}

fn present_in(word: u32) -> u32 {
    word & ((1 << CPUS) - 1)
}

fn owner_in(word: u32) -> Option<u32> {
    ((word & OWNER) >> OWNER_SHIFT).checked_sub(1)
}

/// The word with this CPU as the owner. Clears LOST: the caller of the update is told.
fn owned_by(word: u32, index: u32) -> u32 {
    word & !(OWNER | LOST) | (index + 1) << OWNER_SHIFT
}

/// The word after a CPU has come.
fn arrived(word: u32, index: u32) -> u32 {
    let word = word | 1 << index;
    if owner_in(word).is_some() { word } else { owned_by(word, index) }
}

/// The word after a CPU has gone, and what became of its share. An owner is followed by the present
/// CPU with the lowest index that stays.
fn left(word: u32, index: u32, stays: &dyn Fn(u32) -> Option<Target>) -> (u32, PmuLeft) {
    let rest = word & !(1 << index);
    if owner_in(word) != Some(index) {
        return (rest, PmuLeft::Bystander);
    }
    let mut others = (0..CPUS as u32).filter(|i| rest >> i & 1 == 1);
    match others.find_map(|i| stays(i).map(|target| (i, target))) {
        Some((next, target)) => (owned_by(rest, next), PmuLeft::Passed(target)),
        None => (rest & !OWNER, PmuLeft::Vacant),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cpu::{CpuId, CpuMask, Survivors};

    fn survivors(stay: &[u16], leaving: &[u16]) -> Survivors {
        let mask = |cpus: &[u16]| cpus.iter().map(|&c| CpuId(c)).collect::<CpuMask>();
        let (stay, leaving) = (mask(stay), mask(leaving));
        let online = stay.iter().chain(leaving.iter()).collect();
        Survivors::freeze(&online, &leaving)
    }

    fn stays(s: &Survivors) -> impl Fn(u32) -> Option<Target> {
        |i| s.stays(CpuId(i as u16)).or_else(|| s.newcomer(CpuId(i as u16)))
    }

    #[test]
    fn the_first_to_come_owns_and_the_last_to_go_leaves_it_vacant() {
        let (owner, s) = (PmuOwner::default(), survivors(&[], &[0, 1, 2]));
        assert_eq!(
            [2, 0, 1].map(|i| owner.arrive(i)),
            [Arrival::Took, Arrival::Joined, Arrival::Joined]
        );
        assert_eq!(owner.leave(0, &stays(&s)), PmuLeft::Bystander);
        assert_eq!(owner.leave(2, &stays(&s)), PmuLeft::Vacant, "1 is present and leaves too");
        assert_eq!((owner.get(), owner.present()), (None, 0b10));
        assert_eq!(owner.leave(1, &stays(&s)), PmuLeft::Bystander);
    }

    #[test]
    fn only_a_present_cpu_that_stays_takes_over() {
        let (owner, s) = (PmuOwner::default(), survivors(&[3, 15], &[0, 1]));
        [0, 1, 15].iter().for_each(|&i| _ = owner.arrive(i));
        let passed = owner.leave(0, &stays(&s));
        assert_eq!(
            passed,
            PmuLeft::Passed(s.stays(CpuId(15)).unwrap()),
            "3 stays but is not there"
        );
        assert_eq!(owner.get(), Some(15));
    }

    #[test]
    fn a_lost_owner_is_told_to_the_next_one_once() {
        let (owner, s) = (PmuOwner::default(), survivors(&[], &[0]));
        owner.arrive(0);
        assert_eq!(owner.forget(0, &stays(&s)), PmuLeft::Vacant);
        assert_eq!(owner.arrive(1), Arrival::TookLost);
        assert_eq!(owner.leave(1, &|_| None), PmuLeft::Vacant);
        assert_eq!(owner.arrive(1), Arrival::Took);
    }

    #[test]
    fn to_arrive_twice_changes_nothing_but_fills_a_vacancy() {
        let owner = PmuOwner::default();
        [0, 1].iter().for_each(|&i| _ = owner.arrive(i));
        assert_eq!(owner.arrive(1), Arrival::Joined);
        assert_eq!(owner.leave(0, &|_| None), PmuLeft::Vacant);
        assert_eq!(owner.arrive(1), Arrival::Took);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::cpu::{CpuId, CpuMask, Survivors};

    /// 0 and 1 leave (0 is the owner), 2 arrives after the freeze; `stay` says whether 3 was there
    /// before and stays. In every order: one owner, which stays and has never left.
    fn hand_over(stay: bool) {
        loom::model(move || {
            let owner = Arc::new(PmuOwner::default());
            [0, 1].iter().for_each(|&i| _ = owner.arrive(i));
            let leaving = CpuMask::first(2);
            let mut online = leaving;
            if stay {
                owner.arrive(3);
                online.insert(CpuId(3));
            }
            let s = Survivors::freeze(&online, &leaving);
            let stays =
                move |i: u32| s.stays(CpuId(i as u16)).or_else(|| s.newcomer(CpuId(i as u16)));
            let leavers: [_; 2] = [0, 1].map(|i| {
                let owner = owner.clone();
                thread::spawn(move || {
                    let left = owner.leave(i, &stays);
                    assert_ne!(owner.get(), Some(i), "it owns what it left");
                    left
                })
            });
            let arrival = owner.arrive(2);
            let left = leavers.map(|t| t.join().unwrap());
            let last = owner.get().expect("vacant, and a CPU is there that stays");
            assert_eq!(owner.present(), if stay { 0b1100 } else { 0b100 });
            assert_eq!(left[1], PmuLeft::Bystander, "it never was the owner");
            match (left[0], arrival) {
                (PmuLeft::Passed(to), Arrival::Joined) => assert_eq!(to.cpu().0 as u32, last),
                (PmuLeft::Vacant, Arrival::Took) => assert_eq!((last, stay), (2, false)),
                other => panic!("two owners, or none: {other:?}"),
            }
        });
    }

    #[test]
    fn loom_owner_hand_over_to_a_newcomer() {
        hand_over(false);
    }

    #[test]
    fn loom_owner_hand_over_to_a_survivor() {
        hand_over(true);
    }

    /// Three CPUs come to a vacant cluster: one owner.
    #[test]
    fn loom_one_of_those_that_come_together_is_the_owner() {
        loom::model(|| {
            let owner = Arc::new(PmuOwner::default());
            let come = |i| {
                let owner = owner.clone();
                thread::spawn(move || owner.arrive(i))
            };
            let threads = [0, 1].map(come);
            let mut arrivals = alloc::vec![owner.arrive(2)];
            arrivals.extend(threads.map(|t| t.join().unwrap()));
            assert_eq!(arrivals.iter().filter(|&&a| a == Arrival::Took).count(), 1);
            assert!(arrivals.iter().all(|&a| a != Arrival::TookLost));
        });
    }
}
