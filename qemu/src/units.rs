//! Figures for people: times, or instructions where the guest's clock counts those.

use serde::{Deserialize, Serialize};

/// What a guest's clock counts, and so what every figure of its report is in.
///
/// With QEMU's `-icount shift=0` each instruction that any CPU runs lets the clock go on by 1 ns, so
/// a span of n ns on the guest's clock is n instructions: the work of all CPUs in one sum. The
/// clock ticks at 62.5 MHz, so a figure is right to 16 instructions.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nanoseconds.
    #[default]
    Time,
    /// Instructions.
    Instructions,
}

impl Unit {
    /// A figure with its unit where that varies: `4.87 ms`; instructions in full: `4,870,016`.
    pub fn figure(self, value: u64) -> String {
        match self {
            Self::Time => time(value),
            Self::Instructions => grouped(value),
        }
    }

    /// A figure and its unit, always.
    pub fn told(self, value: u64) -> String {
        match self {
            Self::Time => time(value),
            Self::Instructions => format!("{} instructions", grouped(value)),
        }
    }

    /// A figure in the unit that [`Unit::of_small`] names.
    pub fn small(self, value: u64) -> String {
        match self {
            Self::Time => micros(value),
            Self::Instructions => grouped(value),
        }
    }

    /// The unit of a table whose figures are all small.
    pub const fn of_small(self) -> &'static str {
        match self {
            Self::Time => "us",
            Self::Instructions => "instructions",
        }
    }

    /// What stands behind the accelerator's name in a headline.
    pub const fn note(self) -> &'static str {
        match self {
            Self::Time => "",
            Self::Instructions => ", figures are instructions of all CPUs",
        }
    }
}

/// A number with commas between thousands.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Units from the largest, with their length in ns.
const UNITS: &[(&str, u64)] = &[("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];

/// A time in the unit that suits it, three significant digits: `4.87 ms`.
pub fn time(ns: u64) -> String {
    let unit = UNITS.iter().find(|(_, length)| rounds_up_to(ns, *length));
    let Some((name, length)) = unit else { return format!("{ns} ns") };
    format!("{} {name}", three_digits(ns as f64 / *length as f64))
}

/// A time in microseconds, with one digit after the point.
pub fn micros(ns: u64) -> String {
    format!("{}.{}", ns / 1000, ns % 1000 / 100)
}

/// A ratio, three significant digits; `-` if there is nothing to divide by.
pub fn ratio(over: u64, under: u64) -> String {
    quotient(over, under).map_or("-".to_string(), three_digits)
}

/// `over / under`, unless that is nothing to divide by.
pub fn quotient(over: u64, under: u64) -> Option<f64> {
    (under > 0).then(|| over as f64 / under as f64)
}

/// A count of bytes, in the unit that suits it.
pub fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} bytes"),
        1024..1_048_576 => format!("{} KiB", three_digits(count as f64 / 1024.0)),
        _ => format!("{} MiB", three_digits(count as f64 / 1_048_576.0)),
    }
}

/// A number with three significant digits, or all digits before the point.
pub fn three_digits(value: f64) -> String {
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// True if the time shows as one of the unit or more: 999.6 us shows as 1.00 ms.
fn rounds_up_to(ns: u64, unit: u64) -> bool {
    ns as f64 >= unit as f64 * if unit == 1_000 { 1.0 } else { 0.9995 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_follows_the_size() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (99_940, "99.9 us"),
            (99_960, "100 us"),
            (999_600, "1.00 ms"),
            (4_870_000, "4.87 ms"),
            (30_912_000_000, "30.9 s"),
            (1_234_000_000_000, "1234 s"),
        ];
        for (ns, wanted) in cases {
            assert_eq!(time(ns), wanted, "{ns}");
        }
    }

    #[test]
    fn instructions_are_shown_in_full() {
        let shown = [0, 999, 1_000, 2_375_344, 1_000_000_000].map(|n| Unit::Instructions.figure(n));
        assert_eq!(shown, ["0", "999", "1,000", "2,375,344", "1,000,000,000"]);
        assert_eq!(Unit::Time.figure(4_870_000), "4.87 ms");
        assert_eq!(Unit::Time.small(12_345), "12.3");
    }

    #[test]
    fn microseconds_keep_a_digit() {
        assert_eq!([0, 99, 100, 12_345_678].map(micros), ["0.0", "0.0", "0.1", "12345.6"]);
    }

    #[test]
    fn a_ratio_needs_a_divisor() {
        assert_eq!(ratio(3, 0), "-");
        assert_eq!(ratio(25, 10), "2.50");
        assert_eq!(ratio(1, 8), "0.125");
    }

    #[test]
    fn bytes_in_powers_of_two() {
        assert_eq!(bytes(1023), "1023 bytes");
        assert_eq!(bytes(512 << 10), "512 KiB");
        assert_eq!(bytes(900 << 20), "900 MiB");
    }
}
