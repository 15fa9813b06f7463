//! Threads that cannot be started: at start, under load, by the system and by the C library.

use std::{
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use trijet::Limits;

use crate::{
    Case, Outcome, case,
    client::{Bystanders, Client, End, get, post, tours},
    process::{Call, Fault, PATIENCE, Process, Start, Tool},
    server::THREADS,
};

const EAGAIN: i32 = 11;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("threads: none from a rest on", |process| none_under_load(process, || Ok(None))),
        case("threads: none more under load", |process| {
            // They have threads, and must keep them.
            let bystanders = Bystanders::begin(process.address);
            let mut plain = Client::connect(process.address);
            assert_eq!(plain.ask(&get("/plain")).status(), 200);
            let outcome = none_under_load(process, || Ok(None));
            bystanders.end();
            outcome
        }),
        case("threads: none, by strace", |process| {
            let id = process.id().to_string();
            none_under_load(process, move || {
                let mut command = Command::new("strace");
                command.args(["-f", "-e", "trace=clone3,clone", "-e", "inject=clone3,clone:error=EAGAIN"]);
                command.args(["-p", &id, "-o", "/dev/null"]);
                Tool::start(command, "attached").map(Some)
            })
        }),
    ];
    cases.push(case("threads: none for a lent body", none_for_a_lent_body));
    cases.push(case("threads: fewer than busy connections", |process| are_served_fairly(process.backend)));
    cases.push(case("threads: none for the watchdog", |process| without_a_watchdog(process.backend)));
    for most in 1..=8 {
        cases.push(case(format!("threads: at most {most} from the start on"), move |process| {
            at_start(process.backend, most)
        }));
    }
    cases
}

/// Every request is answered, be it by a 503; afterwards all is as before.
fn none_under_load(process: &Process, tool: impl FnOnce() -> Result<Option<Tool>, String>) -> Outcome {
    let tool = match tool() {
        Err(why) => return Outcome::Skipped(why),
        Ok(Some(tool)) => Some(tool),
        Ok(None) => {
            process.inject(Call::Thread, Fault::error(EAGAIN));
            None
        }
    };
    let before = process.lines_with("cannot");
    let start = Instant::now();
    // More than there may be threads, so that none is thought to run that does not.
    let (mut answered, mut refused) = (0, 0);
    for round in 0..3 {
        let mut clients: Vec<Client> = (0..THREADS * 3).map(|_| Client::connect(process.address)).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            client.send(&get(if (index + round) % 2 == 0 { "/plain" } else { "/quick" }));
        }
        for mut client in clients {
            match client.receive() {
                End::Answered(200, _) => answered += 1,
                End::Answered(503, _) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    let lines = process.lines_with("cannot") - before;
    assert!(lines as u64 <= start.elapsed().as_secs() + 2, "{lines} log lines in {:?}", start.elapsed());
    // What strace has injected, the shim does not count.
    let injected = if tool.is_some() { 0 } else { process.injected(Call::Thread) };
    assert!(tool.is_some() || injected > 0 || refused == 0, "nothing was injected");
    drop(tool);
    process.calm();
    // From the first one on: nothing has to run into a limit of time before.
    let bystanders = Bystanders::begin(process.address);
    let toured = tours(process.address, THREADS);
    let asked = bystanders.end();
    Outcome::Held(format!(
        "{injected} injected: {answered} answered, {refused} refused; then {toured} answered, {asked} by bystanders"
    ))
}

/// With the default limits, and a system that refuses the fifth thread for requests: nobody starves behind those that
/// were there first. Whoever asks next takes one of so many tickets, so that the counts need no clock.
fn are_served_fairly(backend: &'static str) -> Outcome {
    const BUSY: usize = 40;
    const TICKETS: u64 = 400 * BUSY as u64;
    const MORE: u32 = 4;
    let threads_max = Limits::default().blocking_threads_max;
    assert!(BUSY < threads_max, "the limit itself would tell that there are too many connections");
    let Start::Serves(process) = Process::start_with(backend, threads_max, &[]) else {
        panic!("it does not start")
    };
    let cap = u32::try_from(process.threads()).unwrap() + MORE;
    process.inject(Call::Thread, Fault { cap, ..Fault::error(EAGAIN) });
    let begin = Instant::now();
    let tickets = AtomicU64::new(0);
    let clients: Vec<_> = (0..BUSY).map(|_| Client::connect(process.address)).collect();
    let ask = |mut client: Client| {
        let mut answers = 0_u64;
        while tickets.fetch_add(1, Ordering::Relaxed) < TICKETS {
            assert_eq!(client.ask(&get("/plain")), End::Answered(200, b"plain".to_vec()));
            answers += 1;
        }
        answers
    };
    let answers: Vec<u64> = thread::scope(|scope| {
        let busy: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || ask(client))).collect();
        busy.into_iter().map(|each| each.join().expect("each is answered")).collect()
    });
    let injected = process.injected(Call::Thread);
    assert!(injected > MORE, "no thread was refused");
    // Each may ask before the first is refused, and then nobody for 10 ms.
    let most = (begin.elapsed().as_millis() / 10 + 2) * u128::from(MORE + 2);
    assert!(u128::from(injected) <= most, "{injected} threads were asked for, {most} at most");
    let sum: u64 = answers.iter().sum();
    let squares: u64 = answers.iter().map(|count| count * count).sum();
    assert_eq!(sum, TICKETS);
    let index = (sum * sum) as f64 / (BUSY as f64 * squares as f64);
    assert!(index >= 0.9, "Jain index {index:.3}: {answers:?}");
    process.calm();
    let toured = tours(process.address, 4);
    process.stop();
    Outcome::Held(format!("{injected} asked for, Jain {index:.3} over {sum} answers; then {toured} answered"))
}

