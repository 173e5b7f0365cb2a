//! `baton`, the host tool: see `baton --help`.

fn main() -> std::process::ExitCode {
    baton_qemu::cli::main()
}
