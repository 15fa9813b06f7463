//! Accepting, and setting up what was accepted: errors of `accept4`, the end of the open files, a socket that
//! takes no option or that the poll does not take.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Case, Outcome, case,
    client::{Bystanders, Client, End, get},
    process::{Call, Fault, PATIENCE, Process, Tool},
};

/// Numbers of Linux.
pub(crate) const EPERM: i32 = 1;
pub(crate) const EINTR: i32 = 4;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const ENOBUFS: i32 = 105;

/// How long accepting fails.
const TIME: Duration = Duration::from_millis(1200);

/// The errors of row 15: those that pause, and those that are tried again at once.
const SHORTAGES: [(&str, i32); 4] =
    [("EMFILE", EMFILE), ("ENFILE", 23), ("ENOBUFS", ENOBUFS), ("ENOMEM", ENOMEM)];
const LOST: [(&str, i32); 12] = [
    ("ECONNABORTED", 103),
    ("EPERM", EPERM),
    ("EPROTO", 71),
    ("EINTR", EINTR),
    ("ENETDOWN", 100),
    ("ENETUNREACH", 101),
    ("EHOSTDOWN", 112),
    ("EHOSTUNREACH", 113),
    ("EOPNOTSUPP", 95),
    ("ENOPROTOOPT", 92),
    ("ENONET", 64),
    ("ETIMEDOUT", 110),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, error) in SHORTAGES {
        cases.push(case(format!("accept: {name} for a time"), move |process| {
            fails_for_a_time(process, Fault::error(error), 5..=60)
        }));
    }
    for (name, error) in LOST {
        cases.push(case(format!("accept: {name}, then a connection"), move |process| {
            fails_at_times(process, error)
        }));
        // A fault that stays must not become a spin, whatever its name.
        cases.push(case(format!("accept: {name} for a time"), move |process| {
            fails_for_a_time(process, Fault::error(error), 5..=4000)
        }));
    }
    for (name, most) in [("EMFILE", 60), ("ECONNABORTED", 4000)] {
        cases.push(case(format!("accept: {name} for a time, by strace"), move |process| {
            traced(process, name, most)
        }));
    }
    cases.push(case("accept: no more open files", out_of_files));
    for (name, error) in [("ENOSPC", ENOSPC), ("ENOMEM", ENOMEM)] {
        cases.push(case(format!("epoll_ctl: {name} on a new socket"), move |process| {
            one_connection(process, &[Call::Register], error)
        }));
    }
    for (name, error) in [("EINVAL", EINVAL), ("ENOBUFS", ENOBUFS)] {
        cases.push(case(format!("setsockopt: {name} on a new socket"), move |process| {
            one_connection(process, &[Call::Option], error)
        }));
    }
    cases
}

/// New connections that ask while nothing can be accepted, and are answered afterwards.
struct Queued(Vec<Client>);

impl Queued {
    fn ask(process: &Process, count: usize) -> Self {
        let connect = |_| {
            let mut client = Client::connect(process.address);
            assert!(client.send(&get("/quick")));
            client
        };
        Self((0..count).map(connect).collect())
    }

    fn are_answered(self) -> usize {
        let count = self.0.len();
        for mut client in self.0 {
            assert_eq!(client.receive(), End::Answered(200, b"quick".to_vec()));
            assert_eq!(client.ask(&get("/plain")), End::Answered(200, b"plain".to_vec()));
        }
        count
    }
}

/// At most one line a second, and one before and after.
fn log_is_quiet(process: &Process, before: usize, time: Duration) -> usize {
    let lines = process.lines_with("accept failed") - before;
    assert!(lines as u64 <= time.as_secs() + 2, "{lines} log lines in {time:?}");
    lines
}

fn fails_for_a_time(process: &Process, fault: Fault, calls: std::ops::RangeInclusive<u32>) -> Outcome {
    let bystanders = Bystanders::begin(process.address);
    let (before, start) = (process.lines_with("accept failed"), Instant::now());
    process.inject(Call::Accept, fault);
    let queued = Queued::ask(process, 8);
    thread::sleep(TIME);
    let tries = process.injected(Call::Accept);
    let lines = log_is_quiet(process, before, start.elapsed());
    process.calm();
    let answered = queued.are_answered();
    let asked = bystanders.end();
    assert!(calls.contains(&tries), "{tries} calls of accept in {TIME:?}");
    Outcome::Held(format!("{tries} accepts, {lines} lines, {answered} answered, {asked} by bystanders"))
}

