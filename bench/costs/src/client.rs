//! The one client: a keep-alive connection that asks again only when the server has nothing left to do. It must never
//! count: a tool that watches the server does.

use std::{
    fs, io,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::cases::Case;

/// The longest that anything here may take at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that does not sleep so long after an answer is one that spins.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

/// How often a server is waited for that spins. From then on it is asked at once.
const SPINS_MAX: usize = 3;

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks so many times, and looks at every answer. Gives how often the server did not come to rest.
pub fn ask(stream: &mut TcpStream, server: u32, case: &Case, requests: usize) -> io::Result<usize> {
    let batch = case.request.repeat(case.depth);
    let other = case.other.as_ref().map_or_else(|| batch.clone(), |other| other.repeat(case.depth));
    let (mut buffer, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    let (mut length, mut restless) = (None, 0);
    for batch in [batch, other].iter().cycle().take(requests / case.depth) {
        // Else it is chance whether the server finds the next request when it looks once more before it waits, and
        // that would be counted.
        if restless >= SPINS_MAX || !settles(server) {
            restless += 1;
        }
        stream.write_all(batch)?;
        buffer.clear();
        while length.is_none_or(|length| buffer.len() < length * case.depth) {
            let count = stream.read(&mut piece)?;
            if count == 0 {
                return Err(io::Error::other(format!("{}: the server closed the connection", case.name)));
            }
            buffer.extend_from_slice(&piece[..count]);
            if length.is_none() {
                length = answer_length(&buffer)?;
            }
        }
        let all_fine = length.is_some_and(|length| {
            buffer.len() == length * case.depth
                && buffer.chunks(length).all(|answer| answer.starts_with(b"HTTP/1.1 200 "))
        });
        if !all_fine {
            let text = String::from_utf8_lossy(&buffer);
            return Err(io::Error::other(format!("{}: unexpected answers: {text}", case.name)));
        }
    }
    Ok(restless)
}

/// The length of an answer, once its head is there. All answers of a case are of the same length.
fn answer_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let field = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let body: usize = field
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("an answer without content-length: {text}")))?;
    Ok(Some(head + 4 + body))
}

/// Waits until each thread of the process sleeps, and does so at a second look. Not where it never does.
fn settles(process: u32) -> bool {
    let begin = Instant::now();
    let mut asleep = 0;
    while asleep < 2 {
        if begin.elapsed() > SETTLES_WITHIN {
            return false;
        }
        if sleeps(process) {
            asleep += 1;
        } else {
            asleep = 0;
            thread::yield_now();
        }
    }
    true
}

fn sleeps(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return false };
    // A thread that has ended meanwhile does not do anything either.
    threads.flatten().all(|thread| {
        fs::read_to_string(thread.path().join("stat")).map_or(true, |stat| state(&stat) == Some('S'))
    })
}

/// The state of a thread: what follows its name, which may have brackets in it.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::{answer_length, state};

    #[test]
    fn length_of_an_answer() {
        assert_eq!(answer_length(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n").unwrap(), None);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(answer_length(answer).unwrap(), Some(answer.len()));
        assert!(answer_length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn state_of_a_thread() {
        assert_eq!(state("7 (a) b) S 1 7"), Some('S'));
        assert_eq!(state("7 (a) R 1 7"), Some('R'));
        assert_eq!(state(""), None);
    }
}
