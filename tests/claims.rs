//! Every claim of `doc/security.md` names tests that hold it, and these tests exist.
//!
//! A test in the table is `host NAME` (a function in `src`, `tests` or `qemu`), `guest FAMILY::NAME`
//! (in `qemu/tests/guest`) or `fuzz TARGET`.
#![cfg(not(loom))]

use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All Rust sources below these directories, each run of white space as one space.
fn sources(directories: &[&str]) -> String {
    let mut text = String::new();
    for directory in directories {
        read(&Path::new(ROOT).join(directory), &mut text);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
            text.push('\n');
        }
    }
}

/// Claim and tests of each row below the heading "Claims".
fn claims() -> Vec<(String, Vec<String>)> {
    let page = fs::read_to_string(format!("{ROOT}/doc/security.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Claims\n"));
    let rows = section.expect("a section of claims").lines().filter(|line| line.starts_with('|'));
    let cells = |row: &str| -> (String, Vec<String>) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), 2, "{row}");
        // What stands in backticks: every other piece.
        let tests = cells[1].split('`').skip(1).step_by(2).map(String::from).collect();
        (cells[0].trim().to_string(), tests)
    };
    rows.skip(2).map(cells).collect()
}

/// True if the sources have this test: a function is one if it is marked so right before its name.
fn exists(test: &str, host: &str, guest: &str, fuzz: &str) -> bool {
    match test.split_once(' ') {
        Some(("host", name)) => host.contains(&format!("#[test] fn {name}(")),
        Some(("guest", name)) => name
            .split_once("::")
            .is_some_and(|(family, name)| guest.contains(&format!("\"{family}\", \"{name}\""))),
        Some(("fuzz", name)) => fuzz.contains(&format!("Target {{ name: \"{name}\",")),
        _ => false,
    }
}

#[test]
fn every_claim_has_tests_and_they_exist() {
    let host = sources(&["src", "tests", "qemu/src"]);
    let (guest, fuzz) = (sources(&["qemu/tests/guest"]), sources(&["tests/fuzz/src"]));
    let claims = claims();
    assert!(claims.len() >= 15, "{} claims", claims.len());
    for (claim, tests) in claims {
        assert!(!tests.is_empty(), "no test holds: {claim}");
        for test in tests {
            assert!(exists(&test, &host, &guest, &fuzz), "there is no {test:?}, for: {claim}");
        }
    }
}

#[test]
fn a_test_that_is_gone_is_noticed() {
    let host = "#[test] fn here() {} fn helper() {}";
    let guest = "test(\"family\", \"here\", f)";
    let fuzz = "Target { name: \"here\", run: x }";
    for good in ["host here", "guest family::here", "fuzz here"] {
        assert!(exists(good, host, guest, fuzz), "{good}");
    }
    for bad in ["host gone", "host helper", "guest other::here", "guest here", "fuzz gone", "here"]
    {
        assert!(!exists(bad, host, guest, fuzz), "{bad}");
    }
}
