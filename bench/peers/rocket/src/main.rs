//! `peer-rocket THREADS`: a hello world on so many workers. It tells its address, and ends with its standard input.

use std::{env, io, net::TcpListener};

use rocket::{Config, Route, data::Data, fairing::AdHoc, http::Method, log::LogLevel, route::Outcome, tokio};

fn hello<'r>(request: &'r rocket::Request<'_>, _: Data<'r>) -> rocket::route::BoxFuture<'r> {
    Box::pin(async move { Outcome::from(request, "hello") })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = env::args().nth(1).ok_or("how many threads?")?.parse()?;
    // It cannot tell which port it was given.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = Config {
        address: address.ip(),
        port: address.port(),
        workers: threads,
        log_level: LogLevel::Off,
        ..Config::release_default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let tell = AdHoc::on_liftoff("address", move |_| {
        Box::pin(async move {
            println!("{address}");
            std::thread::spawn(|| {
                _ = io::copy(&mut io::stdin(), &mut io::sink());
                std::process::exit(0);
            });
        })
    });
    let route = Route::new(Method::Get, "/hello", hello);
    runtime.block_on(rocket::custom(config).mount("/", vec![route]).attach(tell).launch())?;
    Ok(())
}
