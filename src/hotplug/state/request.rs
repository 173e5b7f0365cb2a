//! What the boot CPU may want of a CPU, as one word.

use crate::sync::Ticket;

/// What the boot CPU wants of a CPU that is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuRequest {
    /// Go on as you are.
    Stay,
    /// Come up.
    Come(Ticket),
    /// Undo your online steps, then wait.
    Leave(Ticket),
    /// Redo your online steps: the teardown was called off.
    Return(Ticket),
    /// Undo your online steps if that is not done yet; in RUN of that stop_machine undo your
    /// starting steps, then turn yourself off.
    Stop(Ticket),
    /// Take part in that stop_machine, in which another CPU is stopped.
    StandStill(Ticket),
}

const KIND_BITS: u32 = 3;

impl CpuRequest {
    pub(super) fn to_word(self) -> u64 {
        let (kind, ticket) = match self {
            Self::Stay => return 0,
            Self::Leave(t) => (1, t),
            Self::Return(t) => (2, t),
            Self::Stop(t) => (3, t),
            Self::StandStill(t) => (4, t),
            Self::Come(t) => (5, t),
        };
        ticket.number() << KIND_BITS | kind
    }

    pub(super) fn from_word(word: u64) -> Self {
        let ticket = Ticket::from_number(word >> KIND_BITS);
        match word & ((1 << KIND_BITS) - 1) {
            1 => Self::Leave(ticket),
            2 => Self::Return(ticket),
            3 => Self::Stop(ticket),
            4 => Self::StandStill(ticket),
            5 => Self::Come(ticket),
            _ => Self::Stay,
        }
    }
}
