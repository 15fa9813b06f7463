//! `trijet-load [--short] [NAME…] [threaded|mio|tokio…]` runs loads and judges them;
//! `trijet-load serve SETTING=VALUE…` is the server that they are run on.

use std::{env, process::ExitCode};

use trijet_load::{app, loads};

#[expect(clippy::print_stderr, reason = "the last word of a program that failed")]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, settings)) if first == "serve" => app::serve(settings).map(|()| true),
        _ => loads::run(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("trijet-load: {error}");
            ExitCode::from(2)
        }
    }
}
