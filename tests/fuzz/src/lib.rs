//! Fuzz targets: one for every parser that eats foreign bytes.
//!
//! A target takes bytes, gives them to a parser and asserts what that parser promises: not only
//! that it comes back, but that what it returns lies in bounds, reads back as it was written and
//! took no more memory than it should. It returns whether the parser took the input, so that a test
//! can see that a target's corpus reaches both sides.
//!
//! To add one: a function in a file of [`targets`], and a line in [`TARGETS`]; then inputs to start
//! from in `corpus/NAME/`, one that is taken and one that is refused at least, and words that inputs
//! are made of in `dict/NAME`, if that helps.
//!
//! Inputs with a name of words were made by hand, or by `dtc`, from `dts/fixtures`; what was found
//! to break something has a test by name in `tests/findings.rs` too. Those with a hash for a name
//! are libFuzzer's, each for code that the others do not reach (`make fuzz-keep`).
//!
//! Two drivers run them: libFuzzer, guided by coverage (`make fuzz`), and the test of the corpus
//! (`make test`), which runs each input of the corpus and a few thousand changed ones.

pub mod input;
pub mod mutate;
pub mod peak;
pub mod targets;

use std::path::{Path, PathBuf};

use targets::{
    command_line, console, edit, fdt, firmware, gzip, handover, image, initrd, packed, plan,
    results, signature, warm,
};

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Gives the bytes to the parser and asserts. Returns true if the parser took them.
    pub run: fn(&[u8]) -> bool,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "image", run: image::image },
    Target { name: "gzip", run: gzip::gzip },
    Target { name: "deflate", run: gzip::deflate },
    Target { name: "packed", run: packed::packed },
    Target { name: "signature", run: signature::signature },
    Target { name: "initrd", run: initrd::initrd },
    Target { name: "fdt", run: fdt::fdt },
    Target { name: "firmware", run: firmware::firmware },
    Target { name: "edit", run: edit::edit },
    Target { name: "bootargs", run: command_line::bootargs },
    Target { name: "script", run: command_line::script },
    Target { name: "console", run: console::console },
    Target { name: "keys", run: console::keys },
    Target { name: "plan", run: plan::plan },
    Target { name: "handover", run: handover::handover },
    Target { name: "warm", run: warm::warm },
    Target { name: "results", run: results::results },
];

impl Target {
    /// The target of this name.
    pub fn find(name: &str) -> Option<Self> {
        TARGETS.iter().find(|target| target.name == name).copied()
    }

    /// Where its corpus is.
    pub fn corpus(&self) -> PathBuf {
        home().join("corpus").join(self.name)
    }

    /// Where its words are, if there are any.
    pub fn dictionary(&self) -> Option<PathBuf> {
        Some(home().join("dict").join(self.name)).filter(|path| path.exists())
    }
}

/// The directory of this crate.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