/// Two in three calls fail, and nobody waits for that.
fn fails_at_times(process: &Process, error: i32) -> Outcome {
    let bystanders = Bystanders::begin(process.address);
    // The calls come in pairs, of which the second says that nothing is queued.
    process.inject(Call::Accept, Fault::error(error).times(5));
    let start = Instant::now();
    let answered = Queued::ask(process, 8).are_answered();
    let taken = start.elapsed();
    let tries = process.injected(Call::Accept);
    let asked = bystanders.end();
    assert_eq!(tries, 5);
    Outcome::Held(format!("{answered} answered in {} ms, {asked} by bystanders", taken.as_millis()))
}

/// The same from outside of the process, where it may be traced.
fn traced(process: &Process, error: &str, most: usize) -> Outcome {
    let bystanders = Bystanders::begin(process.address);
    let before = process.lines_with("accept failed");
    let trace = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trace-{}", process.id()));
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=accept4,accept", "-e", &format!("inject=accept4,accept:error={error}")]);
    command.args(["-p", &process.id().to_string(), "-o"]).arg(&trace);
    let tool = match Tool::start(command, "attached") {
        Ok(tool) => tool,
        Err(why) => {
            bystanders.end();
            return Outcome::Skipped(why);
        }
    };
    let queued = Queued::ask(process, 8);
    thread::sleep(TIME);
    drop(tool);
    let answered = queued.are_answered();
    let asked = bystanders.end();
    let tries = fs::read_to_string(&trace).unwrap().matches("(INJECTED)").count();
    _ = fs::remove_file(&trace);
    let lines = log_is_quiet(process, before, TIME + Duration::from_secs(1));
    assert!((5..=most).contains(&tries), "{tries} calls of accept");
    Outcome::Held(format!("{tries} accepts, {lines} lines, {answered} answered, {asked} by bystanders"))
}

/// The real thing: fewer files than connections.
fn out_of_files(process: &Process) -> Outcome {
    let limit = |files: &str| {
        let id = process.id().to_string();
        Command::new("prlimit").args(["--pid", &id, &format!("--nofile={files}:")]).output()
    };
    let before_limit = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let row = before_limit.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let most = row.split_whitespace().next().unwrap().to_owned();
    let bystanders = Bystanders::begin(process.address);
    let (before, start) = (process.lines_with("accept failed"), Instant::now());
    match limit("64") {
        Ok(output) if output.status.success() => {}
        other => {
            bystanders.end();
            return Outcome::Skipped(format!("prlimit: {other:?}"));
        }
    }
    let mut clients: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = Client::connect(process.address);
            assert!(client.send(&get("/quick")));
            client
        })
        .collect();
    // Those that have a file are answered, and hold it; the others once there are files again.
    for client in &mut clients[..20] {
        assert_eq!(client.receive(), End::Answered(200, b"quick".to_vec()));
    }
    thread::sleep(TIME);
    let lines = log_is_quiet(process, before, start.elapsed());
    assert!(limit(&most).is_ok_and(|output| output.status.success()));
    for client in &mut clients[20..] {
        assert_eq!(client.receive(), End::Answered(200, b"quick".to_vec()));
    }
    let asked = bystanders.end();
    Outcome::Held(format!("100 answered, {lines} lines, {asked} by bystanders"))
}

/// One new connection meets the error, and ends or is answered; the next ones do not notice.
fn one_connection(process: &Process, calls: &[Call], error: i32) -> Outcome {
    let bystanders = Bystanders::begin(process.address);
    let (mut answered, mut closed, mut injected) = (0, 0, 0);
    for _ in 0..5 {
        let client = Client::reserve();
        process.only_port(client.port());
        for call in calls {
            process.inject(*call, Fault::error(error));
        }
        let mut client = client.connect(process.address);
        // The first byte comes alone, so that the connection also waits for its peer on each backend.
        let (first, rest) = (&get("/quick")[..1], &get("/quick")[1..]);
        client.send(first);
        thread::sleep(Duration::from_millis(60));
        client.send(rest);
        match client.receive() {
            End::Answered(200, body) => {
                assert_eq!(body, b"quick");
                answered += 1;
            }
            End::Answered(status, _) => panic!("answered by {status}"),
            End::Closed => closed += 1,
        }
        injected += calls.iter().map(|call| process.injected(*call)).sum::<u32>();
        process.calm();
        let mut other = Client::connect(process.address);
        let start = Instant::now();
        assert_eq!(other.ask(&get("/quick")), End::Answered(200, b"quick".to_vec()));
        assert!(start.elapsed() < PATIENCE);
    }
    let asked = bystanders.end();
    Outcome::Held(format!("{injected} injected, {answered} answered, {closed} closed, {asked} by bystanders"))
}
