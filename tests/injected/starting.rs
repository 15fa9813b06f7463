//! A start for which the system has not what it takes: an error in a sentence, and no panic.

use crate::{
    Case, Outcome, case,
    client::tours,
    connections::{EMFILE, ENOMEM},
    process::{Call, Fault, Process, Start},
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (call, made) in [(Call::Epoll, 3), (Call::EventFd, 3), (Call::Pair, 1)] {
        for let_through in 0..made {
            for (name, error) in [("EMFILE", EMFILE), ("ENOMEM", ENOMEM)] {
                cases.push(case(format!("start: {name} for {call:?} after {let_through}"), move |process| {
                    at_start(process.backend, call, Fault::error(error).after(let_through))
                }));
            }
        }
    }
    cases
}

fn at_start(backend: &'static str, call: Call, fault: Fault) -> Outcome {
    match Process::start_under(backend, &[(call, fault)]) {
        Start::Failed(status, said) => {
            assert_eq!(status.code(), Some(1), "{said}");
            Outcome::Held(sentence(&said))
        }
        Start::Serves(process) => {
            assert_eq!(process.injected(call), 0, "it serves all the same");
            let toured = tours(process.address, 2);
            process.stop();
            Outcome::Held(format!("not called so often; {toured} answered"))
        }
    }
}

/// The one that the error at start is: words before the system's own, and no panic.
pub(crate) fn sentence(said: &str) -> String {
    assert!(!said.contains("panicked"), "{said}");
    let line = said.lines().find_map(|line| line.strip_prefix("error: ")).expect(said);
    let words = line.split(" (os error").next().unwrap_or_default().split(": ").count();
    assert!(words > 1, "it does not say what could not be done: {line}");
    format!("“{line}”")
}
