//! Callbacks: after their readers, once each, on whichever CPU; and the barrier.

use super::*;

/// The second value is retired while the first one's period is under way.
#[test]
fn loom_callbacks_run_after_the_readers_that_they_follow() {
    loom::model(|| {
        let world = world(2);
        let reader = thread::spawn({
            let world = world.clone();
            move || {
                world.read(ONE);
                world.rcu.quiescent(ONE);
                world.read(ONE);
                world.rcu.idle_enter(ONE);
            }
        });
        for _ in 0..2 {
            world.rcu.free_later(ME, world.cell.replace(Payload::new()));
            world.rcu.run_ready(&Loom, ME);
        }
        world.work(ME, || !world.rcu.needs(ME));
        reader.join().unwrap();
    });
}

/// A CPU retires a value and leaves while another CPU reads; the boot CPU takes the callback over.
#[test]
fn loom_what_a_dying_cpu_left_runs_once_and_after_its_readers() {
    bounded(|| {
        let world = world(3);
        let dying = thread::spawn({
            let world = world.clone();
            move || {
                world.rcu.free_later(ONE, world.cell.replace(Payload::new()));
                world.rcu.call(ONE, counted(&world));
                world.rcu.run_ready(&Loom, ONE);
                world.rcu.cpu_dying(ONE);
            }
        });
        let reader = thread::spawn({
            let world = world.clone();
            move || {
                world.read(TWO);
                world.rcu.idle_enter(TWO);
            }
        });
        dying.join().unwrap(); // firmware says OFF
        world.rcu.splice(&CpuMask::from_iter([ONE]), target(ME));
        assert!(!world.rcu.needs(ONE));
        world.work(ME, || !world.rcu.needs(ME));
        assert_eq!(world.runs(), 1);
        reader.join().unwrap();
    });
}

#[test]
fn loom_a_barrier_sees_what_the_callbacks_of_another_cpu_did() {
    loom::model(|| {
        let world = world(2);
        world.rcu.call(ONE, counted(&world));
        let other = thread::spawn({
            let world = world.clone();
            move || {
                world.work(ONE, || world.flag.load(Ordering::Acquire) == 1);
                world.rcu.cpu_dying(ONE);
            }
        });
        world.rcu.quiescent(ME); // the callback may be over before the barrier begins
        world.rcu.barrier(&Loom, ME, 1).unwrap();
        assert_eq!(world.runs(), 1);
        world.flag.store(1, Ordering::Release);
        other.join().unwrap();
    });
}

/// Callbacks move from a dead CPU to one that the barrier has passed already.
#[test]
fn loom_a_barrier_misses_no_callback_that_moves() {
    loom::model(|| {
        let world = world(3);
        world.rcu.call(TWO, counted(&world));
        world.rcu.cpu_dying(TWO);
        let survivor = thread::spawn({
            let world = world.clone();
            move || {
                world.rcu.splice(&CpuMask::from_iter([TWO]), target(ONE));
                world.work(ONE, || world.flag.load(Ordering::Acquire) == 1);
                world.rcu.cpu_dying(ONE);
            }
        });
        world.rcu.barrier(&Loom, ME, 1).unwrap();
        assert_eq!(world.runs(), 1);
        world.flag.store(1, Ordering::Release);
        survivor.join().unwrap();
    });
}
