//! Hands the linker script to the stub, and to nothing else.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=stub.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
        println!("cargo:rustc-link-arg-bins=-T{root}/stub.ld");
        // Firmware puts the stub anywhere. What holds an address is listed in .rela.dyn, and the
        // stub's first instructions add to each where the stub lies.
        for argument in ["-pie", "--no-dynamic-linker", "-Bsymbolic", "-znotext"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
