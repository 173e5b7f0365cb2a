//! What the plugin wrote when QEMU ended.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// An instruction without a syndrome, and its first access to a device.
#[derive(Debug)]
pub struct Offence {
    pub pc: u64,
    pub opcode: u32,
    kind: String,
    pub at: u64,
    pub region: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pc, opcode, kind, at, .. } = self;
        write!(f, "{kind} at {at:#x} by {opcode:#010x} at pc {pc:#x}")
    }
}

/// A page of device addresses.
#[derive(Debug)]
pub struct Page {
    pub at: u64,
    pub loads: u64,
    pub stores: u64,
}

#[derive(Debug, Default)]
pub struct Report {
    /// In the order in which they happened.
    pub offences: Vec<Offence>,
    pub pages: Vec<Page>,
}

impl Report {
    /// Reads a whole report; one without its last line is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).context("the watch left no report")?;
        let mut lines: Vec<&str> = text.lines().collect();
        ensure!(lines.pop() == Some("end"), "the report of the watch is cut short: {text:?}");
        let mut report = Self::default();
        for line in lines {
            report.line(line).with_context(|| format!("line {line:?} of the watch"))?;
        }
        Ok(report)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let (kind, rest) = line.split_once(' ').context("one word")?;
        match kind {
            "offence" => {
                let [pc, opcode, kind, at, region] = words(rest)?;
                let (pc, opcode, at) = (hex(pc)?, u32::try_from(hex(opcode)?)?, hex(at)?);
                let (kind, region) = (kind.into(), region.into());
                self.offences.push(Offence { pc, opcode, kind, at, region });
            }
            "page" => {
                let [at, loads, stores, _region] = words(rest)?;
                let (loads, stores) = (loads.parse()?, stores.parse()?);
                self.pages.push(Page { at: hex(at)?, loads, stores });
            }
            other => bail!("unknown: {other:?}"),
        }
        Ok(())
    }
}

/// So many words; the last one may have blanks.
fn words<const N: usize>(text: &str) -> Result<[&str; N]> {
    let words: Vec<&str> = text.splitn(N, ' ').collect();
    words.try_into().ok().context("too few words")
}

fn hex(word: &str) -> Result<u64> {
    let digits = word.strip_prefix("0x").context("not hexadecimal")?;
    Ok(u64::from_str_radix(digits, 16)?)
}
