//! One measurement: a server and a generator are started, looked at when the window opens and closes, and ended. The
//! database lives for all of them.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use kit::machine;
use trijet_load::{
    child::{Child, Turns},
    process::Process,
};

use crate::{
    app::Settings,
    database::Asked,
    job::{Job, Outcome},
    results::{Case, Run, Used},
    rule::{Verdict, judge},
};

/// What is measured on.
pub struct Stage {
    database: Child,
    addresses: Vec<SocketAddr>,
    control: BufReader<TcpStream>,
    turn: usize,
    /// Rounds of arithmetic that take [`BURN`].
    pub rounds: u64,
    pub is_full: bool,
}

/// What a handler computes that computes.
pub const BURN: Duration = Duration::from_millis(5);

/// From here on, ticks of ten milliseconds are precise enough.
const TICKS_ENOUGH: Duration = Duration::from_millis(300);

/// Which server.
pub enum Subject {
    Ours(Settings),
    /// A program, and its number of threads.
    Peer(PathBuf, usize),
}

/// What a process has used up to a moment.
struct Look {
    server: Duration,
    generator: Duration,
    database: Duration,
    own: Duration,
    busy: f64,
}

impl Stage {
    /// Starts the database.
    pub fn new(is_full: bool, rounds: u64) -> io::Result<Self> {
        let mut database = Child::spawn(Command::new(env::current_exe()?).arg("database"))?;
        let line = database.hear()?;
        let addresses: Result<Vec<SocketAddr>, _> = line.split(' ').map(str::parse).collect();
        let addresses = addresses.map_err(io::Error::other)?;
        let control = BufReader::new(TcpStream::connect(addresses[0])?);
        Ok(Self { database, addresses, control, turn: 0, rounds, is_full })
    }

    /// One of two values, by the form.
    pub fn form<V>(&self, full: V, short: V) -> V {
        if self.is_full { full } else { short }
    }

    fn ask_database(&mut self, order: &str) -> io::Result<String> {
        self.control.get_mut().write_all(format!("{order}\n").as_bytes())?;
        let mut line = String::new();
        self.control.read_line(&mut line)?;
        Ok(line)
    }

    /// Measures, tells in a line, and gives all that is known.
    pub fn run(&mut self, case: Case, job: Job) -> io::Result<Run> {
        let settings = Settings {
            backend: case.server.clone(),
            workers: case.workers,
            threads: case.threads,
            rounds: self.rounds,
            ..Settings::default()
        };
        self.run_on(Subject::Ours(settings), case, job)
    }

    /// As [`run`](Self::run), with a server that is told.
    pub fn run_on(&mut self, subject: Subject, case: Case, mut job: Job) -> io::Result<Run> {
        let mut server = self.start(subject)?;
        let log = collect(&mut server);
        job.address = Some(server.address());
        let mut generator = Child::spawn(Command::new(env::current_exe()?).arg("generate"))?;
        let lost = |error| io::Error::other(format!("{case:?}: {error}"));
        generator.ask(&serde_json::to_string(&job)?).map_err(lost)?;
        generator.ask("start").map_err(lost)?;
        // With thousands of threads this takes a while: outside of the window, at both of its ends.
        let scheduled = server.scheduled()?;
        self.ask_database("reset")?;
        let before = self.look(&server, &generator)?;
        generator.ask("go").map_err(lost)?;
        let after = self.look(&server, &generator)?;
        let asked: Asked = serde_json::from_str(&self.ask_database("stats")?)?;
        let turns = server.scheduled()?.since(&scheduled);
        let mut used = Used {
            threads: server.threads()?,
            resident_mib: server.status("VmRSS:")? as f64 / 1024.0,
            resident_most_mib: server.status("VmHWM:")? as f64 / 1024.0,
            waits: turns.waits,
            ousted: turns.ousted,
            ..Used::default()
        };
        let outcome: Outcome = serde_json::from_str(&generator.hear().map_err(lost)?)?;
        let cores = |of: fn(&Look) -> Duration| {
            of(&after).saturating_sub(of(&before)).as_secs_f64() / outcome.window_s
        };
        used.count(&outcome, cores(|look| look.server), &turns);
        let generator_cores = cores(|look| look.generator);
        let ours = used.cores + generator_cores + cores(|look| look.database) + cores(|look| look.own);
        let other_cores = ((after.busy - before.busy) / outcome.window_s - ours).max(0.0);
        // What was queued for the server is not worth awaiting.
        drop((generator, server));
        let log = log.lock().map_or_else(|_| Vec::new(), |log| log.clone());
        let database = (asked.answers > 0).then_some(asked);
        let run = Run { case, outcome, server: used, database, generator_cores, other_cores, log };
        println!("{}", row(&run));
        if let Some(line) = run.log.iter().find(|line| line.contains("held its event loop")) {
            println!("    the watchdog named: {line}");
        }
        Ok(run)
    }

