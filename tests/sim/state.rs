//! The machine's state and its clock: who can run, who sleeps until when, what firmware is at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use baton::cpu::CpuId;
use baton::machine::Affinity;
use baton::platform;

use super::cluster::Cluster;
use super::distributor::{Controller, Distributor};
use super::faults::Faults;
use super::random::Random;
use super::rules::Rules;

/// True power, whatever firmware says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    Off,
    Pending,
    On,
}

/// What a CPU that is on is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    Running,
    /// In the middle of something slow; nothing wakes it.
    Busy,
    /// In `wait`, for ever or until a deadline.
    Sleeping(Option<u64>),
    /// CPU_OFF was denied; it sits where nobody wakes it.
    Parked,
}

pub struct CpuState {
    pub power: Power,
    pub doing: Doing,
    /// How many starts it has had; what was scheduled in an earlier one is void.
    pub life: u32,
    /// Stops responding in the middle of whatever it does.
    pub lost: bool,
    /// How many times slower than the others.
    pub slow: u64,
    pub ipi_pending: bool,
    pub waits_ended_by_ipi: u64,
    pub gic: bool,
    pub ipi: bool,
    pub timer: bool,
    pub interrupts: bool,
    pub in_handler: bool,
    pub prepared: bool,
    /// What its boot record says.
    pub record: Option<u32>,
    /// Firmware says ON until then.
    pub on_until: u64,
    /// Firmware says OFF although it has accepted a CPU_ON.
    pub denies_pending: bool,
    pub faults: Faults,
}

impl CpuState {
    /// True if a shared interrupt gets through to it.
    pub fn takes_interrupts(&self) -> bool {
        self.power == Power::On && self.gic && self.interrupts && !self.in_handler
    }

    fn new() -> Self {
        Self {
            power: Power::Off,
            doing: Doing::Running,
            life: 0,
            lost: false,
            slow: 1,
            ipi_pending: false,
            waits_ended_by_ipi: 0,
            gic: false,
            ipi: false,
            timer: false,
            interrupts: false,
            in_handler: false,
            prepared: false,
            record: None,
            on_until: 0,
            denies_pending: false,
            faults: Faults::default(),
        }
    }
}

/// A guest's CPU stops running for a moment once in so many calls.
const EXIT: u64 = 3;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timed {
    /// The end of a sleep or of something slow.
    Wake,
    /// Firmware carries a CPU_ON out.
    Arrive,
    /// The line of the cluster with this number may go up.
    Line,
}

/// When, a tie-breaker, what, to whom, and in which of its lives.
type Alarm = (u64, u64, Timed, CpuId, u32);

/// What the executor has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Let this CPU run until it gives way.
    Run(CpuId),
    /// This CPU comes out of reset, with that number in its record.
    Start(CpuId, u32),
    /// Nobody can ever run again.
    Deadlock,
}

pub struct State {
    pub random: Random,
    pub now: u64,
    pub cpus: Vec<CpuState>,
    pub boot: CpuId,
    /// The registers of each cluster.
    pub clusters: Vec<Cluster>,
    pub spis: Distributor,
    /// For when the next overflow of each cluster is scheduled.
    next_lines: Vec<Option<u64>>,
    pub rules: Rules,
    /// Mixes everything that any CPU asked of the machine, in order and with its time.
    pub trace: u64,
    /// How often the machine has been asked for something.
    pub calls: u64,
    /// Another CPU gets its turn once in so many calls.
    switch: u64,
    ready: Vec<CpuId>,
    timed: BinaryHeap<Reverse<Alarm>>,
    serial: u64,
}

impl State {
    pub fn new(
        n: usize,
        boot: CpuId,
        seed: u64,
        clusters: &[platform::Cluster],
        controller: Controller,
    ) -> Self {
        let mut random = Random::new(seed);
        let mut cpus: Vec<_> = (0..n).map(|_| CpuState::new()).collect();
        let first = &mut cpus[boot.index()];
        (first.power, first.prepared) = (Power::On, true);
        let switch = random.pick(&[1, 1, 2, 5, 20]);
        Self {
            random,
            now: 1_000_000,
            cpus,
            boot,
            clusters: clusters.iter().map(Cluster::new).collect(),
            spis: Distributor::new(controller),
            next_lines: vec![None; clusters.len()],
            rules: Rules::new(n, boot),
            trace: seed,
            calls: 0,
            switch,
            ready: vec![boot],
            timed: BinaryHeap::new(),
            serial: 0,
        }
    }