/// On threaded another thread has to read what a plain function waits for in a way of its own: one is asked for
/// until it comes. The event loops have theirs.
fn none_for_a_lent_body(process: &Process) -> Outcome {
    let mut client = Client::connect(process.address);
    assert_eq!(client.ask(&get("/plain")).status(), 200);
    let begin = Instant::now();
    process.inject(Call::Thread, Fault::error(EAGAIN));
    let (first, rest) = (post("/lent-measure", &[b'x'; 1000]), [b'x'; 1000]);
    client.send(&post("/lent-measure", &[b'x'; 2000])[..first.len()]);
    // The call's own thread is the one that has just been needed, unless it has left for having no work.
    if begin.elapsed() > Duration::from_secs(1) {
        return Outcome::Skipped("the machine is too slow".to_owned());
    }
    if process.backend == "threaded" {
        eventually("the thread is asked for again", || process.injected(Call::Thread) >= 3);
    }
    let injected = process.injected(Call::Thread);
    process.calm();
    client.send(&rest);
    assert_eq!(client.receive(), End::Answered(200, b"2000".to_vec()));
    Outcome::Held(format!("{injected} injected"))
}

/// Looks until `is_so`, and fails where it never is.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never came: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The server has one thread less, says so, and serves.
fn without_a_watchdog(backend: &'static str) -> Outcome {
    // Those that are started before: the loops', or those that are tried and then the workers'.
    let before = match backend {
        // Before them those of the Tokio context, which is tried in the same way.
        "mio" if cfg!(feature = "tokio-context") => 3 + 1 + 2,
        "mio" => 2,
        "tokio" => 4 + 2,
        _ => return Outcome::Skipped("it has no loops to watch".to_owned()),
    };
    match Process::start_under(backend, &[(Call::Thread, Fault::error(EAGAIN).after(before).times(1))]) {
        Start::Failed(_, said) => panic!("{said}"),
        Start::Serves(process) => {
            assert_eq!(
                process.lines_with("no thread can be started for the watchdog"),
                1,
                "{}",
                process.logged()
            );
            let toured = tours(process.address, 4);
            process.stop();
            Outcome::Held(format!("one line in the log; {toured} answered"))
        }
    }
}

/// A sentence and the end, or a server that serves what it can.
fn at_start(backend: &'static str, most: u32) -> Outcome {
    match Process::start_under(backend, &[(Call::Thread, Fault { cap: most, ..Fault::error(EAGAIN) })]) {
        Start::Failed(status, said) => {
            assert_eq!(status.code(), Some(1), "{said}");
            Outcome::Held(super::starting::sentence(&said))
        }
        Start::Serves(process) => {
            let mut client = Client::connect(process.address);
            let [quick, plain] = ["/quick", "/plain"].map(|path| client.ask(&get(path)).status());
            assert!(matches!((quick, plain), (200 | 503, 200 | 503 | 0)), "{quick}, {plain}");
            process.calm();
            tours(process.address, 4);
            assert_eq!(process.lines_with("panicked"), 0, "{}", process.logged());
            process.stop();
            Outcome::Held(format!("serves: {quick}, {plain}; then all"))
        }
    }
}
