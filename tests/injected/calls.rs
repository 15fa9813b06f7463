//! Calls on connections: interrupted, cut short, failing. What is interrupted or short goes unseen; what fails
//! costs its own connection and no other.

use std::{thread, time::Duration};

use crate::{
    Case, Outcome, case,
    client::{Bystanders, Client, End, get, post, tours},
    connections::{EINTR, ENOBUFS, ENOMEM},
    process::{Call, Fault, Process},
};

const INTERRUPTED: [Call; 4] = [Call::Receive, Call::Send, Call::Wait, Call::Accept];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for every in [2, 3] {
        for call in INTERRUPTED {
            cases.push(case(format!("EINTR: each {every} of {call:?}"), move |process| {
                unseen(process, &[(call, Fault::error(EINTR).every(every))])
            }));
        }
        cases.push(case(format!("EINTR: each {every} of all"), move |process| {
            unseen(process, &INTERRUPTED.map(|call| (call, Fault::error(EINTR).every(every))))
        }));
    }
    for (call, cap) in [(Call::Receive, 1), (Call::Receive, 7), (Call::Send, 7), (Call::Send, 1000)] {
        cases.push(case(format!("short: {call:?} of {cap} bytes"), move |process| {
            unseen(process, &[(call, Fault::cap(cap))])
        }));
    }
    cases.push(case("short: both, and EINTR of epoll_wait", |process| {
        let cap = |cap| Fault::cap(cap).every(2);
        let interrupted = Fault::error(EINTR).every(2);
        unseen(process, &[(Call::Receive, cap(3)), (Call::Send, cap(100)), (Call::Wait, interrupted)])
    }));
    let errors = [
        ("ECONNRESET", 104),
        ("ETIMEDOUT", 110),
        ("EHOSTUNREACH", 113),
        ("ENOBUFS", ENOBUFS),
        ("ENOMEM", ENOMEM),
        ("EPIPE", 32),
    ];
    for (name, error) in errors {
        cases.push(case(format!("recv: {name}"), move |process| fails(process, Call::Receive, error)));
        cases.push(case(format!("send: {name}"), move |process| fails(process, Call::Send, error)));
    }
    cases
}

/// Nobody notices: every answer is right to the byte.
fn unseen(process: &Process, faults: &[(Call, Fault)]) -> Outcome {
    let bystanders = Bystanders::begin(process.address);
    for (call, fault) in faults {
        process.inject(*call, *fault);
    }
    let toured = tours(process.address, 4);
    let injected: u32 = faults.iter().map(|(call, _)| process.injected(*call)).sum();
    // On threaded nothing may have waited for an event meanwhile.
    assert!(injected > 0 || faults[0].0 == Call::Wait, "nothing was injected");
    process.calm();
    let asked = bystanders.end();
    Outcome::Held(format!("{injected} injected, {toured} answered, {asked} by bystanders"))
}

/// One call on one connection fails, at each place of an exchange. That connection ends, before an answer or,
/// where one was on its way, within it; another is none the wiser.
fn fails(process: &Process, call: Call, error: i32) -> Outcome {
    let bystanders = Bystanders::begin(process.address);
    let body = vec![b'x'; 300_000];
    let requests =
        [get("/quick"), get("/plain"), post("/echo", &body), post("/plain-measure", &body), get("/big")];
    let (mut answered, mut closed, mut cut, mut injected) = (0, 0, 0, 0);
    for request in &requests {
        for after in 0..3 {
            let mut client = Client::connect(process.address);
            assert_eq!(client.ask(&get("/quick")), End::Answered(200, b"quick".to_vec()));
            process.only_port(client.port());
            process.inject(call, Fault::error(error).times(1).after(after));
            let (first, rest) = request.split_at(10);
            client.send(first);
            thread::sleep(Duration::from_millis(5));
            client.send(rest);
            match client.receive_any() {
                Some(End::Answered(status, body)) => {
                    // Of a body that has failed, a handler may tell.
                    assert!(matches!(status, 200 | 400 | 408), "{status}: {:?}", body.escape_ascii());
                    answered += 1;
                }
                Some(End::Closed) => closed += 1,
                None => cut += 1,
            }
            injected += process.injected(call);
            process.calm();
        }
    }
    assert!(injected as usize >= requests.len(), "{injected} injected");
    let asked = bystanders.end();
    let lost = closed + cut;
    assert!(lost > 0 && lost <= injected, "{lost} ended by {injected} errors");
    Outcome::Held(format!(
        "{injected} injected, {answered} answered, {closed} closed, {cut} cut, {asked} by bystanders"
    ))
}
