//! `peer-floor KIND REQUEST_BYTES WAIT_MS TYPE BODY`: the least that a server can do, for what a framework costs beyond it. It
//! sends the same response for each request and parses nothing: a request ends with its blank line or, where its bytes are
//! told, after so many. It tells its address, and ends with its standard input.
//!
//! It must never know what was asked for, and never do what a correct server could leave out.

mod epoll;
mod threads;

use std::{env, net::TcpListener, time::Duration};

use peer_common::tell;

/// What is served.
struct Floor {
    /// The bytes of each request; 0 where a blank line ends it.
    request_bytes: usize,
    /// How long each response waits.
    wait: Duration,
    /// The response, many times over, so that as many leave in one send as are due.
    responses: Vec<u8>,
    response_bytes: usize,
}

impl Floor {
    fn new(request_bytes: usize, wait_ms: u64, kind: &str, body: &str) -> Self {
        const MANY_BYTES: usize = 64 << 10;
        let body = match body.strip_prefix("x*").and_then(|count| count.parse().ok()) {
            Some(count) => "x".repeat(count),
            None => body.to_owned(),
        };
        let date = "Thu, 01 Jan 2026 00:00:00 GMT";
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\ndate: {date}\r\n\r\n{body}",
            body.len()
        );
        let responses = response.repeat((MANY_BYTES / response.len()).max(1)).into_bytes();
        let wait = Duration::from_millis(wait_ms);
        Self { request_bytes, wait, responses, response_bytes: response.len() }
    }

    /// The next bytes to send, of `due` bytes of whole responses that `sent` went before.
    fn next(&self, sent: usize, due: usize) -> &[u8] {
        let start = sent % self.response_bytes;
        &self.responses[start..self.responses.len().min(start + due)]
    }
}

/// Where requests end.
#[derive(Default)]
struct Ends {
    /// Bytes of the request that has begun; or how much of a blank line the last ones were.
    have: usize,
}

impl Ends {
    /// How many requests end in these bytes.
    fn count(&mut self, bytes: &[u8], request_bytes: usize) -> usize {
        let have = self.have + bytes.len();
        if let Some(count) = have.checked_div(request_bytes) {
            self.have = have % request_bytes;
            return count;
        }
        const BLANK_LINE: &[u8; 4] = b"\r\n\r\n";
        let mut count = 0;
        for byte in bytes {
            if *byte == BLANK_LINE[self.have] {
                self.have += 1;
                if self.have == BLANK_LINE.len() {
                    (self.have, count) = (0, count + 1);
                }
            } else {
                self.have = usize::from(*byte == BLANK_LINE[0]);
            }
        }
        count
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [kind, request_bytes, wait_ms, content_type, body] = &arguments[..] else {
        return Err("peer-floor epoll|threads REQUEST_BYTES WAIT_MS TYPE BODY".into());
    };
    let floor = Floor::new(request_bytes.parse()?, wait_ms.parse()?, content_type, body);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    tell(listener.local_addr()?);
    match kind.as_str() {
        "epoll" => Ok(epoll::serve(&floor, &listener)?),
        "threads" => Ok(threads::serve(floor, &listener)?),
        other => Err(format!("there is no floor {other}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_end_wherever_their_bytes_are_cut() {
        let requests = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\r\n\r\nGET";
        for cut in 0..requests.len() {
            let (one, two) = requests.split_at(cut);
            let mut ends = Ends::default();
            assert_eq!(ends.count(one, 0) + ends.count(two, 0), 2, "{cut}");
            let mut ends = Ends::default();
            assert_eq!(ends.count(one, 20) + ends.count(two, 20), requests.len() / 20, "{cut}");
        }
    }

    #[test]
    fn what_is_due_leaves_at_once_and_goes_on_where_it_stopped() {
        let floor = Floor::new(0, 0, "text/plain", "x*3");
        let one = floor.response_bytes;
        assert!(floor.responses.ends_with(b"\r\n\r\nxxx"));
        assert_eq!(floor.next(0, 3 * one), floor.responses[..3 * one].to_vec());
        assert_eq!(floor.next(one + 5, 2 * one - 5), floor.responses[5..2 * one].to_vec());
        assert!(Floor::new(0, 0, "text/plain", "x*100000").next(0, 1 << 20).len() > 100_000);
    }
}
