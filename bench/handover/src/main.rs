//! What a plain `fn` costs on mio and Tokio: the way from the loop to the pool and back, beside a bare round trip of
//! the same kind; and what a pool full of sleepers does to the `async fn` routes beside it.
//! `cargo run --release --manifest-path bench/Cargo.toml -p handover [--short] [--out FOLDER]` prints it, keeps it in
//! `docs/debate/handover.json` and writes the page of the debate anew, which has a section for it.
//!
//! Everything is measured in interleaved rounds of one run; figures are medians of the rounds.

mod bare;
mod client;

use std::{
    env, io,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use client::Client;
use debate::{
    handover::{BEYOND_MOST_US, Beside, HandOver, RATIO_MOST, Report, Sleepers, Trip},
    page, rule,
};
use kit::machine;
use trijet::{Backend, Limits, Router, Server, ServerHandle, get, inline};

/// How much is measured.
#[derive(Clone, Copy)]
struct Form {
    is_full: bool,
    rounds: usize,
    /// Requests of each kind in a round.
    trips: usize,
}

const FULL: Form = Form { is_full: true, rounds: 9, trips: 4_000 };
/// Shows that everything works.
const SHORT: Form = Form { is_full: false, rounds: 2, trips: 200 };

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("handover: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, keeps it, and writes the page anew; whether the bounds are kept.
fn run() -> io::Result<bool> {
    let (mut form, mut out) = (FULL, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--short" => form = SHORT,
            "--out" => out = arguments.next().map(PathBuf::from),
            other => {
                return Err(io::Error::other(format!(
                    "there is no {other:?}; there are --short and --out FOLDER"
                )));
            }
        }
    }
    // What is short does not replace what the repository has.
    let out = out.map_or_else(|| debate::folder(form.is_full), Ok)?;
    let report = measured(form)?;
    report.write(&out)?;
    page::write(&out)?;
    println!();
    println!("{}", out.join("debate.md").display());
    Ok(report.is_kept())
}

fn measured(form: Form) -> io::Result<Report> {
    const BACKENDS: [Backend; 2] = [Backend::Mio, Backend::Tokio];
    let machine = machine::look()?;
    let (start, busy, own) = (Instant::now(), machine::busy_seconds()?, machine::own_time());
    println!("one worker; {} rounds of {}; load average {}", form.rounds, form.trips, machine.load_before);
    println!();
    println!(
        "| backend | `inline` µs | `fn` µs | hand-over µs | bare: at once µs | by a thread µs | round trip µs | beyond it µs (at most {BEYOND_MOST_US}) |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let hand_overs = BACKENDS.map(|backend| hand_over(backend, form)).to_vec();
    println!();
    println!("| backend | sleepers | p99 without µs | p99 with µs | ratio (at most {RATIO_MOST}) |");
    println!("| --- | --- | --- | --- | --- |");
    let sleepers = BACKENDS.map(|backend| sleepers(backend, form)).to_vec();
    println!();
    let took_s = start.elapsed().as_secs_f64();
    // Client and servers are all in this process.
    let own = machine::own_time().saturating_sub(own).as_secs_f64();
    let other_cores = ((machine::busy_seconds()? - busy - own) / took_s).max(0.0);
    let load_after = machine::load()?;
    println!("load average at the end {load_after}; others {other_cores:.2} cores");
    if other_cores > rule::OTHER_CORES {
        println!("DISTURBED: others kept more than {} cores busy", rule::OTHER_CORES);
    }
    Ok(Report {
        machine,
        is_full: form.is_full,
        took_s,
        load_after,
        other_cores,
        trips: form.trips,
        hand_overs,
        sleepers,
    })
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
fn hand_over(backend: Backend, form: Form) -> HandOver {
    let app = Router::new().route("/fn", get(|| "hello")).route("/inline", get(inline(|| "hello")));
    let server = start(backend, app);
    let mut own = Client::connect(server.local_addr());
    let mut bare = Client::connect(bare::start(backend));
    let mut rounds = Vec::new();
    for round in 0..=form.rounds {
        let [[inline_us, fn_us], [bare_us, bare_by_thread_us]] = [&mut own, &mut bare]
            .map(|client| ["/inline", "/fn"].map(|path| micros(median(client.times(path, form.trips)))));
        // The first warms up.
        if round > 0 {
            rounds.push(Trip { inline_us, fn_us, bare_us, bare_by_thread_us });
        }
    }
    server.shutdown_now();
    let of = HandOver { backend: backend.to_string(), rounds };
    println!(
        "| {backend} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
        of.of(|trip| trip.inline_us),
        of.of(|trip| trip.fn_us),
        of.of(Trip::hand_over),
        of.of(|trip| trip.bare_us),
        of.of(|trip| trip.bare_by_thread_us),
        of.of(Trip::bare),
        of.of(Trip::beyond),
    );
    of
}

/// Compares the p99 of an `async fn` with and without a pool in which every thread sleeps.
fn sleepers(backend: Backend, form: Form) -> Sleepers {
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
    let mut rounds = Vec::new();
    for round in 0..=form.rounds {
        let alone = p99(client.times("/", form.trips));
        over.store(false, Ordering::SeqCst);
        let clients: Vec<Client> = (0..threads)
            .map(|_| {
                let mut client = Client::connect(server.local_addr());
                client.send("/nap");
                client
            })
            .collect();
        wait_until(|| asleep.load(Ordering::SeqCst) == threads);
        let beside = p99(client.times("/", form.trips));
        over.store(true, Ordering::SeqCst);
        for mut client in clients {
            client.receive();
        }
        if round > 0 {
            rounds.push(Beside { without_us: micros(alone), with_us: micros(beside) });
        }
    }
    server.shutdown_now();
    let of = Sleepers { backend: backend.to_string(), threads, rounds };
    println!(
        "| {backend} | {threads} | {:.1} | {:.1} | {:.2} |",
        of.of(|round| round.without_us),
        of.of(|round| round.with_us),
        of.ratio(),
    );
    of
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

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}
