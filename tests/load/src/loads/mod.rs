//! The loads: each is a function that drives a server and fills a report. This file chooses and runs
//! them, and holds what they share.

mod churn;
mod idle;
mod overload;
mod readers;
mod slow;
mod soak;

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use trijet::Backend;

use crate::{
    child::Held,
    client::{Client, Exchange, Key, Options, What},
    measure::{Tally, median},
    process::Process,
    report::{Bar, Report},
};

/// One request of a plain `fn`.
fn ask_for_fn(server: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(b"GET /fn HTTP/1.1\r\nhost: load\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(io::Error::other(answer)) }
}

type Load = fn(&mut Stage) -> io::Result<()>;

const LOADS: [(&str, Load); 7] = [
    ("idle", idle::run),
    ("slow-heads", slow::heads),
    ("slow-bodies", slow::bodies),
    ("slow-readers", readers::run),
    ("churn", churn::run),
    ("overload", overload::run),
    ("soak", soak::run),
];

/// Runs the loads and backends that are named, or all; tells whether every bar was met.
///
/// # Errors
/// A name that is not known, or what the system refused.
pub fn run(arguments: &[String]) -> io::Result<bool> {
    let (mut loads, mut backends, mut is_full) = (Vec::new(), Vec::new(), true);
    for argument in arguments {
        if argument == "--short" {
            is_full = false;
        } else if let Some(load) = LOADS.iter().find(|(name, _)| name == argument) {
            loads.push(*load);
        } else if let Ok(backend) = argument.parse::<Backend>() {
            backends.push(backend);
        } else {
            let names: Vec<_> = LOADS.iter().map(|(name, _)| *name).collect();
            return Err(io::Error::other(format!(
                "there is no load {argument:?}; there are {}",
                names.join(", ")
            )));
        }
    }
    if loads.is_empty() {
        loads.extend(LOADS);
    }
    if backends.is_empty() {
        backends.extend(Backend::compiled());
        backends.reverse();
    }
    let folder = folder()?;
    let mut is_met = true;
    for (name, load) in loads {
        let one = |backend| Stage::run(name, load, backend, is_full);
        let reports: Vec<io::Result<Report>> = if is_full {
            // One at a time, told at once: nothing else may disturb the figures.
            backends.iter().map(|backend| one(*backend).inspect(tell)).collect()
        } else {
            let reports: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> =
                    backends.iter().map(|backend| scope.spawn(move || one(*backend))).collect();
                threads.into_iter().map(|thread| thread.join().expect("a load does not panic")).collect()
            });
            reports.iter().flatten().for_each(tell);
            reports
        };
        for report in reports {
            let report = report?;
            report.write(&folder)?;
            is_met &= report.is_met();
        }
    }
    tell_line(&format!(
        "{}; JSON in {}",
        if is_met { "every bar met" } else { "BARS MISSED" },
        folder.display()
    ));
    Ok(is_met)
}

fn tell(report: &Report) {
    tell_line(&report.table());
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn tell_line(text: &str) {
    println!("{text}");
}

/// Beside the build, which is not in the repository.
fn folder() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or(io::ErrorKind::NotFound)?;
    Ok(target.join("load"))
}

/// What a load is given: a form, a backend, and a place for its figures.
struct Stage {
    backend: Backend,
    is_full: bool,
    report: Report,
}

/// A server under load, and what it held before.
struct Subject {
    process: Process,
    base: Held,
}

/// What a server may hold more after a load than before.
const MEMORY_MORE: u64 = 8 << 20;

/// Within this time after a load, a server is as it was before.
const SETTLE: Duration = Duration::from_secs(5);

/// Longer than anything that is waited for takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

impl Stage {
    fn run(name: &str, load: Load, backend: Backend, is_full: bool) -> io::Result<Report> {
        let mut stage = Self { backend, is_full, report: Report::new(name, backend, is_full) };
        load(&mut stage).map_err(|error| io::Error::other(format!("{name} on {backend}: {error}")))?;
        Ok(stage.report)
    }

    /// One of two values, by the form.
    fn form<V>(&self, full: V, short: V) -> V {
        if self.is_full { full } else { short }
    }

    fn seconds(&self, full: f64, short: f64) -> Duration {
        Duration::from_secs_f64(self.form(full, short))
    }

