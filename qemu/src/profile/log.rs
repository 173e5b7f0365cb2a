//! QEMU's log of what its CPUs run (`-d nochain,exec,in_asm`), read line by line: which block of code
//! ran on which CPU, and how many instructions of the block.
//!
//! A block is described when it is translated (`IN:` and a line for each instruction); the next
//! `Trace` line, which says that a block runs, has its address in the host. The form of the lines is
//! that of QEMU 7.2; `Trace` lines of 4.2 to 10 differ only in what is not read here.

use std::collections::HashMap;
use std::io::BufRead;
use std::rc::Rc;

use anyhow::{Context, Result, bail};

/// `mrs xN, COUNTER` without N: CNTPCT_EL0, CNTVCT_EL0, and both again with an order of their own.
const COUNTERS: [u32; 4] = [0xd53b_e020, 0xd53b_e040, 0xd53b_e0a0, 0xd53b_e0c0];

/// A block of code, as QEMU has translated it.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    instructions: u64,
    /// Which of them read the counter.
    reads: Vec<u64>,
}

/// A block that has run.
#[derive(Debug)]
pub struct Ran {
    /// Number of the CPU in QEMU.
    pub cpu: u32,
    /// Address of the first instruction in the guest.
    pub pc: u64,
    /// Instructions that were run: from the first one on.
    pub instructions: u64,
    host: u64,
    block: Rc<Block>,
}

impl Ran {
    /// The instructions that read the counter, counted from the first one of the block.
    pub fn reads(&self) -> impl Iterator<Item = u64> {
        self.block.reads.iter().copied().filter(|&read| read < self.instructions)
    }

    /// How many of its instructions come before `pc`, if that is in the block.
    fn before(&self, pc: u64) -> Option<u64> {
        pc.checked_sub(self.pc).map(|bytes| bytes / 4).filter(|&count| count < self.instructions)
    }
}

/// The log as a stream of blocks.
pub struct Log<R> {
    lines: R,
    blocks: HashMap<u64, Rc<Block>>,
    /// The block that is being described: where, if that is told, and its instructions.
    described: Option<(Option<u64>, Vec<u32>)>,
    /// The block of the last `Trace` line. What comes behind it may say that not all of it was run.
    last: Option<Ran>,
    rewound: Option<u64>,
}

impl<R: BufRead> Log<R> {
    /// Reads from `lines`.
    pub fn new(lines: R) -> Self {
        Self { lines, blocks: HashMap::new(), described: None, last: None, rewound: None }
    }

    /// The next block that has run; `None` at the end.
    ///
    /// # Errors
    /// The log can't be read, a line has another form, or a block is not described.
    pub fn next(&mut self) -> Result<Option<Ran>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.lines.read_until(b'\n', &mut line).context("cannot read QEMU's log")? == 0 {
                return Ok(self.settle(None));
            }
            let ran = self.line(String::from_utf8_lossy(&line).trim_end())?;
            if ran.is_some() {
                return Ok(ran);
            }
        }
    }

    fn line(&mut self, line: &str) -> Result<Option<Ran>> {
        if let Some(rest) = line.strip_prefix("Trace ") {
            let next = trace(rest).with_context(|| unknown(line))?;
            return self.runs(next, line);
        }
        if line.starts_with("IN:") {
            self.described = Some((None, Vec::new()));
        } else if let Some(rest) = line.strip_prefix("Stopped execution of TB chain before ") {
            self.stopped(
                hex(rest.split(' ').next().unwrap_or_default()).with_context(|| unknown(line))?,
            );
        } else if let Some(at) = line.strip_prefix("cpu_io_recompile: rewound execution of TB to ")
        {
            self.rewound = Some(hex(at.trim()).with_context(|| unknown(line))?);
        } else if let Some(described) = &mut self.described {
            describe(described, line);
        }
        Ok(None)
    }

    /// A block runs: the one before it is done.
    fn runs(&mut self, (cpu, host, pc): (u32, u64, u64), line: &str) -> Result<Option<Ran>> {
        let done = self.settle(Some((cpu, pc)));
        if let Some((at, words)) = self.described.take().filter(|(_, words)| !words.is_empty()) {
            // A page may be mapped at several addresses: the place within it is the same.
            if at.is_none_or(|at| at % 4096 == pc % 4096) {
                self.blocks.insert(host, Rc::new(Block::new(&words)));
            }
        }
        let Some(block) = self.blocks.get(&host).cloned() else {
            bail!("QEMU's log does not say what is in the block at {pc:#x}: {line}");
        };
        self.last = Some(Ran { cpu, pc, instructions: block.instructions, host, block });
        Ok(done)
    }

    /// The block of the last `Trace` line did not run: a `Trace` line will come for it again.
    fn stopped(&mut self, host: u64) {
        self.last.take_if(|last| last.host == host);
    }

    /// The block of the last `Trace` line with what was run of it. An access to a device that is not
    /// its last instruction ends it before that instruction, where the CPU goes on. QEMU says the
    /// address of that; where it says that of the block, the next `Trace` line has it.
    fn settle(&mut self, next: Option<(u32, u64)>) -> Option<Ran> {
        let mut last = self.last.take()?;
        if let Some(at) = self.rewound.take() {
            let next = next.filter(|&(cpu, _)| cpu == last.cpu).and_then(|(_, pc)| last.before(pc));
            last.instructions = next.or_else(|| last.before(at)).unwrap_or(0);
        }
        Some(last)
    }
}

impl Block {
    fn new(words: &[u32]) -> Self {
        let reads = words.iter().zip(0..).filter(|(word, _)| COUNTERS.contains(&(*word & !0x1f)));
        Self { instructions: words.len() as u64, reads: reads.map(|(_, at)| at).collect() }
    }
}

/// Takes in `0xADDRESS:  WORD  TEXT`, or `OBJD-T: BYTES` of a QEMU without a disassembler.
fn describe((at, words): &mut (Option<u64>, Vec<u32>), line: &str) {
    if let Some(bytes) = line.strip_prefix("OBJD-T: ") {
        let word = |digits: &[u8]| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
        words.extend(bytes.as_bytes().chunks_exact(8).filter_map(word).map(u32::swap_bytes));
    } else if let Some((address, rest)) = line.split_once(": ").filter(|_| line.starts_with("0x")) {
        let word =
            rest.split_whitespace().next().and_then(|word| u32::from_str_radix(word, 16).ok());
        if words.is_empty() {
            *at = hex(address);
        }
        words.extend(word);
    }
}

/// From `CPU: HOST [BASE/PC/FLAGS...] SYMBOL`.
fn trace(rest: &str) -> Option<(u32, u64, u64)> {
    let (cpu, rest) = rest.split_once(": ")?;
    let (host, rest) = rest.split_once(" [")?;
    Some((cpu.parse().ok()?, hex(host)?, hex(rest.split('/').nth(1)?)?))
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits.trim_start_matches("0x"), 16).ok()
}

fn unknown(line: &str) -> String {
    format!("a line of QEMU's log has a form that is not known: {line}")
}
