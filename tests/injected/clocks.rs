//! Clocks that jump. The wall clock is for `Date` alone; the steady one lets deadlines expire, and no more.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use crate::{
    Case, Outcome, case,
    client::{Bystanders, Client, End, get, tours},
    process::Process,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("clock: the wall's, forward and back", the_wall_clock_jumps),
        case("clock: the steady one, hours forward", the_steady_clock_jumps),
    ]
}

const YEAR: i64 = 365 * 24 * 3600;

/// How long a server without requests is watched, and how much of a processor it may take then: a loop that spins has
/// all of one, which are 100 ticks a second, and one that rests has hardly any, however busy the machine is.
const WATCHED: Duration = Duration::from_secs(1);
const TICKS_MAX: u64 = 10;

fn the_wall_clock_jumps(process: &Process) -> Outcome {
    let bystanders = Bystanders::begin(process.address);
    let mut idle = Client::connect(process.address);
    let mut dates = Vec::new();
    for ahead in [0, YEAR, -YEAR, -30 * YEAR, 3600, 0] {
        process.clocks(ahead, 0);
        // Until no answer can hold the date of the second before.
        thread::sleep(Duration::from_millis(1100));
        assert_eq!(idle.ask(&get("/plain")), End::Answered(200, b"plain".to_vec()));
        let date = idle.field("date").expect("every answer has one");
        let date = httpdate(date);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let expected = i64::try_from(now).unwrap() + ahead;
        assert!((date - expected).abs() < 5, "{date}, and not {expected}");
        dates.push(ahead);
    }
    let toured = tours(process.address, 2);
    let asked = bystanders.end();
    Outcome::Held(format!("{} dates, {toured} answered, {asked} by bystanders", dates.len()))
}

/// Seconds since 1970, by the system's own reader of dates.
fn httpdate(date: &str) -> i64 {
    let output = std::process::Command::new("date").args(["-u", "-d", date, "+%s"]).output().expect("date");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or_else(|_| panic!("{date}"))
}

fn the_steady_clock_jumps(process: &Process) -> Outcome {
    let mut idle = Client::connect(process.address);
    assert_eq!(idle.ask(&get("/quick")), End::Answered(200, b"quick".to_vec()));
    let fresh = Client::connect(process.address);
    let mut head = Client::connect(process.address);
    head.send(b"GET /quick HTTP/1.1\r\nhost");
    let [mut body, mut plain] = ["/measure", "/plain-measure"].map(|path| {
        let mut client = Client::connect(process.address);
        let fields = "host: t\r\nexpect: 100-continue\r\ncontent-length: 1000";
        client.send(format!("POST {path} HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes());
        // Its handler has begun, and waits for the body.
        client.is_asked_for_the_body();
        client.send(b"half");
        client
    });
    process.clocks(0, 3 * 3600);
    // A poll that sleeps until a deadline of before looks at the clock when something happens.
    let toured = tours(process.address, 2);
    assert_eq!(head.receive().status(), 408);
    assert_eq!(body.receive().status(), 408);
    // This one reads its body itself, and answers with what became of it: that is never the length of what has come.
    assert_eq!(plain.receive(), End::Answered(200, b"the body came too slowly".to_vec()));
    assert_eq!(plain.field("connection"), Some("close"));
    assert!([idle, fresh, head, body, plain].iter_mut().all(Client::is_ended));
    let again = tours(process.address, 4);
    // Deadlines that are over for hours are no reason to look at the clock again and again.
    let before = process.processor_ticks();
    thread::sleep(WATCHED);
    let ticks = process.processor_ticks() - before;
    assert!(ticks <= TICKS_MAX, "{ticks} ticks of the processor in {WATCHED:?} without a request");
    Outcome::Held(format!("5 ended at their deadlines, {} answered, {ticks} ticks at rest", toured + again))
}
