//! Plays a script on every server and compares; what differs is made small and shown.

use std::io::ErrorKind;

use trijet::Backend;

use crate::{
    common::server::Running,
    script::{Answer, Script},
};

/// Fails where two backends answer differently, or one neither answers nor closes.
pub(crate) fn on_all(servers: &[(Backend, Running)], script: &Script, seed: u64) {
    let Some(_) = difference(servers, script) else { return };
    let small = shrink(script.clone(), |smaller| difference(servers, smaller).is_some());
    let Some((one, other)) = difference(servers, &small) else {
        panic!("a difference that comes and goes, TRIJET_SEED={seed}\nscript {script:?}");
    };
    panic!(
        "TRIJET_SEED={seed}\nscript {small:?}\n{}: {:?}\n{}: {:?}\nmade from {script:?}",
        one.0, one.1, other.0, other.1
    );
}

type Given = (Backend, Answer);

fn difference(servers: &[(Backend, Running)], script: &Script) -> Option<(Given, Given)> {
    let mut answers = servers.iter().map(|(on, server)| (*on, script.play(server.address())));
    let first = answers.next()?;
    if !matches!(first.1.end, Ok(()) | Err(ErrorKind::ConnectionReset)) {
        let other = answers.next().unwrap_or((first.0, Answer { bytes: Vec::new(), end: Ok(()) }));
        return Some((first, other));
    }
    answers.find(|(_, answer)| !is_same(answer, &first.1)).map(|other| (first, other))
}

/// A reset destroys what its receiver has not read yet: how much was read by then is the only thing that
/// may differ.
fn is_same(one: &Answer, other: &Answer) -> bool {
    let common = match one.end {
        Ok(()) => one.bytes.len().max(other.bytes.len()),
        Err(_) => one.bytes.len().min(other.bytes.len()),
    };
    one.end == other.end && one.bytes.get(..common) == other.bytes.get(..common)
}

/// Leaves out pieces, ever smaller ones, for as long as the difference stays.
fn shrink(mut script: Script, is_still: impl Fn(&Script) -> bool) -> Script {
    const TRIES: usize = 400;
    let mut tries = 0;
    let mut size = script.bytes.len() / 2;
    while size > 0 && tries < TRIES {
        let mut start = 0;
        while start + size <= script.bytes.len() && tries < TRIES {
            let mut smaller = script.clone();
            smaller.bytes.drain(start..start + size);
            smaller.cuts.retain(|&cut| cut < smaller.bytes.len());
            tries += 1;
            if is_still(&smaller) {
                script = smaller;
            } else {
                start += size;
            }
        }
        size /= 2;
    }
    for cuts in [Vec::new(), script.cuts.iter().take(1).copied().collect()] {
        let fewer = Script { cuts, ..script.clone() };
        if is_still(&fewer) {
            return fewer;
        }
    }
    script
}
