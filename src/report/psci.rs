//! What firmware costs, as a record.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Name, PsciScope};

/// Quantiles of some lengths. Each is a value that occurred: the least that so many percent do not
/// exceed.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// The least.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// The greatest.
    pub max: u64,
}

impl Quantiles {
    /// Of some values, in any order; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).copied()
        };
        Some(Self { min: at(0)?, p50: at(50)?, p90: at(90)?, p99: at(99)?, max: at(100)? })
    }

    /// All five, the least first.
    pub const fn all(&self) -> [u64; 5] {
        [self.min, self.p50, self.p90, self.p99, self.max]
    }
}

/// How CPUs came and went that ran no kernel, in one way. Quantiles over CPUs and rounds.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PsciMode {
    /// The call of CPU_ON, before to after, on the boot CPU.
    pub call_ns: Quantiles,
    /// From before that call to the CPU's first instruction.
    pub first_ns: Quantiles,
    /// From the CPU's call of CPU_OFF until AFFINITY_INFO said OFF.
    pub off_ns: Quantiles,
}

/// What firmware costs without a kernel (`psci bench`).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Psci {
    /// Kexecs behind this kernel.
    pub generation: u32,
    /// Which CPUs: all, those of a socket, those of a cluster.
    pub scope: Name<PsciScope>,
    /// The affinity fields above the CPU's own that these CPUs share, as one number; 0 for all.
    pub number: u64,
    /// How many CPUs, the boot CPU not counted.
    pub cpus: u32,
    /// How often each was turned on and off, each way.
    pub rounds: u32,
    /// PSCI_VERSION, a call that does nothing. Of all CPUs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_ns: Option<Quantiles>,
    /// From the first CPU_ON to the last first instruction, serial (a sum) and parallel: the median of
    /// the rounds. Of all CPUs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_ns: Option<[u64; 2]>,
    /// From the first CPU_OFF until all were OFF, the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_ns: Option<[u64; 2]>,
    /// One CPU after the other.
    pub serial: PsciMode,
    /// All at once.
    pub parallel: PsciMode,
}

impl PsciMode {
    /// What is measured, with its name.
    pub const fn parts(&self) -> [(&'static str, Quantiles); 3] {
        [
            ("CPU_ON call", self.call_ns),
            ("first instruction", self.first_ns),
            ("CPU_OFF to OFF", self.off_ns),
        ]
    }
}

/// How much calls at once contend: the parallel figure in percent of the serial one; `None` if the
/// serial one is 0.
pub fn contention(serial: u64, parallel: u64) -> Option<u64> {
    parallel.saturating_mul(100).checked_div(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let of = |values: &[u64]| Quantiles::of(values.iter().copied()).map(|q| q.all());
        assert_eq!(of(&(1..=100).rev().collect::<Vec<_>>()), Some([1, 50, 90, 99, 100]));
        assert_eq!(of(&(1..=79).collect::<Vec<_>>()), Some([1, 40, 72, 79, 79]));
        assert_eq!((of(&[7]), of(&[])), (Some([7; 5]), None));
    }

    #[test]
    fn contention_is_a_ratio_in_percent() {
        assert_eq!((contention(40, 100), contention(0, 5)), (Some(250), None));
    }
}
