//! `peer-iron THREADS`: a hello world on so many threads. It tells its address, and ends with its standard input.

use std::{env, io};

use iron::{Iron, Request, Response, status};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = env::args().nth(1).ok_or("how many threads?")?.parse()?;
    let mut iron = Iron::new(|_: &mut Request<'_, '_>| Ok(Response::with((status::Ok, "hello"))));
    iron.threads = threads;
    let listening = iron.http("127.0.0.1:0")?;
    println!("{}", listening.socket);
    io::copy(&mut io::stdin(), &mut io::sink())?;
    // Its threads cannot be told to end.
    std::process::exit(0);
}
