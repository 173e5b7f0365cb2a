use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::*;
use crate::cpu::Survivors;
use crate::machine::fake::Fake;

const BOOT: CpuId = CpuId(0);
const AP: CpuId = CpuId(1);

struct Shared {
    work: Work,
    runs: AtomicU64,
}

fn shared() -> Arc<Shared> {
    let shared = Arc::new(Shared { work: Work::new(2, BOOT), runs: AtomicU64::new(0) });
    shared.work.open(&CpuMask::from_iter([AP]));
    shared
}

fn queue(shared: &Arc<Shared>) -> CpuId {
    let counted = shared.clone();
    let run = move |_: &Running<'_>| _ = counted.runs.fetch_add(1, Ordering::Relaxed);
    shared.work.queue(AP, WorkItem { pinned: false, run: Box::new(run) })
}

fn pull(work: &Work) -> usize {
    let dead = CpuMask::from_iter([AP]);
    let survivors = Survivors::freeze(&CpuMask::first(2), &dead);
    work.pull(&dead, survivors.stays(BOOT).unwrap())
}

/// The AP's items move while another CPU queues an item to the AP: that item runs on the boot CPU
/// in either order.
#[test]
fn loom_pull_against_queue() {
    loom::model(|| {
        let shared = shared();
        let queuer = thread::spawn({
            let shared = shared.clone();
            move || queue(&shared)
        });
        let moved = pull(&shared.work);
        assert_eq!(moved == 1, queuer.join().unwrap() == AP);
        assert_eq!((shared.work.len(BOOT), shared.work.len(AP)), (1, 0));
        assert_eq!(shared.work.run(&Fake::at(0), BOOT), 1);
        assert_eq!(shared.runs.load(Ordering::Relaxed), 1);
    });
}

/// The AP runs its items while the boot CPU pulls and runs items: each runs once.
#[test]
fn loom_run_against_pull() {
    loom::model(|| {
        let shared = shared();
        let _ = (queue(&shared), queue(&shared));
        let ap = thread::spawn({
            let shared = shared.clone();
            move || shared.work.run(&Fake::at(0), AP)
        });
        let moved = pull(&shared.work);
        let here = shared.work.run(&Fake::at(0), BOOT);
        assert_eq!(here, moved);
        assert_eq!(ap.join().unwrap() + here, 2);
        assert_eq!(shared.runs.load(Ordering::Relaxed), 2);
    });
}
