//! The states, one after the other.

use super::StopState::*;
use super::*;

#[test]
fn nobody_is_ahead_of_the_others() {
    let stop = StopMachine::default();
    let ticket = stop.open(2);
    for (state, next) in [(Prepare, DisableIrq), (DisableIrq, Run), (Run, Exit)] {
        assert_eq!(stop.ack(ticket, state), Acked::Waiting);
        assert_eq!(stop.state(ticket), state);
        assert_eq!(stop.ack(ticket, state), Acked::Advanced(next));
        assert_eq!(stop.state(ticket), next);
    }
}

#[test]
fn the_deaf_pass_over_the_state_in_which_interrupts_go_off() {
    let stop = StopMachine::default();
    let ticket = stop.open(2);
    assert_eq!(stop.ack_deaf(ticket), Acked::Waiting);
    assert_eq!(stop.ack_deaf(ticket), Acked::Advanced(Run));
    let mixed = stop.open(2);
    assert_eq!(stop.ack(mixed, Prepare), Acked::Waiting);
    assert_eq!(stop.ack_deaf(mixed), Acked::Advanced(DisableIrq));
}

#[test]
fn what_nobody_has_to_assemble_for_runs_from_the_start() {
    let stop = StopMachine::default();
    let ticket = stop.open_running(2);
    assert_eq!((stop.state(ticket), stop.call_off(ticket)), (Run, None));
    assert_eq!(stop.ack_deaf(ticket), Acked::Over, "nobody waits for that");
    assert_eq!(stop.ack(ticket, Run), Acked::Waiting);
    assert_eq!(stop.ack(ticket, Run), Acked::Advanced(Exit));
}

#[test]
fn one_refusal_calls_it_off_when_all_have_come() {
    let stop = StopMachine::default();
    let ticket = stop.open(2);
    assert_eq!((stop.refuse(ticket), stop.state(ticket)), (Acked::Waiting, Prepare));
    assert_eq!(stop.ack(ticket, Prepare), Acked::Advanced(CalledOff));
    let next = stop.open(1);
    assert_eq!(stop.ack(ticket, Prepare), Acked::Over, "of the operation before");
    assert_eq!(stop.ack(next, Prepare), Acked::Advanced(DisableIrq));
}

#[test]
fn what_runs_is_not_called_off() {
    let stop = StopMachine::default();
    let early = stop.open(1);
    assert_eq!(stop.call_off(early), Some(Prepare));
    assert_eq!((stop.ack(early, Prepare), stop.state(early)), (Acked::Over, CalledOff));
    let late = stop.open(1);
    stop.ack(late, Prepare);
    stop.ack(late, DisableIrq);
    assert_eq!((stop.call_off(late), stop.state(late)), (None, Run));
    stop.finish(late);
    assert_eq!((stop.state(late), stop.ack(late, Run)), (Exit, Acked::Over));
}

#[test]
fn sleepers_are_woken_once() {
    let stop = StopMachine::default();
    stop.falls_asleep(CpuId(3));
    stop.falls_asleep(CpuId(511));
    assert_eq!(stop.sleepers(), CpuMask::from_iter([CpuId(3), CpuId(511)]));
    assert!(stop.sleepers().is_empty());
}
