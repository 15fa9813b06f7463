//! The program is in the library.

fn main() -> std::process::ExitCode {
    debate::main()
}
