//! A simulated machine: a value with N CPUs, decided by a seed.
//!
//! Every CPU is a coroutine. Only one runs at a time, and at every call through the seam the seed
//! decides who is next; time passes by small random amounts per call, and jumps when all sleep. The
//! same seed gives the same run to the last call. [`rules`] watches every event.
#![allow(dead_code, unreachable_pub)] // each scenario file uses its own part

mod cluster;
mod cpu;
mod distributor;
mod faults;
pub mod ops;
mod random;
mod rules;
mod shared;
mod state;

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use baton::cpu::{CpuId, CpuMask, Mpidr, Topology};
use baton::hotplug::Hotplug;
use baton::hotplug::ap::ApNext;
use baton::hotplug::state::CpuRequest;
use baton::interrupt::Interrupt;
use baton::irq::{AffinityKind, Handled, Here, Wanted};
use baton::platform::Cluster;
use baton::services::Services;
use baton::trace::{Event, Mark, What};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
pub use cpu::Cpu;
#[allow(unused_imports)] // as above
pub use distributor::Controller;
#[allow(unused_imports)] // as above
pub use faults::{Act, Answer, Faults};
pub use random::Random;
pub use state::Power;
use state::{Doing, State, Turn};

/// One tick is a nanosecond.
pub const HZ: u64 = 1_000_000_000;

/// How long a phase may take, unless a scenario says otherwise.
pub const TIMEOUT_MS: u64 = 2_000;

const STACK: usize = 64 << 10;
const BOOT_STACK: usize = 512 << 10;
/// The console's interrupt.
const CONSOLE: u32 = 33;

type Life = Coroutine<(), (), ()>;

/// The machine and the engine under test.
pub struct Sim {
    /// The engine.
    pub hp: Hotplug,
    /// What its steps act on.
    pub services: Arc<Services>,
    state: Mutex<State>,
}

impl Sim {
    /// `n` CPUs; the seed also chooses which of them boots, and whose the interrupt controller is.
    pub fn new(n: usize, seed: u64) -> Arc<Self> {
        let kvm = Random::new(seed ^ 0x61c).one_in(2);
        Self::with(if kvm { Controller::Kvm } else { Controller::Architecture }, n, seed)
    }

    /// With this interrupt controller.
    pub fn with(controller: Controller, n: usize, seed: u64) -> Arc<Self> {
        Self::made_of(controller, clusters(n, seed), n, seed)
    }

    /// With clusters of this many CPUs.
    pub fn in_clusters_of(size: usize, n: usize, seed: u64) -> Arc<Self> {
        let clusters = (0..n / size).map(|i| cluster(i, i * size..(i + 1) * size)).collect();
        Self::made_of(Controller::Architecture, clusters, n, seed)
    }

    fn made_of(controller: Controller, clusters: Vec<Cluster>, n: usize, seed: u64) -> Arc<Self> {
        let boot = Random::new(seed ^ 0xb007).below(n as u64);
        let mpidr = |i: u64| Mpidr::from_register((i & 0xff) << 8 | (i >> 8) << 16);
        let mpidrs: Vec<_> = (0..n as u64).map(mpidr).collect();
        let topology = Topology::new(&mpidrs, mpidrs[boot as usize]).unwrap();
        let state = State::new(n, topology.boot(), seed, &clusters, controller);
        let services = Arc::new(Services::new(&topology, &clusters));
        let hp = Hotplug::new(topology, services.clone(), 1);
        hp.set_timeout_ms(TIMEOUT_MS);
        Arc::new(Self { hp, services, state: Mutex::new(state) })
    }

    /// Runs `body` on the boot CPU and every other CPU along with it, until `body` returns.
    pub fn run<R: 'static>(
        self: &Arc<Self>,
        body: impl FnOnce(&Sim, &Cpu<'_>) -> R + 'static,
    ) -> R {
        let boot = self.hp.topology().boot();
        let result = Rc::new(RefCell::new(None));
        let mut lives: Vec<Option<Life>> = (0..self.hp.topology().len()).map(|_| None).collect();
        lives[boot.index()] = Some(self.life(boot, BOOT_STACK, {
            let result = result.clone();
            move |sim, cpu| {
                sim.hp.boot_cpu_up(cpu).unwrap();
                sim.request_console(cpu);
                *result.borrow_mut() = Some(body(sim, cpu));
            }
        }));
        // When a rule is broken, the stacks stay: nothing may run on them any more.
        let mut lives = ManuallyDrop::new(lives);
        while lives[boot.index()].is_some() {
            self.turn(&mut lives);
        }
        drop(ManuallyDrop::into_inner(lives));
        Rc::into_inner(result).unwrap().into_inner().unwrap()
    }