    pub fn cpu(&mut self, cpu: CpuId) -> &mut CpuState {
        &mut self.cpus[cpu.index()]
    }

    /// One call of `cpu` costs some time and may cost it its turn. True if it has to give way.
    pub fn tick(&mut self, cpu: CpuId, what: u64) -> bool {
        self.calls += 1;
        let cost = 20 + self.random.below(400);
        let slow = self.cpus[cpu.index()].slow;
        self.mix(what << 32 | u64::from(cpu.0));
        if slow > 1 {
            self.pause(cpu, Doing::Busy, Some(self.now + cost * slow));
            return true;
        }
        self.now += cost;
        self.mix(self.now);
        self.drizzle();
        if self.random.one_in(EXIT) {
            self.exit(cpu, true);
        }
        self.random.one_in(self.switch)
    }

    /// Perhaps an interrupt comes.
    fn drizzle(&mut self) {
        let Some((chance, intids)) = self.spis.rain() else { return };
        let (chance, intid) = (*chance, intids[self.random.below(intids.len() as u64) as usize]);
        if self.random.one_in(chance) {
            self.spis.pend(intid);
            self.nudge();
        }
    }

    /// The CPU stops running for a moment, as a guest's does now and then; `runs_on` says that it goes
    /// on at once.
    pub fn exit(&mut self, cpu: CpuId, runs_on: bool) {
        self.spis.exit(cpu, runs_on);
        self.nudge();
    }

    /// True if this CPU has an interrupt to take.
    pub fn is_wanted(&self, cpu: CpuId) -> bool {
        self.cpus[cpu.index()].takes_interrupts() && self.spis.wanted().any(|(_, to)| to == cpu)
    }

    /// Wakes those that have an interrupt to take.
    pub fn nudge(&mut self) {
        let wanted: Vec<CpuId> = self.spis.wanted().map(|(_, cpu)| cpu).collect();
        for cpu in wanted {
            let me = self.cpu(cpu);
            if me.takes_interrupts() && matches!(me.doing, Doing::Sleeping(_)) {
                self.make_ready(cpu);
            }
        }
    }

    /// The lines of the clusters as they are now, and when they will be up next.
    pub fn lines(&mut self) {
        for i in 0..self.clusters.len() {
            let (intid, now) = (self.clusters[i].intid, self.now);
            if !self.spis.routes.contains_key(&intid) {
                continue;
            }
            let up = self.clusters[i].line(now);
            self.spis.level(intid, up);
            let next = self.clusters[i].next_overflow();
            if next != self.next_lines[i] {
                self.next_lines[i] = next;
                next.into_iter().for_each(|at| self.schedule(at, Timed::Line, CpuId(i as u16)));
            }
        }
    }

