//! Hands the linker script to a bare-metal payload, and to nothing else.

fn main() {
    println!("cargo:rerun-if-changed=../bare/bare.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
        println!("cargo:rustc-link-arg-bins=-T{root}/../bare/bare.ld");
    }
}
