//! Real threads, and memory that is poisoned before it is freed.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const LIVE: u64 = 0x11fe;

struct Payload([AtomicU64; 4]);

impl Payload {
    fn new() -> Box<Self> {
        Box::new(Self(core::array::from_fn(|_| AtomicU64::new(LIVE))))
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.iter().for_each(|word| word.store(0xdead, Ordering::Relaxed));
    }
}

struct Wall(Instant);

impl Clock for Wall {
    fn now(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }

    fn hz(&self) -> u64 {
        1_000_000
    }

    fn wait(&self, deadline: Option<u64>) {
        let pause = deadline.unwrap_or(0).saturating_sub(self.now()).min(20);
        thread::sleep(Duration::from_micros(pause));
    }
}

impl Ipi for Wall {
    fn wake(&self, _: &CpuMask) {}
}

#[test]
fn readers_on_real_cpus_never_see_poison() {
    let (rcu, cell, end) = (up(3), RcuCell::new(Payload::new()), AtomicBool::new(false));
    thread::scope(|scope| {
        for cpu in [1, 2].map(CpuId) {
            let (rcu, cell, end) = (&rcu, &cell, &end);
            scope.spawn(move || {
                while !end.load(Ordering::Relaxed) {
                    read_and_rest(rcu, cell, cpu);
                }
                rcu.cpu_dying(cpu);
            });
        }
        let m = Wall(Instant::now());
        let mut replaced = 0;
        while m.now() < 200 * MS {
            let old = cell.replace(Payload::new());
            match replaced % 2 {
                0 => drop(rcu.free_after(&m, ME, How::Normal, 10_000 * MS, old).unwrap()),
                _ => rcu.free_later(ME, old),
            }
            rcu.run_ready(&m, ME);
            replaced += 1;
        }
        end.store(true, Ordering::Relaxed);
        rcu.barrier(&m, ME, 10_000 * MS).unwrap();
        assert!(replaced > 20, "{replaced}");
    });
}

fn read_and_rest(rcu: &Rcu, cell: &RcuCell<Payload>, cpu: CpuId) {
    for _ in 0..10 {
        let guard = rcu.read(cpu);
        let value = cell.read(&guard);
        assert!(value.0.iter().all(|word| word.load(Ordering::Relaxed) == LIVE));
    }
    rcu.quiescent(cpu);
    rcu.idle_enter(cpu);
    rcu.idle_exit(cpu);
}