    fn start(&mut self, subject: Subject) -> io::Result<Process> {
        self.turn += 1;
        let mut command = match subject {
            Subject::Ours(mut settings) => {
                settings.database = Some(self.addresses[self.turn % self.addresses.len()]);
                let mut command = Command::new(env::current_exe()?);
                command.arg("serve").arg(serde_json::to_string(&settings)?);
                command
            }
            Subject::Peer(program, threads) => {
                let mut command = Command::new(program);
                command.arg(threads.to_string());
                command
            }
        };
        Process::spawn(command.stderr(Stdio::piped()))
    }

    fn look(&self, server: &Process, generator: &Child) -> io::Result<Look> {
        Ok(Look {
            server: server.processor_time()?,
            generator: generator.processor_time()?,
            database: self.database.processor_time()?,
            own: machine::own_time(),
            busy: machine::busy_seconds()?,
        })
    }
}

impl Used {
    /// What an answer took, from the cores that ticks tell of and from what the scheduler has counted.
    fn count(&mut self, outcome: &Outcome, cores: f64, turns: &Turns) {
        let window = outcome.window_s;
        // What each thread had is known exactly; but threads end, and to look at thousands takes its time.
        let is_coarse = cores * window < TICKS_ENOUGH.as_secs_f64();
        self.cores = if is_coarse { turns.ran.as_secs_f64() / window } else { cores };
        let answers = outcome.flows.iter().map(|flow| flow.answers).sum::<u64>().max(1) as f64;
        self.cpu_us_per_answer = self.cores * window * 1e6 / answers;
        self.switches_per_answer = (self.waits + self.ousted) as f64 / answers;
    }
}

/// What the server says on its standard error, as long as it lives.
fn collect(server: &mut Process) -> Arc<Mutex<Vec<String>>> {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    if let Some(errors) = server.errors() {
        let lines = log.clone();
        thread::spawn(move || {
            const LINES: usize = 20;
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if let Ok(mut lines) = lines.lock()
                    && lines.len() < LINES
                {
                    lines.push(line);
                }
            }
        });
    }
    log
}

/// A line for the terminal: the figure, and what stands beside each.
fn row(run: &Run) -> String {
    let case = &run.case;
    let (came, used) = (run.came(), &run.server);
    let number = |number: Option<usize>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut text = format!(
        "{:10} w={:2} t={:4} {:22} {:9} c={:<5} {:8.0}/s p50 {:8.2} p99 {:8.2} ms | L {:7.1} λW {:7.1} | each {}/{}/{} J {:.2} starved {} | {} thr {:.0} MiB {:.1} sw/r {:.0} µs/r {:.2} cores (gen {:.2})",
        case.server,
        number(case.workers),
        number(case.threads),
        case.target,
        case.variant,
        case.connections,
        came.rate,
        came.latency.p50_ms,
        came.latency.p99_ms,
        came.in_flight,
        came.in_flight_by_law,
        came.each.min,
        came.each.median,
        came.each.max,
        came.each.jain,
        came.each.starved,
        used.threads,
        used.resident_most_mib,
        used.switches_per_answer,
        used.cpu_us_per_answer,
        used.cores,
        run.generator_cores,
    );
    for other in &run.outcome.flows[1..] {
        text +=
            &format!(" | {}: p50 {:.2} p99 {:.2} ms", other.name, other.latency.p50_ms, other.latency.p99_ms);
    }
    let faults = came.refused + came.unanswered + came.failed + came.wrong;
    if faults > 0 {
        text += &format!(
            " | refused {} unanswered {} failed {} wrong {} {:?}",
            came.refused, came.unanswered, came.failed, came.wrong, came.faults
        );
    }
    match judge(run) {
        Verdict::Undisturbed => {}
        Verdict::Disturbed(reason) => text += &format!(" | DISTURBED: {reason}"),
        Verdict::NotJudged => text += &format!(" | not judged, others {:.2}", run.other_cores),
    }
    text
}
