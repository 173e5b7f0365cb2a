//! Every package that the workspace builds on, for whatever platform, has a licence that
//! `deny.toml` allows. Licence expressions are SPDX's (specification 3.0, annex B), with the `/`
//! that old packages write for OR.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::Value;

#[test]
fn every_dependency_has_an_allowed_licence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let allowed = allow_list(&fs::read_to_string(root.join("deny.toml")).unwrap());
    let packages = packages(root);
    assert!(packages.len() > 10, "cargo metadata names {} packages", packages.len());
    let offenders: Vec<String> =
        packages.iter().filter_map(|package| offence(package, &allowed)).collect();
    assert!(
        offenders.is_empty(),
        "licences that deny.toml does not allow:\n{}",
        offenders.join("\n")
    );
}

/// All packages in `Cargo.lock`, as `cargo metadata` describes them. Where those of other platforms
/// were never downloaded, that is done now.
fn packages(root: &Path) -> Vec<Value> {
    let offline = metadata(root, &["--offline"]);
    let output = if offline.status.success() { offline } else { metadata(root, &[]) };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {said}");
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

fn metadata(root: &Path, more: &[&str]) -> Output {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(["metadata", "--locked", "--all-features", "--format-version", "1"])
        .args(more)
        .current_dir(root);
    cargo.output().unwrap()
}

fn offence(package: &Value, allowed: &[String]) -> Option<String> {
    let licence = package["license"].as_str().unwrap_or("none given");
    let named = || format!("{} {}: {licence}", package["name"], package["version"]);
    (!allows(licence, allowed)).then(named)
}

/// The strings of `allow = [...]` in `[licenses]`.
fn allow_list(deny: &str) -> Vec<String> {
    let lines = deny.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let section = lines.skip_while(|line| *line != "[licenses]").skip(1);
    let section: String = section.take_while(|line| !line.starts_with("[")).collect();
    let list = section.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.expect("deny.toml has `allow = [...]` in [licenses]");
    list.split('"').skip(1).step_by(2).map(String::from).collect()
}

/// Whether a licence expression can be met with the allowed licences alone. One that is not an
/// expression can't.
fn allows(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = Words { rest: &spaced.split_whitespace().collect::<Vec<_>>(), allowed };
    words.either() == Some(true) && words.rest.is_empty()
}

/// What is left of an expression. Each method takes what it reads; `None` if it is malformed.
struct Words<'a> {
    rest: &'a [&'a str],
    allowed: &'a [String],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.rest.first() == Some(&word);
        self.rest = &self.rest[usize::from(found)..];
        found
    }

    fn either(&mut self) -> Option<bool> {
        let mut met = self.both()?;
        while self.take("OR") {
            met |= self.both()?;
        }
        Some(met)
    }

    fn both(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    /// A licence, with its exception if it has one, or an expression in brackets.
    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.either()?;
            return self.take(")").then_some(met);
        }
        let mut licence = self.next().filter(|word| is_name(word))?.to_string();
        if self.take("WITH") {
            let exception = self.next().filter(|word| is_name(word))?;
            licence = format!("{licence} WITH {exception}");
        }
        Some(self.allowed.contains(&licence))
    }
}

fn is_name(word: &str) -> bool {
    !["(", ")", "OR", "AND", "WITH"].contains(&word)
}

#[test]
fn expressions_are_met_or_not() {
    let allowed = ["MIT", "Apache-2.0", "Zlib", "GPL-2.0 WITH Some-exception"].map(String::from);
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR Zlib", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("(MIT OR Zlib) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("GPL-2.0 WITH Some-exception AND MIT", true),
        ("GPL-2.0", false),
        ("", false),
        ("none given", false),
        ("MIT OR", false),
        ("(MIT", false),
        ("MIT)", false),
        ("MIT Zlib", false),
        ("MIT WITH", false),
    ] {
        assert_eq!(allows(expression, &allowed), met, "{expression:?}");
    }
}

#[test]
fn the_allow_list_is_that_of_its_section() {
    let text = "[bans]\nallow = [\"X\"]\n[licenses]\n# \"Y\"\nallow = [\n  \"MIT\", # \"Z\"\n  \"Zlib\",\n]\n[graph]\n";
    assert_eq!(allow_list(text), ["MIT", "Zlib"]);
}

#[test]
fn an_offender_is_named() {
    let package = serde_json::json!({ "name": "thing", "version": "1.2.3", "license": null });
    let said = offence(&package, &["MIT".to_string()]).unwrap();
    assert!(said.contains("thing") && said.contains("1.2.3"), "{said}");
}
