//! The straight line through the figures of several machines: what a CPU costs, and what is there
//! anyhow.

use serde::Serialize;

use crate::units::{grouped, three_digits};

/// Points that a line needs: through two there is always one.
pub(super) const LEAST: usize = 3;

/// `constant + per_cpu * CPUs`, by least squares.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Slope.
    per_cpu: f64,
    /// Where no CPU would be.
    constant: f64,
    /// The part of the variance that the line explains: 1 if all points are on the line.
    r_squared: f64,
}

impl Line {
    /// Through points (CPUs, figure); `None` for too few different numbers of CPUs.
    pub(super) fn through(points: &[(u32, u64)]) -> Option<Self> {
        let mut different: Vec<u32> = points.iter().map(|point| point.0).collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < LEAST {
            return None;
        }
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (x.into(), y as f64)).collect();
        let mean =
            |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|p| of(p.0 - x, p.1 - y)).sum();
        let (xx, xy, yy): (f64, f64, f64) =
            (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
        let per_cpu = xy / xx;
        let off: f64 = sum(&|x, y| (y - per_cpu * x).powi(2));
        // Figures that are all the same are on a line, too.
        let r_squared = if yy > 0.0 { 1.0 - off / yy } else { 1.0 };
        Some(Self { per_cpu, constant: y - per_cpu * x, r_squared })
    }

    /// Slope, constant and R², for a table.
    pub(super) fn cells(line: Option<Self>) -> [String; 3] {
        line.map_or(["-", "-", "-"].map(String::from), |line| {
            let r_squared = format!("{:.4}", line.r_squared);
            [signed(line.per_cpu), signed(line.constant), r_squared]
        })
    }
}

/// A figure with a minus if the figure is below 0, and commas between thousands.
fn signed(value: f64) -> String {
    let size = value.abs();
    let digits = if size < 999.5 { three_digits(size) } else { grouped(size.round() as u64) };
    let zero = digits.chars().all(|digit| matches!(digit, '0' | '.'));
    format!("{}{digits}", if value < 0.0 && !zero { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let points = [1, 8, 80, 512].map(|cpus| (cpus, 60_000 + 4_960 * u64::from(cpus)));
        let line = Line::through(&points).unwrap();
        assert!((line.per_cpu - 4_960.0).abs() < 1e-6 && (line.constant - 60_000.0).abs() < 1e-6);
        assert!((line.r_squared - 1.0).abs() < 1e-9, "{line:?}");
        assert_eq!(Line::cells(Some(line)), ["4,960", "60,000", "1.0000"]);
    }

    #[test]
    fn points_beside_the_line_lower_r_squared() {
        // By hand: mean (2, 3), slope 1, constant 1; off by 1, -2, 1 of 8: 1 - 6 / 8.
        let line = Line::through(&[(1, 3), (2, 1), (3, 5)]).unwrap();
        assert_eq!((line.per_cpu, line.constant, line.r_squared), (1.0, 1.0, 0.25));
        let level = Line::through(&[(1, 7), (2, 7), (3, 7)]).unwrap();
        assert_eq!((level.per_cpu, level.constant, level.r_squared), (0.0, 7.0, 1.0));
        let falls = Line::through(&[(1, 3_000), (2, 2_000), (3, 1_000)]).unwrap();
        assert_eq!(Line::cells(Some(falls)), ["-1,000", "4,000", "1.0000"]);
    }

    #[test]
    fn two_numbers_of_cpus_have_no_line() {
        assert_eq!(Line::through(&[(1, 3), (2, 1)]), None);
        assert_eq!(Line::through(&[(8, 3), (8, 4), (8, 5), (9, 6)]), None);
        assert_eq!(Line::cells(None), ["-", "-", "-"]);
    }
}
