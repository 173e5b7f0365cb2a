//! Steps that are made to fail on purpose: `<step>[:cpu][:up|down][:times]`.
//!
//! Names of steps have colons of their own (`gic:starting`): every part that is a word, but no
//! direction, belongs to the name, up to the first one that is not.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use super::{cpu, number};
use crate::cpu::CpuId;
use crate::trace::Dir;

/// One step that is to fail. An empty field stands for "any", so
/// `gic:starting::down` fails on every CPU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailSpec {
    /// Name of the step; whether there is such a step is for the step table to say.
    pub step: String,
    /// Only on this CPU; `None`: on any.
    pub cpu: Option<CpuId>,
    /// Only in this direction; `None`: in both.
    pub dir: Option<Dir>,
    /// How often the step fails, counted over all CPUs; at least 1, and 1 if not given.
    pub times: u32,
}

/// Why a text names no step to fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailError {
    /// The text does not begin with a name.
    NoStep,
    /// A field that is neither a CPU nor a direction nor a count, or stands in the wrong place.
    Field(String),
}

impl fmt::Display for FailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStep => f.write_str("no step is named")?,
            Self::Field(field) => write!(f, "{field:?} does not belong there")?,
        }
        f.write_str(", the form is STEP[:CPU][:up|down][:TIMES]")
    }
}

impl FromStr for FailSpec {
    type Err = FailError;

    fn from_str(text: &str) -> Result<Self, FailError> {
        let (step, fields) = text.split_at(name_length(text));
        if step.is_empty() {
            return Err(FailError::NoStep);
        }
        let mut spec = Self { step: step.to_string(), cpu: None, dir: None, times: 1 };
        let mut place = FailField::Cpu;
        for field in fields.split(':').skip(1) {
            place = spec.take(field, place).ok_or_else(|| FailError::Field(field.to_string()))?;
        }
        Ok(spec)
    }
}

fn name_length(text: &str) -> usize {
    let names = text.split(':').take_while(|part| is_name(part));
    names.map(|part| part.len() + 1).sum::<usize>().saturating_sub(1)
}

fn is_name(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphabetic()) && direction(part).is_none()
}

/// The field that may stand next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FailField {
    Cpu,
    Dir,
    Times,
    End,
}

impl FailSpec {
    /// Takes a field at the first place from `place` on that the field fits; returns what may
    /// follow.
    fn take(&mut self, field: &str, place: FailField) -> Option<FailField> {
        let dir = direction(field);
        match place {
            FailField::Cpu if field.is_empty() => Some(FailField::Dir),
            FailField::Cpu if dir.is_none() => {
                self.cpu = Some(cpu(field)?);
                Some(FailField::Dir)
            }
            FailField::Dir if field.is_empty() => Some(FailField::Times),
            FailField::Cpu | FailField::Dir if dir.is_some() => {
                self.dir = dir;
                Some(FailField::Times)
            }
            FailField::End => None,
            _ => {
                self.times = number(field).and_then(|n| n.try_into().ok()).filter(|&n| n > 0)?;
                Some(FailField::End)
            }
        }
    }
}

fn direction(field: &str) -> Option<Dir> {
    [Dir::Up, Dir::Down].into_iter().find(|dir| dir.name() == field)
}

impl fmt::Display for FailSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.step)?;
        if let Some(cpu) = self.cpu {
            write!(f, "{cpu}")?;
        }
        write!(f, ":{}:{}", self.dir.map_or("", Dir::name), self.times)
    }
}
