//! The binary `crossdock`.

fn main() -> std::process::ExitCode {
    host::cli::main()
}
