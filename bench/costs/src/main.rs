//! What a request costs.

mod app;
mod cases;
mod client;
mod measure;
mod server;
mod tools;

use std::{env, io, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["serve", backend, routes, address] => app::serve(backend, routes, address),
        _ => run(&words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("costs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> io::Result<()> {
    for case in cases::all() {
        for backend in ["threaded", "mio", "tokio"] {
            if !words.is_empty() && !words.contains(&case.name) {
                continue;
            }
            let program = server::Program {
                path: env::current_exe()?,
                words: vec!["serve".to_owned(), backend.to_owned(), case.routes.to_string()],
            };
            let begin = std::time::Instant::now();
            let cost = measure::measure(&program, &case, &tools::Tool::ALL, None)?;
            println!("{} {backend} {cost:?} {:?}", case.name, begin.elapsed());
        }
    }
    Ok(())
}
