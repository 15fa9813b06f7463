//! A server's process under the shim: what is injected into it, what it holds, what it has logged. It must
//! never end a process that it did not start.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{SHIM, client, server};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What is injected into: the numbers are the shim's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Accept,
    Receive,
    Send,
    Wait,
    Register,
    Option,
    Thread,
    EventFd,
    Epoll,
    Pair,
}

/// What happens to a kind of call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) every: u32,
    pub(crate) left: u32,
    pub(crate) error: i32,
    pub(crate) cap: u32,
    pub(crate) skip: u32,
}

impl Fault {
    /// Each call fails.
    pub(crate) const fn error(error: i32) -> Self {
        Self { every: 1, left: u32::MAX, error, cap: 0, skip: 0 }
    }

    /// Each call moves at most so many bytes.
    pub(crate) const fn cap(cap: u32) -> Self {
        Self { every: 1, left: u32::MAX, error: 0, cap, skip: 0 }
    }

    pub(crate) const fn every(self, every: u32) -> Self {
        Self { every, ..self }
    }

    pub(crate) const fn times(self, left: u32) -> Self {
        Self { left, ..self }
    }

    pub(crate) const fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

/// The file that the shim maps.
struct Control {
    file: File,
    path: PathBuf,
}

const HEAD_BYTES: u64 = 64;
const FAULT_BYTES: u64 = 32;
const CALLS: u64 = 10;

impl Control {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("injected-{}-{count}", std::process::id()));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(HEAD_BYTES + FAULT_BYTES * CALLS).unwrap();
        Self { file, path }
    }

    fn place(call: Call) -> u64 {
        HEAD_BYTES + FAULT_BYTES * call as u64
    }

    fn set(&self, call: Call, fault: Fault) {
        let Fault { every, left, error, cap, skip } = fault;
        // `every` switches it on, so it comes last.
        let place = Self::place(call);
        self.file.write_all_at(&0_u32.to_ne_bytes(), place).unwrap();
        let rest =
            [left.to_ne_bytes(), error.to_ne_bytes(), cap.to_ne_bytes(), skip.to_ne_bytes(), [0; 4], [0; 4]]
                .concat();
        self.file.write_all_at(&rest, place + 4).unwrap();
        self.file.write_all_at(&every.to_ne_bytes(), place).unwrap();
    }

    fn number(&self, place: u64) -> u32 {
        let mut bytes = [0; 4];
        self.file.read_exact_at(&mut bytes, place).unwrap();
        u32::from_ne_bytes(bytes)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) files: usize,
    pub(crate) threads: usize,
    pub(crate) memory_kib: usize,
}

pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    control: Control,
    log: PathBuf,
    pub(crate) backend: &'static str,
    pub(crate) address: SocketAddr,
    base: Figures,
}

/// How a start ended that was hindered.
pub(crate) enum Start {
    Serves(Process),
    Failed(ExitStatus, String),
}

impl Process {
    /// Starts a server, and notes what it holds once it has served and rests.
    pub(crate) fn start(backend: &'static str) -> Self {
        let Start::Serves(mut process) = Self::start_under(backend, &[]) else { panic!("it does not start") };
        client::warm_up(process.address);
        process.base = process.at_rest();
        process
    }

    /// Starts a server with faults from the beginning.
    pub(crate) fn start_under(backend: &'static str, faults: &[(Call, Fault)]) -> Start {
        Self::start_with(backend, server::THREADS, faults)
    }

