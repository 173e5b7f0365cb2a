//! Which module uses which, and whether it may.

use crate::tokens;

/// One use of a module by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The module that uses.
    pub from: String,
    /// The module that is used.
    pub to: String,
    /// Path below `src/`.
    pub file: String,
    /// Line of the module's name, from 1.
    pub line: usize,
}

/// The modules, lowest first.
pub struct Order(Vec<String>);

impl Order {
    /// From the items of a Markdown list, each "- `module`: what it is".
    pub fn read(text: &str) -> Self {
        let names = text.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("`:"));
        Self(names.map(|(name, _)| name.to_string()).collect())
    }

    /// Their names.
    pub fn modules(&self) -> &[String] {
        &self.0
    }

    /// What is wrong with an arrow, for people; `None` if it may be.
    pub fn refuses(&self, arrow: &Arrow) -> Option<String> {
        let place = |name: &str| self.0.iter().position(|module| module == name);
        let Arrow { from, to, file, line } = arrow;
        match (place(from), place(to)) {
            (Some(from), Some(to)) if to < from => None,
            (Some(_), Some(_)) => Some(format!(
                "src/{file}:{line}: {from} uses {to}, which stands below it in the list"
            )),
            (_, None) => Some(format!("src/{file}:{line}: {from} uses {to}, not in the list")),
            (None, _) => Some(format!("src/{file}:{line}: {from} is not in the list")),
        }
    }
}

/// The arrows of a file, to each other module. `file` is its path below `src/`.
pub fn of(file: &str, text: &str) -> Vec<Arrow> {
    if is_test(file) {
        return Vec::new();
    }
    let home: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let used = tokens::top_modules(text, home.len());
    let other = used.into_iter().filter(|(to, _)| to != home[0]);
    let from = home[0].to_string();
    other.map(|(to, line)| Arrow { from: from.clone(), to, file: file.to_string(), line }).collect()
}

/// True for files that are modules under `#[cfg(test)]`, or `#[cfg(loom)]` tests.
fn is_test(file: &str) -> bool {
    let part = |part: &str| ["tests", "loom_tests", "fake"].contains(&part);
    file.trim_end_matches(".rs").split('/').any(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order::read(
            "Lowest first.\n\n- `cpu`: numbers\n  and sets.\n- `machine`: the seam.\n- `shell`: x.\n",
        )
    }

    fn wrong(file: &str, text: &str) -> Vec<String> {
        of(file, text).iter().filter_map(|arrow| order().refuses(arrow)).collect()
    }

    #[test]
    fn an_arrow_up_is_named_with_file_and_line() {
        let text = "use crate::cpu::CpuId;\nuse crate::shell::command::CrashKind;\n";
        let said = ["src/machine.rs:2: machine uses shell, which stands below it in the list"];
        assert_eq!(wrong("machine.rs", text), said);
        assert_eq!(wrong("shell/exec.rs", text), [""; 0]);
    }

    #[test]
    fn every_form_of_path_is_seen() {
        for text in [
            "use crate::{cpu::CpuId, shell::{self, Line}};",
            "pub use crate::shell;",
            "fn f() -> crate::shell::Line { todo!() }",
            "fn f() { assert!(crate::shell::line() == 1); }",
            "use super::super::shell::Line;",
            "mod inner { use super::super::super::shell::Line; }",
            "fn f() { $crate::shell::line() }",
            "use crate::shell::*;",
            "use crate as root;",
        ] {
            assert_eq!(wrong("machine/irq.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_is_no_use_of_a_module_is_not_seen() {
        for text in [
            "// use crate::shell::Line;",
            "/// See [`crate::shell`].\nfn f() {}",
            "fn f() { let _ = \"crate::shell\"; }",
            "use super::shell::Line;",
            "#[cfg(test)]\nmod tests { use crate::shell::Line; }",
            "#[cfg(all(test, not(loom)))]\nuse crate::shell::Line;\n",
            "#[cfg(test)]\npub(crate) fn f() -> crate::shell::Line { todo!() }",
        ] {
            assert_eq!(wrong("machine/irq.rs", text), [""; 0], "{text}");
        }
        assert_eq!(wrong("machine/fake.rs", "use crate::shell::Line;"), [""; 0]);
    }

    #[test]
    fn what_follows_a_test_counts_again() {
        let text = "#[cfg(test)]\nmod tests;\nuse crate::shell::Line;\n";
        assert_eq!(wrong("machine.rs", text).len(), 1);
    }

    #[test]
    fn a_module_that_is_not_in_the_list_is_named() {
        assert_eq!(wrong("shell.rs", "use crate::attic::X;").len(), 1);
        assert_eq!(wrong("attic.rs", "use crate::cpu::X;").len(), 1);
    }
}
