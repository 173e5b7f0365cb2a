//! The hand-shakes in every interleaving.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::Latch;

const UP: [Mark; 5] = [Mark::Kicked, Mark::Alive, Mark::ApOffline, Mark::ApOnline, Mark::Online];

/// Walks up as an arriving CPU does. True at ONLINE, false if the boot CPU gave this start up.
fn walk_up(cell: &CpuCell, start: u32) -> bool {
    UP.windows(2).all(|pair| cell.local(start).advance(pair[0], pair[1], 9).is_ok())
}

/// Alive/online: the boot CPU gives up while the CPU comes. Both agree on the outcome.
#[test]
fn loom_online_and_given_up_exclude_each_other() {
    loom::model(|| {
        let cell = Arc::new(CpuCell::default());
        let start = cell.remote().begin_start(Ticket::from_number(1));
        let ap = thread::spawn({
            let cell = cell.clone();
            move || walk_up(&cell, start)
        });
        let given_up = cell.remote().give_up();
        let came = ap.join().unwrap();
        assert_eq!(came, given_up == Err(Mark::Online));
        assert_eq!(cell.mark(), if came { Mark::Online } else { Mark::ShouldDie });
    });
}

/// A late CPU of an old start races with the new start of the same CPU: only the new start comes
/// up.
#[test]
fn loom_a_late_ap_of_an_old_start_never_comes_up() {
    loom::model(|| {
        let cell = Arc::new(CpuCell::default());
        let old = cell.remote().begin_start(Ticket::from_number(1));
        let late = thread::spawn({
            let cell = cell.clone();
            move || walk_up(&cell, old)
        });
        if cell.remote().give_up().is_ok() {
            let new = cell.remote().begin_start(Ticket::from_number(1));
            assert!(walk_up(&cell, new), "nobody gave the new start up");
            assert!(!late.join().unwrap());
        } else {
            assert!(late.join().unwrap());
        }
    });
}

/// A CPU that sees a mark sees the time at which the mark was reached.
#[test]
fn loom_a_mark_brings_its_time_along() {
    loom::model(|| {
        let cell = Arc::new(CpuCell::default());
        let start = cell.remote().begin_start(Ticket::from_number(1));
        let ap = thread::spawn({
            let cell = cell.clone();
            move || cell.local(start).advance(Mark::Kicked, Mark::Alive, 9).is_ok()
        });
        while cell.mark() != Mark::Alive {
            thread::yield_now();
        }
        assert_eq!(cell.times(), [0, 9, 0]);
        assert!(ap.join().unwrap());
    });
}

/// Leaving: once the latch is complete, the boot CPU sees the leaving CPU's mark.
#[test]
fn loom_leaving_is_seen_by_who_waits() {
    loom::model(|| {
        let shared = Arc::new((Latch::default(), CpuCell::default()));
        let start = shared.1.remote().begin_start(Ticket::from_number(1));
        let ticket = shared.0.open(1);
        shared.1.remote().ask(CpuRequest::Leave(ticket));
        let ap = thread::spawn({
            let shared = shared.clone();
            move || {
                let local = shared.1.local(start);
                let CpuRequest::Leave(ticket) = local.request() else { panic!("asked before") };
                local.set(Mark::TeardownCpu);
                local.served(CpuRequest::Leave(ticket));
                assert!(shared.0.arrive(ticket));
            }
        });
        while !shared.0.complete(ticket) {
            thread::yield_now();
        }
        assert_eq!(shared.1.mark(), Mark::TeardownCpu);
        let stop = CpuRequest::Stop(shared.0.open(1));
        shared.1.remote().ask(stop);
        ap.join().unwrap();
        assert_eq!(shared.1.request(), stop);
    });
}

/// Rendezvous: a request that is written while the CPU serves the older one is never lost.
#[test]
fn loom_a_newer_request_is_never_lost() {
    loom::model(|| {
        let cell = Arc::new(CpuCell::default());
        let leave = CpuRequest::Leave(Ticket::from_number(1));
        let back = CpuRequest::Return(Ticket::from_number(2));
        cell.remote().ask(leave);
        let ap = thread::spawn({
            let cell = cell.clone();
            move || cell.local(0).served(leave)
        });
        cell.remote().ask(back);
        ap.join().unwrap();
        assert_eq!(cell.local(0).request(), back);
    });
}

/// Stopping: the boot CPU calls the stop off while the leaving CPU serves the request. Either the
/// CPU has served the stop, or the CPU finds the newer request.
#[test]
fn loom_a_stop_is_served_or_called_off() {
    loom::model(|| {
        let cell = Arc::new(CpuCell::default());
        let stop = CpuRequest::Stop(Ticket::from_number(1));
        let back = CpuRequest::Return(Ticket::from_number(2));
        cell.remote().ask(stop);
        let ap = thread::spawn({
            let cell = cell.clone();
            move || {
                let goes = cell.local(0).served(stop);
                // The leaving CPU looks at the newer request if the stop was called off.
                goes || cell.local(0).request() != back
            }
        });
        let seen = cell.request();
        cell.remote().ask(back);
        let goes = ap.join().unwrap();
        assert!(goes || seen == stop, "neither stopped nor called off");
        assert_eq!(cell.request(), back);
    });
}

/// A CPU_ON is refused while the boot CPU gives the start up: the second exchange changes nothing,
/// and a refusal that the mark shows can be read.
#[test]
fn loom_refused_and_given_up_exclude_each_other() {
    loom::model(|| {
        let cell = Arc::new(CpuCell::default());
        let start = cell.remote().begin_start(Ticket::from_number(1));
        let kicker = thread::spawn({
            let cell = cell.clone();
            move || {
                let start = cell.remote().to_be_kicked()?;
                cell.remote().refused(start, PsciError::Denied);
                Some(start)
            }
        });
        let given_up = cell.remote().give_up();
        if given_up == Err(Mark::Offline) {
            assert_eq!(cell.refusal(), Some(PsciError::Denied));
        }
        if let Some(kicked) = kicker.join().unwrap() {
            assert_eq!(kicked, start);
            assert!(cell.kick_returned());
        }
        let expected = if given_up.is_ok() { Mark::ShouldDie } else { Mark::Offline };
        assert_eq!(cell.mark(), expected);
    });
}

/// A refusal that comes after the start was given up and begun anew leaves the new start alone.
#[test]
fn loom_a_late_refusal_leaves_the_next_start_alone() {
    loom::model(|| {
        let cell = Arc::new(CpuCell::default());
        let old = cell.remote().begin_start(Ticket::from_number(1));
        let kicker = thread::spawn({
            let cell = cell.clone();
            move || cell.remote().refused(old, PsciError::AlreadyOn)
        });
        let given_up = cell.remote().give_up();
        if cell.kick_returned() {
            let new = cell.remote().begin_start(Ticket::from_number(2));
            assert_eq!(cell.remote().to_be_kicked(), Some(new));
            kicker.join().unwrap();
            assert_eq!(cell.mark(), Mark::Kicked);
        } else {
            kicker.join().unwrap();
            assert!(matches!(given_up, Ok(Mark::Kicked)));
            assert_eq!(cell.mark(), Mark::ShouldDie);
        }
    });
}
