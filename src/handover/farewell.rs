//! What a kernel tells its successor.

use alloc::string::String;
use alloc::vec::Vec;

use super::HandoverError;
use crate::config::{MAX_CPUS, MAX_SCRIPT};
use crate::cpu::CpuMask;
use crate::report::TeardownMode;
use crate::sync::words::{Relaxed, Word};
use crate::trace::Spans;

/// Longest name of a kernel or image.
const MAX_NAME: usize = 96;

/// What the stress has done so far, in all kernels since first switched on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StressCount {
    /// The stress is on, and goes on in the next kernel.
    pub on: bool,
    /// Interrupts sent.
    pub sent: u64,
    /// Interrupts handled.
    pub handled: u64,
}

/// How many jumps of a cycle are done: a console command may ask for several jumps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CycleCount {
    /// Jumps done, the one that leads here included.
    pub done: u32,
    /// Jumps asked for; 0 if this was no cycle.
    pub asked: u32,
}

/// What a kernel tells its successor. Times are ticks of the generic counter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Farewell {
    /// Kexecs behind the kernel that says farewell.
    pub generation: u32,
    /// When `kexec exec` was accepted.
    pub exec_at: u64,
    /// Bytes that the jump moves.
    pub bytes_copied: u64,
    /// How long a second look at what is loaded took, if there was one.
    pub verify: Option<u64>,
    /// How the CPUs were taken down.
    pub teardown: TeardownMode,
    /// How many were.
    pub cpus: u32,
    /// Where the time went.
    pub spans: Spans,
    /// From the first act of the teardown to the last.
    pub teardown_total: u64,
    /// Where in a series of jumps this is.
    pub cycle: CycleCount,
    /// The stress.
    pub stress: StressCount,
    /// CPUs that firmware does not let go: parked for good in memory that the tree reserves.
    pub parked: CpuMask,
    /// Console commands that the successor goes on with.
    pub script: String,
    /// The kernel that jumps.
    pub from: String,
    /// The next kernel, by the name of its image.
    pub to: String,
}

/// Words before the mask of parked CPUs.
const SINGLE: usize = 18;

/// Stands for a second look that there was not.
const NONE: u64 = u64::MAX;

const NUMBERS: usize = SINGLE + MAX_CPUS / 64;

impl Farewell {
    /// Words that a farewell takes at most.
    const WORDS: usize = NUMBERS + 3 + (MAX_SCRIPT + 2 * MAX_NAME) / 8 + 3;

    pub(super) fn write(&self, words: &[Word]) {
        const { assert!(Farewell::WORDS < super::COPIED - super::field::FAREWELL) };
        for (word, value) in words.iter().zip(self.numbers()) {
            word.store(value, Relaxed);
        }
        let mut at = NUMBERS;
        for (text, limit) in
            [(&self.script, MAX_SCRIPT), (&self.from, MAX_NAME), (&self.to, MAX_NAME)]
        {
            at += write_text(&words[at..], clip(text, limit));
        }
    }

    fn numbers(&self) -> [u64; NUMBERS] {
        let s = &self.spans;
        let single = [
            u64::from(self.generation),
            self.exec_at,
            self.bytes_copied,
            u64::from(self.teardown == TeardownMode::Parallel),
            u64::from(self.cpus),
            s.online_down,
            s.stop,
            s.off,
            s.dead,
            self.teardown_total,
            u64::from(self.cycle.done),
            u64::from(self.cycle.asked),
            s.migrate,
            s.grace,
            u64::from(self.stress.on),
            self.stress.sent,
            self.stress.handled,
            self.verify.unwrap_or(NONE),
        ];
        let parked = self.parked.words();
        core::array::from_fn(|i| if i < SINGLE { single[i] } else { parked[i - SINGLE] })
    }

    pub(super) fn read(words: &[Word]) -> Result<Self, HandoverError> {
        let n: [u64; NUMBERS] = core::array::from_fn(|i| words[i].load(Relaxed));
        let mut at = NUMBERS;
        let mut text = |limit: usize| -> Result<String, HandoverError> {
            let (text, used) = read_text(&words[at..], limit)?;
            at += used;
            Ok(text)
        };
        let (script, from, to) = (text(MAX_SCRIPT)?, text(MAX_NAME)?, text(MAX_NAME)?);
        let spans = Spans {
            migrate: n[12],
            online_down: n[5],
            grace: n[13],
            stop: n[6],
            off: n[7],
            dead: n[8],
        };
        let teardown = if n[3] == 1 { TeardownMode::Parallel } else { TeardownMode::Serial };
        Ok(Self {
            generation: n[0] as u32,
            exec_at: n[1],
            bytes_copied: n[2],
            verify: Some(n[17]).filter(|&ticks| ticks != NONE),
            teardown,
            cpus: n[4] as u32,
            spans,
            teardown_total: n[9],
            cycle: CycleCount { done: n[10] as u32, asked: n[11] as u32 },
            stress: StressCount { on: n[14] == 1, sent: n[15], handled: n[16] },
            parked: CpuMask::from_words(core::array::from_fn(|i| n[SINGLE + i])),
            script,
            from,
            to,
        })
    }
}

/// The longest prefix of whole characters that fits.
fn clip(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn write_text(words: &[Word], text: &str) -> usize {
    words[0].store(text.len() as u64, Relaxed);
    let chunks = text.as_bytes().chunks(8);
    let used = 1 + chunks.len();
    for (word, chunk) in words[1..].iter().zip(chunks) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        word.store(u64::from_le_bytes(bytes), Relaxed);
    }
    used
}

fn read_text(words: &[Word], limit: usize) -> Result<(String, usize), HandoverError> {
    let length = words[0].load(Relaxed) as usize;
    if length > limit {
        return Err(HandoverError::Unsealed);
    }
    let count = length.div_ceil(8);
    let bytes: Vec<u8> =
        words[1..=count].iter().flat_map(|w| w.load(Relaxed).to_le_bytes()).take(length).collect();
    let text = String::from_utf8(bytes).map_err(|_| HandoverError::Unsealed)?;
    Ok((text, 1 + count))
}
