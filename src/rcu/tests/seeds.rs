//! Random lives of many CPUs: no callback runs before the read sides that were open when it was
//! queued are closed, and each runs exactly once.

use std::sync::Mutex;
use std::vec;

use super::*;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 20) % n as u64) as usize
    }
}

/// What the referee keeps.
#[derive(Default)]
struct Book {
    open: Vec<u64>,
    /// How often each callback has run.
    ran: Vec<usize>,
}

#[derive(PartialEq, Clone, Copy, Debug)]
enum Life {
    Running,
    Idle,
    Dead,
}

struct World<'a> {
    rcu: &'a Rcu,
    book: Arc<Mutex<Book>>,
    life: Vec<Life>,
    guards: Vec<Vec<(u64, ReadGuard<'a>)>>,
    ids: u64,
    random: Random,
}

impl<'a> World<'a> {
    fn new(rcu: &'a Rcu, cpus: usize, seed: u64) -> Self {
        Self {
            rcu,
            book: Arc::default(),
            life: vec![Life::Running; cpus],
            guards: (0..cpus).map(|_| Vec::new()).collect(),
            ids: 0,
            random: Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        }
    }

    fn step(&mut self, m: &Bench<'_>) {
        let cpu = self.random.below(self.life.len());
        match (self.life[cpu], self.random.below(8)) {
            (Life::Dead, 0) if cpu != 0 => self.start(cpu),
            (Life::Dead, _) => {}
            (Life::Idle, 0..4) => self.interrupt(cpu),
            (Life::Idle, _) => {
                self.rcu.idle_exit(CpuId(cpu as u16));
                self.life[cpu] = Life::Running;
            }
            (_, 0) => self.open(cpu),
            (_, 1) => self.close(cpu),
            (_, 2..4) => self.call(cpu),
            (_, 4..6) => {
                self.rcu.run_ready(m, CpuId(cpu as u16));
            }
            (_, 6) => self.sleep(cpu),
            (_, _) => self.die(cpu),
        }
    }

    fn open(&mut self, cpu: usize) {
        self.ids += 1;
        self.guards[cpu].push((self.ids, self.rcu.read(CpuId(cpu as u16))));
        self.book.lock().unwrap().open.push(self.ids);
    }

    fn close(&mut self, cpu: usize) {
        if let Some((id, _guard)) = self.guards[cpu].pop() {
            self.book.lock().unwrap().open.retain(|&open| open != id);
        }
    }

    fn interrupt(&mut self, cpu: usize) {
        let was_idle = self.rcu.irq_enter(CpuId(cpu as u16));
        self.open(cpu);
        self.close(cpu);
        self.rcu.irq_exit(CpuId(cpu as u16), was_idle);
    }

    fn call(&self, cpu: usize) {
        let (at, readers) = {
            let mut book = self.book.lock().unwrap();
            book.ran.push(0);
            (book.ran.len() - 1, book.open.clone())
        };
        let book = self.book.clone();
        let callback = move || {
            let mut book = book.lock().unwrap();
            let still = readers.iter().find(|id| book.open.contains(id));
            assert_eq!(still, None, "callback {at} under a reader that was there before it");
            book.ran[at] += 1;
        };
        self.rcu.call(CpuId(cpu as u16), Box::new(callback));
    }

    /// Idle, or with a read side open only as if.
    fn sleep(&mut self, cpu: usize) {
        self.rcu.idle_enter(CpuId(cpu as u16));
        if self.guards[cpu].is_empty() {
            self.life[cpu] = Life::Idle;
        }
    }

    /// One in four deaths is followed by the splice of all that are dead, to a CPU that is not.
    fn die(&mut self, cpu: usize) {
        if cpu == 0 || !self.guards[cpu].is_empty() {
            return;
        }
        self.rcu.cpu_dying(CpuId(cpu as u16));
        self.life[cpu] = Life::Dead;
        if self.random.below(4) == 0 {
            self.splice();
        }
    }

    fn splice(&self) {
        let dead = |&cpu: &CpuId| self.life[cpu.index()] == Life::Dead;
        let dead: CpuMask = CpuMask::first(self.life.len()).iter().filter(dead).collect();
        self.rcu.splice(&dead, target(0));
        assert!(dead.iter().all(|cpu| self.rcu.pending(cpu) == 0));
    }

    fn start(&mut self, cpu: usize) {
        self.splice();
        self.rcu.cpu_starting(CpuId(cpu as u16));
        self.life[cpu] = Life::Running;
    }

    /// Closes everything; all callbacks have run once after a barrier.
    fn finish(mut self, m: &Bench<'_>) {
        self.splice();
        for cpu in 0..self.life.len() {
            while !self.guards[cpu].is_empty() {
                self.close(cpu);
            }
            if cpu != 0 && self.life[cpu] == Life::Running {
                self.rcu.idle_enter(CpuId(cpu as u16));
            }
        }
        self.rcu.idle_exit(ME);
        assert_eq!(self.rcu.barrier(m, ME, m.now() + MS), Ok(()));
        let book = self.book.lock().unwrap();
        assert!(book.ran.iter().all(|&times| times == 1), "{:?}", book.ran);
        assert_eq!(self.rcu.counts().pending, 0);
    }
}

fn live(cpus: usize, steps: usize, seed: u64) {
    let rcu = up(cpus);
    let still = Bench::new(|_| ());
    let mut world = World::new(&rcu, cpus, seed);
    (0..steps).for_each(|_| world.step(&still));
    // While the barrier sleeps, the others come round.
    world.finish(&Bench::new(|_| {
        CpuMask::first(cpus).iter().skip(1).for_each(|cpu| {
            rcu.run_ready(&still, cpu);
        });
    }));
}

#[test]
fn no_callback_too_early_and_each_once_under_three_thousand_seeds() {
    for seed in 0..3000 {
        live(2 + seed as usize % 7, 300, seed);
    }
}

#[test]
fn no_callback_too_early_and_each_once_with_512_cpus() {
    for seed in 0..40 {
        live(512, 8000, seed);
    }
}
