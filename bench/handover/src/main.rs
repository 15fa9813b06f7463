//! What a plain `fn` costs on mio and Tokio: the way from the loop to the pool and back, beside a bare round trip of
//! the same kind; and what a pool full of sleepers does to the `async fn` routes beside it.
//! `cargo run --release --manifest-path bench/Cargo.toml -p handover`
//!
//! Everything is measured in interleaved rounds of one run; figures are medians of the rounds.

mod bare;
mod client;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use client::Client;
use trijet::{Backend, Limits, Router, Server, ServerHandle, get, inline};

const ROUNDS: usize = 9;
/// Requests of each kind in a round.
const TRIPS: usize = 4000;
/// What the hand-over may cost beyond a bare round trip, in microseconds.
const HANDOVER_MAX: f64 = 5.0;
/// What sleepers may do to the p99 of others.
const SLEEPERS_MAX: f64 = 1.5;

fn main() {
    let mut is_held = true;
    println!("one worker; {ROUNDS} rounds of {TRIPS}; load average {}", load_average());
    println!();
    println!(
        "| backend | `inline` µs | `fn` µs | hand-over µs | bare: at once µs | by a thread µs | round trip µs | beyond it µs (at most 5) |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for backend in [Backend::Mio, Backend::Tokio] {
        is_held &= hand_over(backend);
    }
    println!();
    println!("| backend | sleepers | p99 without µs | p99 with µs | ratio (at most 1.5) |");
    println!("| --- | --- | --- | --- | --- |");
    for backend in [Backend::Mio, Backend::Tokio] {
        is_held &= sleepers(backend);
    }
    println!();
    println!("load average at the end {}", load_average());
    if !is_held {
        std::process::exit(1);
    }
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn start(backend: Backend, app: Router) -> ServerHandle {
    let limits = Limits { blocking_queue_timeout: Duration::from_secs(600), ..Limits::default() };
    Server::new(app)
        .backend(backend)
        .workers(1)
        .limits(limits)
        .start("127.0.0.1:0")
        .expect("the server starts")
}

/// Compares plain `fn` with `inline`, one request at a time on one connection; the same beside it on the bare server.
fn hand_over(backend: Backend) -> bool {
    let app = Router::new().route("/fn", get(|| "hello")).route("/inline", get(inline(|| "hello")));
    let server = start(backend, app);
    let mut own = Client::connect(server.local_addr());
    let mut bare = Client::connect(bare::start(backend));
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let figures = [&mut own, &mut bare]
            .map(|client| ["/inline", "/fn"].map(|path| micros(median(client.times(path, TRIPS)))));
        // The first warms up.
        if round > 0 {
            rounds.push(figures);
        }
    }
    server.shutdown_now();
    let of = |figure: &dyn Fn(&[[f64; 2]; 2]) -> f64| median_of(rounds.iter().map(figure).collect());
    // Both of one round, so that a slow machine counts for both.
    let beyond = of(&|[own, bare]| (own[1] - own[0]) - (bare[1] - bare[0]));
    println!(
        "| {backend} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {beyond:.1} |",
        of(&|[own, _]| own[0]),
        of(&|[own, _]| own[1]),
        of(&|[own, _]| own[1] - own[0]),
        of(&|[_, bare]| bare[0]),
        of(&|[_, bare]| bare[1]),
        of(&|[_, bare]| bare[1] - bare[0]),
    );
    beyond <= HANDOVER_MAX
}

/// Compares the p99 of an `async fn` with and without a pool in which every thread sleeps.
fn sleepers(backend: Backend) -> bool {
    let threads = Limits::default().blocking_threads_max;
    let (asleep, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let nap = {
        let (asleep, over) = (asleep.clone(), over.clone());
        move || {
            asleep.fetch_add(1, Ordering::SeqCst);
            while !over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(100));
            }
            asleep.fetch_sub(1, Ordering::SeqCst);
            "slept"
        }
    };
    let server = start(backend, Router::new().route("/nap", get(nap)).route("/", get(async || "hello")));
    let mut client = Client::connect(server.local_addr());
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let alone = p99(client.times("/", TRIPS));
        over.store(false, Ordering::SeqCst);
        let clients: Vec<Client> = (0..threads)
            .map(|_| {
                let mut client = Client::connect(server.local_addr());
                client.send("/nap");
                client
            })
            .collect();
        wait_until(|| asleep.load(Ordering::SeqCst) == threads);
        let beside = p99(client.times("/", TRIPS));
        over.store(true, Ordering::SeqCst);
        for mut client in clients {
            client.receive();
        }
        if round > 0 {
            without.push(alone);
            with.push(beside);
        }
    }
    server.shutdown_now();
    let ratios = without.iter().zip(&with).map(|(without, with)| with.as_secs_f64() / without.as_secs_f64());
    let ratio = median_of(ratios.collect());
    println!(
        "| {backend} | {threads} | {:.1} | {:.1} | {ratio:.2} |",
        micros(median(without)),
        micros(median(with)),
    );
    ratio <= SLEEPERS_MAX
}

fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "the sleepers did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn median_of(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}
