//! `peer-gotham THREADS`: a hello world on so many workers. It tells its address, and ends with its standard input.

use std::{env, io, net::TcpListener};

use gotham::{
    router::{build_simple_router, builder::*},
    state::State,
};

fn hello(state: State) -> (State, (mime::Mime, &'static str)) {
    (state, (mime::TEXT_PLAIN_UTF_8, "hello"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = env::args().nth(1).ok_or("how many threads?")?.parse()?;
    // It cannot tell which port it was given.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let router = build_simple_router(|route| route.get("/hello").to(hello));
    std::thread::spawn(move || {
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        println!("{address}");
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    gotham::start_with_num_threads(address, router, threads)?;
    Ok(())
}
