//! One measurement: a server is started on its processor, asked from the other, looked at before and after, and ended. It
//! must never leave a process behind.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use kit::machine::busy_seconds;
use trijet_load::child::{Child, Scheduled};

use crate::{
    load::{Counted, Idle, Runner, Shape},
    nginx,
    processors::{Processors, own_time, stay_on},
    results::Run,
    scenarios::{Ask, Load, Scenario},
    servers::{Program, Server},
};

/// What is measured on, and for how long.
pub struct Stage {
    pub processors: Processors,
    /// Where the programs of the peers are.
    pub programs: PathBuf,
    pub warm_up: Duration,
    pub window: Duration,
    /// By this a short run has fewer connections that idle.
    pub idle_divisor: usize,
}

/// A server that runs. It ends with this.
struct Running {
    child: Child,
    address: SocketAddr,
    _files: Option<nginx::Folder>,
}

/// What has been used up to a moment.
struct Look {
    ticks: Duration,
    scheduled: Scheduled,
    own: Duration,
    busy: f64,
}

impl Stage {
    /// Measures a server in a scenario.
    pub fn run(&self, server: &Server, scenario: &Scenario, round: usize) -> io::Result<Run> {
        let ask = scenario.ask();
        let load_average = load_average();
        let running = self.start(server, scenario, &ask)?;
        let shape = Shape::learn(running.address, &ask)?;
        let mut run = Run {
            server: server.name.to_owned(),
            round,
            answer_bytes: shape.whole,
            load_average,
            jain: 1.0,
            ..Run::default()
        };
        if let Load::Idle { few } = scenario.load {
            let (few, many) = (few / self.idle_divisor, scenario.connections / self.idle_divisor);
            self.idle(&running, Idle::new(running.address, ask, shape), [few, many], &mut run)?;
        } else {
            self.race(&running, Runner::new(running.address, scenario, ask, shape)?, &mut run)?;
        }
        Ok(run)
    }

    fn start(&self, server: &Server, scenario: &Scenario, ask: &Ask) -> io::Result<Running> {
        // What is started stays where its starter is.
        stay_on(self.processors.server)?;
        let running = self.start_here(server, scenario, ask);
        stay_on(self.processors.load)?;
        running
    }

    fn start_here(&self, server: &Server, scenario: &Scenario, ask: &Ask) -> io::Result<Running> {
        let threads = server.threads(scenario.connections).to_string();
        let routes = scenario.routes.to_string();
        let program = |name: &str| Command::new(self.programs.join(format!("peer-{name}")));
        let mut command = match server.program {
            Program::Floor(kind) => {
                let request_bytes = if ask.has_body { ask.requests[0].len() } else { 0 };
                let (content_type, content) = &ask.floor;
                let mut command = program("floor");
                command.args([kind, &request_bytes.to_string(), &ask.wait_ms.to_string()]);
                command.args([content_type, content.as_str()]);
                command
            }
            Program::Trijet(backend) => {
                let mut command = program("trijet");
                command.args([threads.as_str(), &routes, backend]);
                command
            }
            Program::Peer(name) => {
                let mut command = program(name);
                command.args([threads, routes]);
                command
            }
            Program::Nginx => {
                let (mut command, address, files) = nginx::command(scenario.routes)?;
                let address = address.parse().map_err(io::Error::other)?;
                let child = Child::spawn(&mut command)?;
                await_listener(address)?;
                return Ok(Running { child, address, _files: Some(files) });
            }
        };
        let mut child = Child::spawn(&mut command)?;
        let address = child.hear()?.parse().map_err(io::Error::other)?;
        Ok(Running { child, address, _files: None })
    }

    fn race(&self, running: &Running, mut runner: Runner, run: &mut Run) -> io::Result<()> {
        runner.run(self.warm_up)?;
        let before = Look::at(running)?;
        let began = Instant::now();
        let counted = runner.run(self.window)?;
        run.window_s = began.elapsed().as_secs_f64();
        run.count(&counted, &before, &Look::at(running)?);
        run.hold(running)
    }

    fn idle(&self, running: &Running, mut idle: Idle, counts: [usize; 2], run: &mut Run) -> io::Result<()> {
        let mut resident = [0.0; 2];
        for (count, resident) in counts.into_iter().zip(&mut resident) {
            idle.grow(count)?;
            // Buffers are given back a while after the last answer.
            thread::sleep(self.warm_up * 2);
            *resident = running.child.status("VmRSS:")? as f64;
        }
        run.answers = counts[1] as u64;
        run.idle_kib = (resident[1] - resident[0]) / (counts[1] - counts[0]) as f64;
        run.hold(running)
    }
}

impl Look {
    fn at(running: &Running) -> io::Result<Self> {
        Ok(Self {
            ticks: running.child.processor_time()?,
            scheduled: running.child.scheduled()?,
            own: own_time(),
            busy: busy_seconds()?,
        })
    }
}

impl Run {
    /// What the server holds while its connections are there.
    fn hold(&mut self, running: &Running) -> io::Result<()> {
        self.threads = running.child.threads()?;
        self.resident_kib = running.child.status("VmRSS:")?;
        Ok(())
    }

    fn count(&mut self, counted: &Counted, before: &Look, after: &Look) {
        /// From here on, ticks of ten milliseconds are precise enough; they know of threads that have ended, too.
        const TICKS_ENOUGH: Duration = Duration::from_millis(500);
        let ticks = after.ticks.saturating_sub(before.ticks);
        let ran = after.scheduled.since(&before.scheduled).ran;
        let server = if ticks >= TICKS_ENOUGH { ticks } else { ran };
        let cores = |seconds: f64| seconds / self.window_s;
        self.server_cores = cores(server.as_secs_f64());
        self.load_cores = cores(after.own.saturating_sub(before.own).as_secs_f64());
        let all = cores(after.busy - before.busy);
        self.other_cores = (all - self.server_cores - self.load_cores).max(0.0);
        self.answers = counted.answers;
        self.rate = counted.answers as f64 / self.window_s;
        self.cpu_us = server.as_secs_f64() * 1e6 / counted.answers.max(1) as f64;
        (self.p50_ms, self.p99_ms) = (counted.latency_ms(0.5), counted.latency_ms(0.99));
        (self.jain, self.starved) = (counted.jain(), counted.starved());
        (self.wrong, self.closed) = (counted.wrong, counted.closed);
    }
}

fn await_listener(address: SocketAddr) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let until = Instant::now() + PATIENCE;
    while let Err(error) = TcpStream::connect(address) {
        if Instant::now() > until {
            return Err(error);
        }
        // Nobody tells when it listens.
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The load average of the last minute.
pub fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|average| average.parse().ok()).unwrap_or(f64::NAN)
}
