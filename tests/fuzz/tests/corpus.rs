//! Every target over its whole corpus, and over inputs made from it by a seed. Needs no fuzzer.
//!
//! `FUZZ_SEED` chooses other inputs, `FUZZ_INPUTS` how many of them per target.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use baton_fuzz::mutate::{Random, Stock, words};
use baton_fuzz::{TARGETS, Target, home};

/// Bytes of all corpora together. They are part of the source: keep them small.
const MOST: usize = 1 << 20;

fn variable(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Path and contents of the files of a corpus, in order.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = target.corpus();
    let files = fs::read_dir(&directory).unwrap_or_else(|why| panic!("{directory:?}: {why}"));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn stock(target: &Target) -> Stock {
    let inputs = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
    let dictionary = target.dictionary().map(|path| fs::read_to_string(path).unwrap());
    Stock { inputs, words: dictionary.as_deref().map(words).unwrap_or_default() }
}

/// Runs a target; keeps an input that it fails on and says how to go on with it.
fn run(target: &Target, input: &[u8], what: &dyn std::fmt::Display) -> bool {
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    result.unwrap_or_else(|_| {
        let kept = keep(target, input);
        panic!("target {} fails on {what}; the input is kept as {}", target.name, kept.display())
    })
}

fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    let path = directory.join(format!("{}-failed", target.name));
    fs::create_dir_all(&directory).and_then(|()| fs::write(&path, input)).unwrap();
    path
}

#[test]
fn every_corpus_is_taken_and_refused_in_part() {
    for target in TARGETS {
        let inputs = corpus(target);
        let each = inputs.iter().map(|(path, input)| run(target, input, &path.display()));
        let (taken, refused): (Vec<bool>, Vec<bool>) = each.partition(|taken| *taken);
        println!("{}: {} taken, {} refused", target.name, taken.len(), refused.len());
        assert!(
            !taken.is_empty() && !refused.is_empty(),
            "the corpus of {} is lopsided",
            target.name
        );
        run(target, &[], &"an empty input");
    }
}

#[test]
fn inputs_made_from_the_corpus_break_nothing() {
    let (seed, inputs) = (variable("FUZZ_SEED", 1), variable("FUZZ_INPUTS", 10_000));
    for target in TARGETS {
        let stock = stock(target);
        let mut random = Random::new(seed);
        let taken = (0..inputs).filter(|number| {
            let input = stock.make(&mut random);
            run(target, &input, &format_args!("input {number} of FUZZ_SEED={seed}"))
        });
        println!("{}: {} of {inputs} taken", target.name, taken.count());
    }
}

#[test]
fn corpora_and_dictionaries_are_those_of_targets_and_small() {
    let names = |directory: &str| -> Vec<String> {
        let entries = fs::read_dir(home().join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    for name in names("corpus").iter().chain(&names("dict")) {
        assert!(Target::find(name).is_some(), "there is no target {name}");
    }
    let bytes: usize = TARGETS.iter().flat_map(corpus).map(|(_, input)| input.len()).sum();
    assert!(bytes <= MOST, "the corpora have {bytes} bytes");
}
