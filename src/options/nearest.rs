//! Finds the name that was perhaps meant.

use alloc::vec::Vec;

/// The name with the fewest letters to insert, drop, replace or swap with a neighbour; `None` if
/// even that one differs in more than a third of its letters.
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = names.iter().filter(|name| word.len().abs_diff(name.len()) <= limit(name));
    let scored = near.map(|&name| (distance(word.as_bytes(), name.as_bytes()), name));
    let (score, name) = scored.min_by_key(|&(score, _)| score)?;
    (score <= limit(name)).then_some(name)
}

fn limit(name: &str) -> usize {
    (name.len() / 3).max(1)
}

/// Optimal string alignment distance, row by row.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = Vec::from([i]);
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_slip_costs_one() {
        for slip in ["timline", "timellne", "timelinee", "tiemline"] {
            assert_eq!(distance(slip.as_bytes(), b"timeline"), 1, "{slip}");
        }
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b""), 3);
    }

    #[test]
    fn the_closest_name_wins_and_a_stranger_gets_none() {
        let names = ["cpus", "cpu", "mem", "dmesg"];
        assert_eq!(nearest("cpsu", &names), Some("cpus"));
        assert_eq!(nearest("dmseg", &names), Some("dmesg"));
        assert_eq!(nearest("ls", &names), None);
        assert_eq!(nearest("", &names), None);
    }
}
