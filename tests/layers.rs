//! The layers of `src/layers.md` hold: no module of the library uses one that stands below it there.
#![cfg(not(loom))]

#[path = "layers/arrows.rs"]
mod arrows;
#[path = "layers/tokens.rs"]
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use arrows::{Arrow, Order};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
/// Files that are no modules of the list: the library's root, and the image on top of the library.
const ROOTS: [&str; 2] = ["lib.rs", "main.rs"];

fn order() -> Order {
    Order::read(&fs::read_to_string(format!("{SOURCE}/layers.md")).unwrap())
}

/// Every Rust file below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => files(&path, found),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
}

/// Every arrow of the library, without its tests.
fn all() -> Vec<Arrow> {
    let mut found = Vec::new();
    files(Path::new(SOURCE), &mut found);
    found.sort();
    let inside = found.iter().filter_map(|path| path.strip_prefix(SOURCE).ok());
    let inside = inside.filter(|path| !ROOTS.iter().any(|root| Path::new(root) == *path));
    inside
        .flat_map(|path| {
            let text = fs::read_to_string(Path::new(SOURCE).join(path)).unwrap();
            arrows::of(&path.display().to_string(), &text)
        })
        .collect()
}

#[test]
fn no_module_uses_one_below_it() {
    let order = order();
    let wrong: Vec<String> = all().iter().filter_map(|arrow| order.refuses(arrow)).collect();
    assert!(wrong.is_empty(), "src/layers.md allows none of these:\n{}", wrong.join("\n"));
}

#[test]
fn the_list_names_each_module_once() {
    let text = fs::read_to_string(format!("{SOURCE}/lib.rs")).unwrap();
    let mut modules: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")))
        .filter_map(|line| Some(line.split_once(';')?.0))
        .collect();
    let mut listed = order().modules().to_vec();
    modules.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, modules);
}

/// A reader that overlooks imports would let everything pass.
#[test]
fn the_reader_sees_the_arrows_that_are_there() {
    let all = all();
    let count = all.len();
    assert!(count > 500, "only {count} arrows were found");
    for (from, to) in [("hotplug", "machine"), ("aarch64", "kernel"), ("shell", "kernel")] {
        let seen = all.iter().any(|arrow| arrow.from == from && arrow.to == to);
        assert!(seen, "{from} uses {to}, and it was not seen");
    }
}