    /// Starts one with a limit of threads of its own.
    pub(crate) fn start_with(backend: &'static str, threads: usize, faults: &[(Call, Fault)]) -> Start {
        let control = Control::new();
        for (call, fault) in faults {
            control.set(*call, *fault);
        }
        let log = control.path.with_extension("log");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", backend, &threads.to_string()])
            .env("LD_PRELOAD", SHIM.get().expect("compiled"))
            .env("TRIJET_FAULTS", &control.path)
            .env("RUST_LOG", "debug")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let (send, first) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            _ = said.read_line(&mut line);
            send.send(line)
        });
        let Ok(line) = first.recv_timeout(PATIENCE) else {
            _ = child.kill();
            _ = child.wait();
            panic!("{backend}: it neither begins nor ends: {}", fs::read_to_string(&log).unwrap());
        };
        let stdin = child.stdin.take();
        let base = Figures { files: 0, threads: 0, memory_kib: 0 };
        if let Ok(address) = line.trim().parse() {
            let process = Self { child, stdin, control, log, backend, address, base };
            if process.has_begun() {
                return Start::Serves(process);
            }
            let (status, said) = process.ends();
            return Start::Failed(status, said);
        }
        let status = wait(&mut child);
        let said = fs::read_to_string(&log).unwrap();
        _ = fs::remove_file(&log);
        Start::Failed(status, said)
    }

    /// Whether all has started, of which the signals' thread is the last; not if the process ends before.
    fn has_begun(&self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.thread_names().iter().any(|name| name == "trijet-signals") {
                return true;
            }
            let state = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
            if state.is_empty() || state.contains(") Z") {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("it neither begins nor ends: {:?}", self.thread_names());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn inject(&self, call: Call, fault: Fault) {
        self.control.set(call, fault);
    }

    /// Injects into calls on the connection alone whose other end has this port.
    pub(crate) fn only_port(&self, port: u16) {
        self.control.file.write_all_at(&u32::from(port).to_ne_bytes(), 16).unwrap();
    }

    /// Sets the clocks ahead of the system's.
    pub(crate) fn clocks(&self, wall_seconds: i64, steady_seconds: i64) {
        let bytes = [wall_seconds, steady_seconds].map(|each| (each * 1_000_000_000).to_ne_bytes()).concat();
        self.control.file.write_all_at(&bytes, 0).unwrap();
    }

    /// Nothing is injected any more; the clocks stay, as they may not go back.
    pub(crate) fn calm(&self) {
        for call in ALL {
            let zero = 0_u32.to_ne_bytes();
            self.control.file.write_all_at(&zero, Control::place(call)).unwrap();
        }
        self.only_port(0);
    }

    /// Calls that were hit since the fault was set.
    pub(crate) fn injected(&self, call: Call) -> u32 {
        self.control.number(Control::place(call) + 24)
    }

    pub(crate) fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Log lines that hold `text`.
    pub(crate) fn lines_with(&self, text: &str) -> usize {
        self.logged().lines().filter(|line| line.contains(text)).count()
    }

    fn figures(&self) -> Figures {
        let process = PathBuf::from(format!("/proc/{}", self.id()));
        let count = |folder: &str| fs::read_dir(process.join(folder)).map_or(0, Iterator::count);
        let status = fs::read_to_string(process.join("status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it lives");
        let memory_kib = memory.trim().trim_end_matches(" kB").parse().unwrap();
        Figures { files: count("fd"), threads: count("task"), memory_kib }
    }

    /// How many threads it has at present.
    pub(crate) fn threads(&self) -> usize {
        self.figures().threads
    }

    /// What it has had of the processors so far, in ticks. Fails where it is no more.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // Behind the name, which may hold anything: the state, ten others, then the time as user and as system.
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        assert_ne!(fields[0], "Z", "it has ended");
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// What it holds once that has not changed for longer than a thread without work stays.
    fn at_rest(&self) -> Figures {
        let mut last = (self.figures(), Instant::now());
        let start = Instant::now();
        loop {
            let now = self.figures();
            if (now.files, now.threads) != (last.0.files, last.0.threads) {
                last = (now, Instant::now());
            }
            if last.1.elapsed() > Duration::from_millis(2500) {
                return now;
            }
            assert!(start.elapsed() < PATIENCE, "it never rests: {now:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The second half of the oracle: it serves, no worse than before, and holds no more than before.
    pub(crate) fn is_back_to_base(&self) {
        client::warm_up(self.address);
        let start = Instant::now();
        loop {
            let Figures { files, threads, memory_kib } = self.figures();
            if files <= self.base.files
                && threads <= self.base.threads
                && memory_kib <= self.base.memory_kib + (8 << 10)
            {
                break;
            }
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{}: {:?} after 5 s, {:?} before; threads: {:?}",
                self.backend,
                self.figures(),
                self.base,
                self.thread_names(),
            );
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.lines_with("panicked"), 0, "{}", self.logged());
    }

    fn thread_names(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).into_iter().flatten().flatten();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        tasks.map(|task| name(task).trim().to_owned()).collect()
    }

    /// Waits for its end; what it has said.
    fn ends(mut self) -> (ExitStatus, String) {
        (wait(&mut self.child), self.logged())
    }

    /// Stops it as a user would, and fails where it does not end well.
    pub(crate) fn stop(mut self) {
        drop(self.stdin.take());
        let status = wait(&mut self.child);
        assert!(status.success(), "{status}: {}", self.logged());
    }
}

const ALL: [Call; CALLS as usize] = [
    Call::Accept,
    Call::Receive,
    Call::Send,
    Call::Wait,
    Call::Register,
    Call::Option,
    Call::Thread,
    Call::EventFd,
    Call::Epoll,
    Call::Pair,
];

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let logged = self.logged();
            let lines: Vec<&str> = logged.lines().rev().take(12).collect();
            eprintln!("{}: the end of its log, backwards:\n{}", self.backend, lines.join("\n"));
        }
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_file(&self.log);
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            _ = child.kill();
            _ = child.wait();
            panic!("the server does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A tool that watches the process, such as strace; ended by its id when it goes out of scope.
pub(crate) struct Tool(Child);

impl Tool {
    /// Starts it, and waits until it has said `ready` on stderr. `Err`: why it cannot be had.
    pub(crate) fn start(mut command: Command, ready: &str) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        loop {
            let before = line.len();
            if said.read_line(&mut line).unwrap_or(0) == 0 {
                _ = child.wait();
                return Err(line.trim().to_owned());
            }
            if line[before..].contains(ready) {
                break;
            }
        }
        // Read to the end, so that it never waits for that.
        thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Ok(Self(child))
    }
}

impl Drop for Tool {
    /// Asked to end, it lets go of what it watches; killed, it might not.
    fn drop(&mut self) {
        let asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            _ = self.0.kill();
        }
        _ = self.0.wait();
    }
}