    /// So many connections, or what the open-file limit leaves to each of the three that run at once.
    fn connections(&mut self, full: usize, short: usize) -> usize {
        let wanted = self.form(full, short);
        let limit = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| {
            let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
            row.split_whitespace().next()?.parse::<usize>().ok()
        });
        let share = self.form(1, Backend::ALL.len());
        let possible = limit.map_or(wanted, |limit| limit.saturating_sub(200) / share);
        if possible < wanted {
            self.report.remark(format!("{possible} connections instead of {wanted}: the open-file limit"));
        }
        wanted.min(possible)
    }

    fn start(&self, settings: &[&str]) -> io::Result<Subject> {
        let backend = format!("backend={}", self.backend);
        let settings: Vec<String> =
            [backend].into_iter().chain(settings.iter().map(|&setting| setting.to_owned())).collect();
        let mut process = Process::start(&settings)?;
        // Once it answers, all its threads are there, but for the one that its pool keeps once it was needed.
        process.counts()?;
        let unused = process.held()?;
        ask_for_fn(process.address())?;
        let base = Held { threads: unused.threads + 1, ..unused };
        let (held, _) = process.settle(&base, MEMORY_MORE, SETTLE)?;
        if !held.is_back_at(&base, MEMORY_MORE) {
            return Err(io::Error::other(format!("one request left {held:?}, where {base:?} is expected")));
        }
        Ok(Subject { process, base: held })
    }

    /// The oracle at the end of every load: nothing is left of it.
    fn end(&mut self, subject: Subject) -> io::Result<()> {
        let Subject { mut process, base } = subject;
        let kept = mebibytes(process.held()?.memory) - mebibytes(base.memory);
        let (held, waited) = process.settle(&base, MEMORY_MORE, SETTLE)?;
        let report = &mut self.report;
        report.count("afterwards: open files", held.files, Bar::AtMost(base.files as f64));
        report.count("afterwards: threads", held.threads, Bar::AtMost(base.threads as f64));
        let more = mebibytes(held.memory) - mebibytes(base.memory);
        // Rounded up, so that it is judged as the count that it nearly is.
        report.count(
            "afterwards: memory more than before, MiB",
            more.max(0.0).ceil() as u64,
            Bar::AtMost(8.0),
        );
        report.measure("afterwards: at once, with what malloc keeps, MiB", kept, Bar::None);
        report.measure("settled after, s", waited.as_secs_f64(), Bar::AtMost(SETTLE.as_secs_f64()));
        process.stop()
    }

    /// The latencies of several windows, of which the middle one is judged.
    fn judge_latency(&mut self, name: &str, windows: &[Tally], p99_ms_max: f64) {
        let middle = |of: fn(&Tally) -> f64| median(windows.iter().map(of).collect());
        let lateness = middle(|tally| tally.lateness_ms(0.99));
        let p99 = middle(|tally| tally.latency_ms(0.99));
        self.report.measure(&format!("{name}: p99, ms (median)"), p99, Bar::AtMost(p99_ms_max));
        self.report.measure(&format!("{name}: of it the client's lateness, ms"), lateness, Bar::None);
        if lateness > p99_ms_max / 2.0 {
            self.report.remark("disturbed: the client itself was late, and the latencies tell of that");
        }
    }

    /// What normal requests have come to: every one is answered.
    fn judge(&mut self, name: &str, tally: &Tally) {
        let report = &mut self.report;
        report.count(&format!("{name}: sent"), tally.sent, Bar::None);
        report.count(&format!("{name}: answered"), tally.answers(), Bar::Is(tally.sent as f64));
        report.count(&format!("{name}: wrong"), tally.wrong, Bar::Is(0.0));
        for sample in &tally.samples {
            report.remark(format!("{name}: {sample}"));
        }
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 10)
}

/// Groups of connections of one client.
const NORMAL: u8 = 0;
const OTHER: u8 = 1;

/// Connects, a few hundred at a time so that the listener's queue does not overflow, and has one exchange
/// on each. Gives those that were answered.
fn crowd(
    client: &mut Client,
    count: usize,
    exchange: &Arc<Exchange>,
    tally: &mut Tally,
    mut look: impl FnMut() -> io::Result<()>,
) -> io::Result<Vec<Key>> {
    const WAVE: u64 = 256;
    let mut keys = Vec::with_capacity(count);
    let until = Instant::now() + PATIENCE;
    while (tally.sent < count as u64 || tally.outstanding() > 0) && Instant::now() < until {
        while tally.sent < count as u64 && tally.outstanding() < WAVE {
            let now = Instant::now();
            let key = client.connect_as(NORMAL);
            client.send(key, exchange, now);
            tally.sends(now);
        }
        for event in client.wait(until)? {
            tally.note(&event);
            if let What::Answered(_) = event.what {
                keys.push(event.key);
            }
        }
        look()?;
    }
    Ok(keys)
}

/// The client of a load.
fn client(subject: &Subject, options: Options) -> io::Result<Client> {
    Client::new(subject.process.address(), options)
}