    fn mix(&mut self, value: u64) {
        self.trace = (self.trace ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    }

    /// The CPU gives way until `until`, or until something else makes it ready.
    pub fn pause(&mut self, cpu: CpuId, doing: Doing, until: Option<u64>) {
        self.cpu(cpu).doing = doing;
        self.ready.retain(|c| *c != cpu);
        if let Some(at) = until {
            self.schedule(at, Timed::Wake, cpu);
        }
        self.exit(cpu, false);
    }

    /// The registers of this CPU's cluster.
    pub fn cluster(&mut self, cpu: CpuId) -> &mut Cluster {
        let mut own = self.clusters.iter_mut().filter(|cluster| cluster.cpus.contains(cpu));
        own.next().unwrap_or_else(|| panic!("cpu {cpu} has no cluster"))
    }

    pub fn make_ready(&mut self, cpu: CpuId) {
        let state = self.cpu(cpu);
        state.doing = Doing::Running;
        if !state.lost && !self.ready.contains(&cpu) {
            self.ready.push(cpu);
        }
    }

    /// Ends a sleep; what is busy or parked does not notice.
    pub fn wake(&mut self, cpu: CpuId) {
        let state = self.cpu(cpu);
        if state.power != Power::On || !state.gic || !state.ipi {
            return;
        }
        state.ipi_pending = true;
        if matches!(state.doing, Doing::Sleeping(_)) {
            self.make_ready(cpu);
        }
    }

    pub fn lose(&mut self, cpu: CpuId) {
        self.exit(cpu, false);
        self.cpu(cpu).lost = true;
        self.ready.retain(|c| *c != cpu);
    }

    pub fn revive(&mut self, cpu: CpuId) {
        self.cpu(cpu).lost = false;
        if self.cpu(cpu).doing == Doing::Running && self.cpu(cpu).power == Power::On {
            self.make_ready(cpu);
        }
    }

    /// Firmware will carry CPU_ON out at `at`.
    pub fn arrive_at(&mut self, cpu: CpuId, at: u64) {
        self.schedule(at, Timed::Arrive, cpu);
    }

    fn schedule(&mut self, at: u64, what: Timed, cpu: CpuId) {
        self.serial += 1;
        let life = self.cpu(cpu).life;
        self.timed.push(Reverse((at, self.serial, what, cpu, life)));
    }

    /// Chooses whose turn it is; time jumps when nobody can run.
    pub fn next(&mut self) -> Turn {
        loop {
            let due = self.timed.peek().is_some_and(|Reverse((at, ..))| *at <= self.now);
            if !due && !self.ready.is_empty() {
                return Turn::Run(self.random.pick(&self.ready));
            }
            let Some(Reverse((at, _, what, cpu, life))) = self.timed.pop() else {
                return Turn::Deadlock;
            };
            self.now = self.now.max(at);
            if what == Timed::Line {
                self.lines();
                self.nudge();
            } else if life == self.cpus[cpu.index()].life
                && let Some(turn) = self.fire(what, cpu, at)
            {
                return turn;
            }
        }
    }

    fn fire(&mut self, what: Timed, cpu: CpuId, at: u64) -> Option<Turn> {
        match what {
            Timed::Wake => {
                let ends = match self.cpu(cpu).doing {
                    Doing::Busy => true,
                    Doing::Sleeping(deadline) => deadline == Some(at),
                    Doing::Running | Doing::Parked => false,
                };
                if ends {
                    self.make_ready(cpu);
                }
                None
            }
            Timed::Arrive => Some(Turn::Start(cpu, self.start(cpu))),
            Timed::Line => None,
        }
    }

    fn start(&mut self, cpu: CpuId) -> u32 {
        let state = self.cpu(cpu);
        assert_eq!(state.power, Power::Pending, "cpu {cpu} comes twice");
        assert!(state.prepared, "cpu {cpu} comes, and its stack has been released");
        let record = state.record.expect("a CPU comes without a record");
        state.power = Power::On;
        state.life += 1;
        (state.ipi_pending, state.gic, state.ipi) = (false, false, false);
        (state.timer, state.interrupts, state.denies_pending) = (false, false, false);
        state.in_handler = false;
        self.make_ready(cpu);
        record
    }

    /// The CPU is off from now on.
    pub fn power_off(&mut self, cpu: CpuId) {
        let now = self.now;
        self.ready.retain(|c| *c != cpu);
        let state = self.cpu(cpu);
        state.power = Power::Off;
        state.life += 1;
        state.on_until = now + state.faults.off_lag;
        self.exit(cpu, false);
    }

    /// What AFFINITY_INFO says.
    pub fn affinity(&self, cpu: CpuId) -> Affinity {
        let state = &self.cpus[cpu.index()];
        match state.power {
            Power::On => Affinity::On,
            Power::Pending if state.denies_pending => Affinity::Off,
            Power::Pending => Affinity::OnPending,
            Power::Off if self.now < state.on_until => Affinity::On,
            Power::Off => Affinity::Off,
        }
    }
}