    fn turn(self: &Arc<Self>, lives: &mut [Option<Life>]) {
        let turn = self.state().next();
        match turn {
            Turn::Deadlock => panic!("everybody sleeps for ever:\n{}", self.report()),
            Turn::Start(cpu, start) => lives[cpu.index()] = Some(self.secondary(cpu, start)),
            Turn::Run(cpu) => {
                let life = &mut lives[cpu.index()];
                let coroutine = life.as_mut().expect("a CPU that is ready has a life");
                if let CoroutineResult::Return(()) = coroutine.resume(()) {
                    *life = None;
                }
            }
        }
    }

    fn life(
        self: &Arc<Self>,
        id: CpuId,
        stack: usize,
        body: impl FnOnce(&Sim, &Cpu<'_>) + 'static,
    ) -> Life {
        let sim = self.clone();
        let run = move |yielder: &Yielder<(), ()>, ()| {
            body(&sim, &Cpu { sim: &sim, id, yielder });
        };
        Coroutine::with_stack(DefaultStack::new(stack).unwrap(), run)
    }

    fn secondary(self: &Arc<Self>, id: CpuId, start: u32) -> Life {
        self.life(id, STACK, move |sim, cpu| {
            let next = sim.hp.secondary(cpu, id, start);
            if next == ApNext::Park || !cpu.cpu_off() {
                sim.hp.off_denied(cpu, id, start).say();
                cpu.park();
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Who is where, for a run that hangs.
    pub fn report(&self) -> String {
        let state = self.state();
        let line = |(i, c): (usize, &state::CpuState)| {
            let mark = self.hp.mark(CpuId(i as u16));
            let request = self.hp.request(CpuId(i as u16));
            format!(
                "cpu {i}: {mark} {:?} {:?} lost {}, asked to {request:?}\n",
                c.power, c.doing, c.lost
            )
        };
        state.cpus.iter().enumerate().map(line).collect()
    }

    /// True if the CPU is online and nobody has asked it to leave.
    fn may_take(&self, cpu: CpuId) -> bool {
        let asked = matches!(self.hp.request(cpu), CpuRequest::Leave(_) | CpuRequest::Stop(_));
        self.hp.mark(cpu) == Mark::Online && !asked
    }

    /// At each event: no route and no view has a CPU that was asked to leave, and who is OFFLINE has
    /// left nothing behind.
    fn agrees(&self, caller: CpuId, state: &State, event: &Event) {
        let What::Mark(mark) = event.what else { return };
        for (intid, (cpu, _)) in &state.spis.routes {
            assert!(self.may_take(*cpu), "interrupt {intid} is routed to {cpu}, at {event:?}");
        }
        if self.services.rcu.running().contains(caller) {
            let guard = self.services.rcu.read(caller);
            for cpu in self.hp.online_view(&guard).iter() {
                assert!(self.may_take(cpu), "cpu {cpu} is in the view, at {event:?}");
            }
        }
        let parts = &self.services;
        if mark == Mark::Offline {
            let left = [parts.timers.len(event.cpu), parts.rcu.pending(event.cpu)];
            assert_eq!(left, [0, 0], "cpu {} has left timers or callbacks", event.cpu);
            let work = parts.work.len(event.cpu);
            assert!(work == 0 || parts.work.pinned(event.cpu), "it has left work");
        }
    }

    /// In a serial teardown, nobody else takes interrupts while a CPU dies.
    fn serial_holds(&self, state: &State, caller: CpuId) {
        if !state.rules.serial {
            return;
        }
        for dying in state.rules.dying() {
            for (i, other) in state.cpus.iter().enumerate() {
                let cpu = CpuId(i as u16);
                let stays = cpu != dying && cpu != state.boot && self.hp.mark(cpu) == Mark::Online;
                assert!(
                    !(stays && other.interrupts),
                    "cpu {cpu} takes interrupts while {dying} dies (seen by {caller})"
                );
            }
        }
    }
}

/// What scenarios look at and change.
impl Sim {
    /// All CPUs but the boot CPU.
    pub fn aps(&self) -> CpuMask {
        let boot = CpuMask::from_iter([self.hp.topology().boot()]);
        CpuMask::first(self.hp.topology().len()).and_not(&boot)
    }

    /// The `i`th CPU beside the boot CPU.
    pub fn ap(&self, i: usize) -> CpuId {
        self.aps().iter().nth(i).unwrap()
    }

    pub fn boot(&self) -> CpuId {
        self.hp.topology().boot()
    }

    pub fn faults(&self, cpu: CpuId, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().cpu(cpu).faults);
    }

    pub fn slow(&self, cpu: CpuId, times: u64) {
        self.state().cpu(cpu).slow = times;
    }

    pub fn lose(&self, cpu: CpuId) {
        self.state().lose(cpu);
    }

    pub fn revive(&self, cpu: CpuId) {
        self.state().revive(cpu);
    }

    /// The console's interrupt is wanted on one CPU; false if that is refused.
    pub fn set_console(&self, m: &Cpu<'_>, cpu: CpuId) -> bool {
        let (irqs, wanted) = (&self.services.irqs, CpuMask::from_iter([cpu]));
        irqs.set_affinity(m, &self.hp.everybody_stays(), CONSOLE, &wanted).is_ok()
    }

    /// The CPU that takes it, as the hardware has it.
    pub fn console(&self) -> CpuId {
        self.state().spis.routes[&CONSOLE].0
    }

    fn request_console(&self, m: &Cpu<'_>) {
        let online = self.hp.everybody_stays();
        let (rcu, cpu) = (&self.services.rcu, self.boot());
        let wanted = Wanted {
            interrupt: Interrupt::level(CONSOLE),
            name: "console".into(),
            affinity: CpuMask::first(self.hp.topology().len()),
            kind: AffinityKind::Balanced,
            action: Box::new(|_| Handled::Yes),
        };
        let here = Here { machine: m, cpu, rcu, online: &online };
        self.services.irqs.request(&here, wanted).unwrap();
    }

    pub fn set_serial(&self, serial: bool) {
        self.state().rules.serial = serial;
    }

    pub fn power(&self, cpu: CpuId) -> Power {
        self.state().cpu(cpu).power
    }

    pub fn prepared(&self, cpu: CpuId) -> bool {
        self.state().cpu(cpu).prepared
    }

    pub fn marks(&self) -> Vec<(CpuId, Mark)> {
        self.state().rules.marks.clone()
    }

    pub fn ipis_to_boot(&self) -> u64 {
        let boot = self.boot();
        self.state().cpu(boot).waits_ended_by_ipi
    }

    pub fn trace(&self) -> u64 {
        self.state().trace
    }

    pub fn now(&self) -> u64 {
        self.state().now
    }

    /// How often the machine has been asked for something.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// What the engine believes and what is so.
    pub fn truth(&self) {
        for cpu in self.hp.topology().cpus() {
            let (mark, power, prepared) = (self.hp.mark(cpu), self.power(cpu), self.prepared(cpu));
            let fits = match mark {
                Mark::Online | Mark::TeardownCpu | Mark::Quarantined => {
                    power == Power::On && prepared
                }
                Mark::Offline => power == Power::Off && !prepared,
                Mark::Dead => power == Power::Off,
                _ => true,
            };
            assert!(fits, "cpu {cpu} is at {mark}, {power:?}, prepared: {prepared}");
            let interrupts = self.state().cpu(cpu).interrupts;
            assert!(
                mark != Mark::Online
                    || interrupts
                    || self.state().cpu(cpu).lost
                    // Who ended the standstill is about to wake it.
                    || matches!(self.hp.request(cpu), CpuRequest::StandStill(_))
                    || self.state().cpu(cpu).doing != Doing::Sleeping(None),
                "cpu {cpu} is deaf"
            );
        }
        let console = self.console();
        assert_eq!(self.hp.mark(console), Mark::Online, "console: {console:?}");
        assert_eq!(self.services.irqs.effective(CONSOLE), Some(console));
    }
}

/// Clusters of two, four or eight, or of any size, as the seed says; the last CPUs have none.
fn clusters(n: usize, seed: u64) -> Vec<Cluster> {
    let mut random = Random::new(seed ^ 0xd5);
    let size = random.pick(&[2, 2, 4, 8, 0]);
    let (mut clusters, mut at) = (Vec::new(), 0);
    while at < n - n % 3 {
        let size = if size == 0 { 1 + random.below(8) as usize } else { size };
        clusters.push(cluster(clusters.len(), at..n.min(at + size)));
        at += size;
    }
    clusters
}

/// The cluster of that number.
fn cluster(number: usize, cpus: std::ops::Range<usize>) -> Cluster {
    let cpus = cpus.map(|i| CpuId(i as u16)).collect();
    let interrupt = Interrupt::level(176 + number as u32);
    Cluster { cpus, interrupt, name: format!("dsu-pmu-{number}"), emulate: true }
}

/// Those of `all` at the given places.
pub fn some(all: &CpuMask, places: &[usize]) -> CpuMask {
    let cpus: Vec<_> = all.iter().collect();
    places.iter().map(|&i| cpus[i]).collect()
}

/// Runs a scenario under each seed; says which one broke it.
pub fn seeds(range: std::ops::Range<u64>, scenario: impl Fn(u64)) {
    for seed in range {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            eprintln!("seed {seed}");
            resume_unwind(panic);
        }
    }
}
