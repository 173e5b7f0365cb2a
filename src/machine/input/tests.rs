extern crate std;
use std::collections::VecDeque;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A UART as QEMU has it: one byte deep, and the interrupt is told only when a byte comes into the
/// empty FIFO. What finds no room waits with the sender.
#[derive(Default)]
struct Line {
    sender: VecDeque<u8>,
    fifo: Option<u8>,
    told: bool,
    unmasked: bool,
}

impl Line {
    fn send(&mut self, bytes: &[u8]) {
        self.sender.extend(bytes);
        self.accept();
    }

    fn accept(&mut self) {
        if self.fifo.is_none() {
            self.fifo = self.sender.pop_front();
            self.told |= self.fifo.is_some();
        }
    }

    fn interrupts(&self) -> bool {
        self.told && self.unmasked
    }

    /// Serves interrupts until there is none.
    fn serve(&mut self, input: &mut Input) {
        while self.interrupts() {
            assert!(input.receive(self), "an interrupt without a reason");
        }
    }
}

impl Receiver for Line {
    fn acknowledge(&mut self) {
        self.told = false;
    }

    fn read(&mut self) -> Option<Typed> {
        let byte = self.fifo.take();
        self.told = false; // below the level
        self.accept();
        byte.map(Typed::Byte)
    }

    fn interrupt(&mut self, on: bool) {
        self.unmasked = on;
    }
}

fn bytes(typed: impl IntoIterator<Item = Typed>) -> Vec<u8> {
    let byte = |typed| if let Typed::Byte(byte) = typed { byte } else { panic!("{typed:?}") };
    typed.into_iter().map(byte).collect()
}

/// Reads all that waits, with interrupts in between.
fn drain(input: &mut Input, line: &mut Line) -> Vec<u8> {
    let all = core::iter::from_fn(|| {
        line.serve(input);
        input.next(line)
    });
    bytes(all.collect::<Vec<_>>())
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i % 26) as u8).collect()
}

#[test]
fn what_finds_no_room_stays_with_the_sender_and_arrives_in_order() {
    for interrupts in [true, false] {
        let (mut input, mut line) = (Input::default(), Line::default());
        input.open(interrupts, &mut line);
        let sent = text(5 * MAX_TYPED);
        line.send(&sent);
        line.serve(&mut input);
        input.interrupted(&mut line);
        assert_eq!(input.waiting().len(), MAX_TYPED);
        assert!(!line.unmasked && !line.sender.is_empty());
        assert_eq!(drain(&mut input, &mut line), sent);
        assert_eq!(line.unmasked, interrupts);
    }
}

#[test]
fn what_came_before_the_gate_opened_is_taken() {
    let (mut input, mut line) = (Input::default(), Line::default());
    line.send(b"early");
    line.acknowledge(); // the boot clears the UART's interrupts
    input.open(true, &mut line);
    assert_eq!(drain(&mut input, &mut line), b"early");
    line.send(b"late");
    assert_eq!(drain(&mut input, &mut line), b"late");
}

#[test]
fn a_shut_gate_leaves_everything_in_the_uart() {
    let (mut input, mut line) = (Input::default(), Line::default());
    input.open(true, &mut line);
    line.send(b"one");
    line.serve(&mut input);
    input.shut(&mut line);
    line.send(b"two");
    assert!(!line.interrupts() && input.receive(&mut line));
    assert_eq!(bytes(input.waiting()), b"one");
    let mut next = Input::default();
    next.restore(&input.waiting());
    next.open(true, &mut line);
    assert_eq!(drain(&mut next, &mut line), b"onetwo");
}

#[test]
fn ctrl_c_is_seen_behind_what_was_typed_before_and_discards_that() {
    for interrupts in [true, false] {
        let (mut input, mut line) = (Input::default(), Line::default());
        input.open(interrupts, &mut line);
        line.send(b"cpus\rmem");
        line.serve(&mut input);
        assert!(!input.interrupted(&mut line) && !input.take_interrupt(&mut line));
        line.send(b"\rx\x03help");
        line.serve(&mut input);
        assert!(input.interrupted(&mut line) && input.take_interrupt(&mut line));
        assert!(!input.interrupted(&mut line));
        assert_eq!(drain(&mut input, &mut line), b"help");
    }
}

#[test]
fn what_does_not_fit_when_restored_is_named() {
    let mut input = Input::default();
    input.restore(&[Typed::Byte(b'x'); MAX_TYPED + 7]);
    let waiting = input.waiting();
    assert_eq!((waiting.len(), waiting.last()), (MAX_TYPED, Some(&Typed::Lost)));
}

proptest! {
    /// Whatever is sent, served and read in whatever order: nothing is lost, and no byte is left
    /// waiting for an interrupt that does not come.
    #[test]
    fn nothing_is_lost_in_any_order(acts in proptest::collection::vec((0..3u8, 1..1500usize), 0..40),
                                    interrupts: bool) {
        let (mut input, mut line) = (Input::default(), Line::default());
        let (mut sent, mut read) = (Vec::new(), Vec::new());
        input.open(interrupts, &mut line);
        for (act, count) in acts {
            match act {
                0 => {
                    let new = text(count);
                    line.send(&new);
                    sent.extend(new);
                }
                1 => line.serve(&mut input),
                _ => read.extend((0..count).map_while(|_| input.next(&mut line))),
            }
        }
        let mut read = bytes(read);
        read.extend(drain(&mut input, &mut line));
        prop_assert_eq!(read, sent);
    }
}
