use alloc::vec;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::machine::pmu::PmuReg;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Registers of one cluster. Those that only the holder of the gate may touch are accessed by plain
/// loads and stores: a second holder, or one that does not see what the last one did, is found out.
struct Registers {
    inside: AtomicU32,
    enabled: AtomicU32,
    cycles: AtomicU64,
    interrupts: AtomicU32,
    overflowed: AtomicU32,
}

const CYCLES: u32 = 1 << 31;

impl Registers {
    fn alone<T>(&self, act: impl FnOnce() -> T) -> T {
        assert_eq!(self.inside.load(Relaxed), 0, "two at the registers");
        self.inside.store(1, Relaxed);
        let result = act();
        self.inside.store(0, Relaxed);
        result
    }
}

impl ClusterPmu for Registers {
    fn pmu_read(&self, register: PmuReg) -> u64 {
        self.alone(|| match register {
            PmuReg::Cycles => {
                let cycles = self.cycles.load(Relaxed) + u64::from(self.enabled.load(Relaxed));
                self.cycles.store(cycles, Relaxed);
                cycles
            }
            PmuReg::OverflowSet => u64::from(self.overflowed.load(Relaxed)),
            PmuReg::Control => 1 << 11,
            _ => 0,
        })
    }

    fn pmu_write(&self, register: PmuReg, value: u64) {
        match register {
            // One instruction each, and from handlers without the gate.
            PmuReg::InterruptsOff => {
                self.interrupts.fetch_and(!(value as u32), Relaxed);
            }
            PmuReg::InterruptsOn => {
                self.interrupts.fetch_or(value as u32, Relaxed);
            }
            PmuReg::Control => self.alone(|| self.enabled.store(value as u32 & 1, Relaxed)),
            PmuReg::OverflowClear => self.alone(|| {
                let rest = self.overflowed.load(Relaxed) & !(value as u32);
                self.overflowed.store(rest, Relaxed);
            }),
            PmuReg::Cycles => self.alone(|| self.cycles.store(value, Relaxed)),
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
    /// A cluster of three; 0, the owner, and 1 are online, and cycles are counted.
    fn new() -> Arc<Self> {
        let cluster = platform::Cluster { cpus: CpuMask::first(3), intid: 40, name: "dsu".into() };
        let registers = Registers {
            inside: AtomicU32::new(0),
            enabled: AtomicU32::new(0),
            cycles: AtomicU64::new(0),
            interrupts: AtomicU32::new(0),
            overflowed: AtomicU32::new(0),
        };
        let shared = Self { pmu: Pmu::new(&vec![cluster]), registers };
        shared.come(0);
        shared.come(1);
        shared.ask(Request::Open(events::CYCLES));
        Arc::new(shared)
    }

    fn come(&self, cpu: u16) {
        self.pmu.cpu_online(&self.registers, CpuId(cpu));
    }

    fn leave(&self, cpu: u16) -> Left {
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
    fn state(&self) -> (u32, u32) {
        (self.registers.enabled.load(Relaxed), self.registers.interrupts.load(Relaxed))
    }
}

fn spawn(shared: &Arc<Shared>, act: fn(&Shared)) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || act(&shared))
}

/// The owner leaves, a third one leaves too, and a CPU arrives: it owns the cluster in the end, and
/// the counters run, whoever was at the registers last.
#[test]
fn loom_pmu_owner_leaves_while_one_arrives() {
    loom::model(|| {
        let shared = Shared::new();
        let threads = [spawn(&shared, |s| _ = s.leave(0)), spawn(&shared, |s| _ = s.leave(1))];
        shared.come(2);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(shared.pmu.owner(0), Some(CpuId(2)));
        assert_eq!(shared.state(), (1, CYCLES));
        assert!(shared.pmu.info()[0].counting);
    });
}

/// All leave, and the last but one has an overflow to handle: nothing runs and nothing interrupts.
#[test]
fn loom_pmu_all_leave_and_nothing_is_left_running() {
    loom::model(|| {
        let shared = Shared::new();
        let other = spawn(&shared, |s| {
            s.overflow(1);
            s.leave(1);
        });
        shared.leave(0);
        other.join().unwrap();
        assert_eq!((shared.pmu.owner(0), shared.state()), (None, (0, 0)));
        let info = &shared.pmu.info()[0];
        assert!(!info.counting && info.events[0].total > 0, "{info:?}");
    });
}

/// A read and two overflow interrupts at once: the interrupts are on again in the end, and the
/// overflow was counted once.
#[test]
fn loom_pmu_overflow_interrupts_are_never_lost() {
    loom::model(|| {
        let shared = Shared::new();
        shared.registers.overflowed.store(CYCLES, Relaxed);
        let threads = [spawn(&shared, |s| s.overflow(1)), spawn(&shared, |s| s.ask(Request::Read))];
        shared.overflow(0);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(shared.state(), (1, CYCLES));
        assert_eq!(shared.registers.overflowed.load(Relaxed), 0);
        assert_eq!(shared.pmu.info()[0].overflows, 1);
    });
}
