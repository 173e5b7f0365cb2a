extern crate std;
use std::sync::{Mutex, MutexGuard};

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::machine::pmu::PmuReg;

/// Registers of one cluster. An access is one instruction, so there is nothing for the checker to
/// look into here; the gate's own tests check that one CPU at a time is inside.
#[derive(Default)]
struct Registers(Mutex<Values>);

#[derive(Default)]
struct Values {
    enabled: bool,
    count: u64,
    interrupts: u32,
    overflowed: u32,
}

/// An event that no register lists, and the bit of the counter for that event.
const EVENT: u16 = events::LISTED;
const COUNTER: u32 = 1;

impl Registers {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap()
    }

    /// One event each.
    fn access(&self) -> MutexGuard<'_, Values> {
        let mut values = self.values();
        values.count += u64::from(values.enabled);
        values
    }
}

impl ClusterPmu for Registers {
    fn pmu_read(&self, register: PmuReg) -> u64 {
        let values = self.access();
        match register {
            PmuReg::EventCount => values.count,
            PmuReg::OverflowSet => u64::from(values.overflowed),
            PmuReg::Control => 1 << 11,
            _ => 0,
        }
    }

    fn pmu_write(&self, register: PmuReg, value: u64) {
        let mut values = self.access();
        match register {
            PmuReg::InterruptsOff => values.interrupts &= !(value as u32),
            PmuReg::InterruptsOn => values.interrupts |= value as u32,
            PmuReg::Control => values.enabled = value & 1 == 1,
            PmuReg::OverflowClear => values.overflowed &= !(value as u32),
            PmuReg::EventCount => values.count = value,
            _ => {}
        }
    }

    fn pmu_emulated(&self) -> bool {
        false
    }
}

struct Shared {
    pmu: Pmu,
    registers: Registers,
}

impl Shared {
    /// A cluster of three; 0, the owner, and 1 are online, and an event is counted.
    fn new() -> Arc<Self> {
        let interrupt = crate::interrupt::Interrupt::edge(40);
        let cluster = platform::Cluster {
            cpus: CpuMask::first(3),
            interrupt,
            name: "dsu".into(),
            emulate: true,
        };
        let shared = Self { pmu: Pmu::new(&[cluster]), registers: Registers::default() };
        shared.come(0);
        shared.come(1);
        shared.ask(Request::Open(EVENT));
        Arc::new(shared)
    }

    fn come(&self, cpu: u16) {
        self.pmu.cpu_online(&self.registers, CpuId(cpu));
    }

    fn leave(&self, cpu: u16) -> PmuLeft {
        let survivors = Survivors::freeze(&CpuMask::first(2), &CpuMask::first(2));
        self.pmu.cpu_leaving(&self.registers, CpuId(cpu), &survivors)
    }

    fn overflow(&self, cpu: u16) {
        assert!(self.pmu.overflow(&self.registers, 0, CpuId(cpu)));
    }

    fn ask(&self, request: Request) {
        let pause = &mut |_| {
            thread::yield_now();
            true
        };
        self.pmu.ask(&self.registers, CpuId(0), 0, request, pause).unwrap();
    }

    /// (counting, overflow interrupts)
    fn state(&self) -> (bool, u32) {
        let values = self.registers.values();
        (values.enabled, values.interrupts)
    }
}

/// Every interleaving with up to four switches away from a CPU that could go on.
fn check(scenario: fn()) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(scenario);
}

fn spawn(shared: &Arc<Shared>, act: fn(&Shared)) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || act(&shared))
}

/// The owner leaves, another CPU leaves too, and a third one arrives: the arriving CPU owns the
/// cluster in the end, and the counters run, whichever CPU was at the registers last.
#[test]
fn loom_pmu_owner_leaves_while_one_arrives() {
    check(|| {
        let shared = Shared::new();
        let threads = [spawn(&shared, |s| _ = s.leave(0)), spawn(&shared, |s| _ = s.leave(1))];
        shared.come(2);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(shared.pmu.owner(0), Some(CpuId(2)));
        assert_eq!(shared.state(), (true, COUNTER));
        assert!(shared.pmu.info()[0].counting);
    });
}

/// All leave, and the last but one has an overflow to handle: nothing runs and nothing interrupts.
#[test]
fn loom_pmu_all_leave_and_nothing_is_left_running() {
    check(|| {
        let shared = Shared::new();
        let other = spawn(&shared, |s| {
            s.overflow(1);
            s.leave(1);
        });
        shared.leave(0);
        other.join().unwrap();
        assert_eq!((shared.pmu.owner(0), shared.state()), (None, (false, 0)));
        let info = &shared.pmu.info()[0];
        assert!(!info.counting && info.events[0].total > 0, "{info:?}");
    });
}

/// A read and two overflow interrupts at once: the interrupts are on again in the end, and the
/// overflow was counted once.
#[test]
fn loom_pmu_overflow_interrupts_are_never_lost() {
    check(|| {
        let shared = Shared::new();
        shared.registers.values().overflowed = COUNTER;
        let threads = [spawn(&shared, |s| s.overflow(1)), spawn(&shared, |s| s.ask(Request::Read))];
        shared.overflow(0);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(shared.state(), (true, COUNTER));
        assert_eq!(shared.registers.values().overflowed, 0);
        assert_eq!(shared.pmu.info()[0].overflows, 1);
    });
}
