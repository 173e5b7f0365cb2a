//! Times for people.

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
