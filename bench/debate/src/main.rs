//! The program is in the library; `handover` shares the page.

fn main() -> std::process::ExitCode {
    debate::main()
}
