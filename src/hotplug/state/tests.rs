use super::*;

#[test]
fn requests_survive_their_word() {
    let t = Ticket::from_number(77);
    for r in [
        CpuRequest::Stay,
        CpuRequest::Come(t),
        CpuRequest::Leave(t),
        CpuRequest::Return(t),
        CpuRequest::Stop(t),
        CpuRequest::StandStill(t),
    ] {
        assert_eq!(CpuRequest::from_word(r.to_word()), r);
    }
}

#[test]
fn a_late_cpu_of_an_earlier_start_is_told_to_go() {
    let cell = CpuCell::default();
    let first = cell.remote().begin_start(Ticket::from_number(1));
    assert_eq!(cell.remote().give_up(), Ok(Mark::Kicked));
    let second = cell.remote().begin_start(Ticket::from_number(1));
    assert_ne!(first, second);
    assert_eq!(cell.local(first).advance(Mark::Kicked, Mark::Alive, 1), Err(GivenUp));
    assert_eq!(cell.local(second).advance(Mark::Kicked, Mark::Alive, 2), Ok(()));
    assert_eq!(cell.times(), [0, 2, 0]);
}

#[test]
fn a_cpu_that_made_it_cannot_be_given_up() {
    let cell = CpuCell::default();
    let start = cell.remote().begin_start(Ticket::from_number(1));
    let marks = [Mark::Kicked, Mark::Alive, Mark::ApOffline, Mark::ApOnline, Mark::Online];
    for pair in marks.windows(2) {
        cell.local(start).advance(pair[0], pair[1], 5).unwrap();
    }
    assert_eq!(cell.remote().give_up(), Err(Mark::Online));
    assert_eq!(cell.mark(), Mark::Online);
}

#[test]
fn a_newer_request_is_not_lost_when_the_older_is_served() {
    let cell = CpuCell::default();
    let old = CpuRequest::Leave(Ticket::from_number(1));
    let new = CpuRequest::Return(Ticket::from_number(2));
    cell.remote().ask(old);
    cell.remote().ask(new);
    cell.local(0).served(old);
    assert_eq!(cell.local(0).request(), new);
}
