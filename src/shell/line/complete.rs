//! Completion of names.

use alloc::vec::Vec;

/// What can be done about the beginning of a name.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Completion<'a> {
    /// No name begins like that.
    Nothing,
    /// One name does: the rest of that name.
    Unique(&'a str),
    /// Several do, and all go on like this.
    Further(&'a str),
    /// Several do, and each goes on differently.
    Choices(Vec<&'a str>),
}

/// Completes `typed` from `names`.
pub(super) fn complete<'a>(typed: &str, names: &[&'a str]) -> Completion<'a> {
    let fitting: Vec<&'a str> =
        names.iter().copied().filter(|name| name.starts_with(typed)).collect();
    let Some((&first, others)) = fitting.split_first() else { return Completion::Nothing };
    if others.is_empty() {
        return Completion::Unique(&first[typed.len()..]);
    }
    let shared = others.iter().map(|other| common(first, other)).min().unwrap_or(0);
    match &first[typed.len()..shared] {
        "" => Completion::Choices(fitting),
        further => Completion::Further(further),
    }
}

/// Bytes that both begin with, up to a border between characters.
fn common(a: &str, b: &str) -> usize {
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y);
    same.map(|(x, _)| x.len_utf8()).sum()
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use std::vec;

    use super::*;

    const NAMES: [&str; 5] = ["cpus", "cpu online", "cpu offline", "crash", "mem"];

    #[test]
    fn names_are_completed_as_far_as_they_agree() {
        assert_eq!(complete("m", &NAMES), Completion::Unique("em"));
        assert_eq!(complete("cp", &NAMES), Completion::Further("u"));
        assert_eq!(complete("cpu ", &NAMES), Completion::Further("o"));
        assert_eq!(
            complete("cpu o", &NAMES),
            Completion::Choices(vec!["cpu online", "cpu offline"])
        );
        assert_eq!(complete("x", &NAMES), Completion::Nothing);
        assert_eq!(complete("mem", &NAMES), Completion::Unique(""));
    }
}
