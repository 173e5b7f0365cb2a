//! libFuzzer with one of the targets, the one that `BATON_TARGET` names. Built with coverage by
//! `make fuzz`; its options are libFuzzer's (`-help=1`).
#![no_main]

use std::sync::LazyLock;

use baton_fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("BATON_TARGET").unwrap_or_default();
    Target::find(&name).unwrap_or_else(|| panic!("BATON_TARGET={name}: there is no such target"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});
