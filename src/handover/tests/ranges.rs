//! Sealed pages with values that no kernel writes.

use std::format;
use std::string::ToString;

use super::*;
use crate::cpu::CpuMask;

/// What a kernel with four CPUs takes from a farewell that was changed before it was sealed.
fn changed(change: impl FnOnce(&mut Farewell)) -> Result<Farewell, HandoverError> {
    let memory = memory(4);
    let (area, _) = region(&memory, 4);
    let mut said = farewell("mem");
    change(&mut said);
    area.prepare(&said);
    area.seal(JUMP);
    let taken = taken_farewell(&memory, 4);
    assert!(taken.is_err() || taken == Ok(said));
    taken
}

fn within(change: impl FnOnce(&mut Farewell)) -> bool {
    match changed(change) {
        Ok(_) => true,
        Err(HandoverError::Range { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_generation_leaves_room_for_the_next() {
    assert!(within(|said| said.generation = u32::MAX - 1));
    let refused = changed(|said| said.generation = u32::MAX).unwrap_err();
    let text = "record `jump` of the handover: the generation is out of range";
    assert_eq!(refused.to_string(), text);
}

#[test]
fn times_lie_between_exec_and_the_jump() {
    assert!(within(|said| said.exec_at = JUMP - 13) && !within(|said| said.exec_at = JUMP + 1));
    assert!(!within(|said| said.exec_at = u64::MAX));
    let whole = JUMP - 100;
    let set: [fn(&mut Farewell, u64); 8] = [
        |said, ticks| said.spans.migrate = ticks,
        |said, ticks| said.spans.online_down = ticks,
        |said, ticks| said.spans.grace = ticks,
        |said, ticks| said.spans.stop = ticks,
        |said, ticks| said.spans.off = ticks,
        |said, ticks| said.spans.dead = ticks,
        |said, ticks| said.teardown_total = ticks,
        |said, ticks| said.verify = Some(ticks),
    ];
    for (at, set) in set.into_iter().enumerate() {
        assert!(within(|said| set(said, whole)), "{at}");
        assert!(
            !within(|said| set(said, whole + 1)) && !within(|said| set(said, u64::MAX)),
            "{at}"
        );
    }
}

#[test]
fn the_jump_lies_before_the_entry() {
    let memory = memory(4);
    let (area, topology) = region(&memory, 4);
    for (jump, now, good) in [(199, 199, true), (199, 198, false), (u64::MAX, 200, false)] {
        area.prepare(&farewell("mem"));
        area.seal(jump);
        let taken = area.take(&memory, &topology, now);
        assert_eq!(taken.is_ok(), good, "jump at {jump}, entry at {now}: {taken:?}");
    }
}

#[test]
fn cpus_are_those_of_the_machine() {
    assert!(within(|said| said.cpus = 0) && !within(|said| said.cpus = 4));
    assert!(!within(|said| said.cpus = u32::MAX));
    let parked = |cpu| within(|said| said.parked = [CpuId(cpu)].into_iter().collect());
    assert!(parked(3) && !parked(4) && !parked(511));
    assert!(!within(|said| said.parked = CpuMask::first(512)));
    for cpus in [0, 513, u64::MAX] {
        let memory = memory(4);
        let (area, _) = region(&memory, 4);
        area.prepare(&farewell("mem"));
        memory[field::CPUS].store(cpus, Relaxed);
        area.seal(JUMP);
        assert_eq!(taken(&memory, 4), Err(HandoverError::Cpus(cpus)));
        assert!(HandoverError::Cpus(cpus).to_string().contains(&format!("{cpus} CPUs")));
    }
}

#[test]
fn counts_are_such_that_can_be_counted_with() {
    assert!(within(|said| said.bytes_copied = 1 << 48));
    assert!(!within(|said| said.bytes_copied = u64::MAX));
    assert!(within(|said| said.stress.sent = 1 << 55));
    assert!(!within(|said| said.stress.sent = u64::MAX));
    assert!(!within(|said| said.stress.handled = u64::MAX));
    let cycle = |done, asked| within(|said| said.cycle = CycleCount { done, asked });
    assert!(cycle(0, 0) && cycle(1, 1) && cycle(u32::MAX, u32::MAX));
    assert!(!cycle(1, 0) && !cycle(0, 1) && !cycle(6, 5));
}

#[test]
fn texts_do_not_steer_the_terminal() {
    for bad in ["\u{1b}[2J", "\u{9b}2J", "\0"] {
        assert!(!within(|said| said.script = bad.into()), "{bad:?}");
        assert!(!within(|said| said.from = bad.into()) && !within(|said| said.to = bad.into()));
    }
}
