//! Golden exchanges: text files of what a client sends and what it receives.
//!
//! The first lines say what the exchange shows. Then, each line being bytes with Rust's escapes:
//!
//! - `> ` is sent; `>{300} ` is sent so many times;
//! - `>|` the client ends its direction;
//! - `>~ 10` the client waits for so many seconds;
//! - `< ` is received;
//! - `= kept` or `= closed` is what becomes of the connection.
//!
//! `TRIJET_GOLDEN=write` writes the last two anew.

use std::{fmt::Write, fs, path::PathBuf, time::Duration};

use trijet_core::sim::{Peer, Sim};

#[derive(Clone)]
pub(crate) struct Golden {
    pub(crate) name: String,
    path: PathBuf,
    /// Everything before what is received.
    script: String,
    pub(crate) sent: Vec<u8>,
    pub(crate) ends: bool,
    pub(crate) waits: Duration,
    pub(crate) expected: Answer,
}

/// What a client can see of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// As the lines of the file.
    pub(crate) lines: String,
}

impl Golden {
    /// Every exchange of the folder.
    pub(crate) fn all() -> Vec<Self> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        let files = fs::read_dir(folder).expect("the folder of golden exchanges");
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    /// Those of few bytes.
    pub(crate) fn short() -> Vec<Self> {
        Self::all().into_iter().filter(|golden| golden.sent.len() < 2000 && golden.waits.is_zero()).collect()
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a golden exchange");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut golden = Self {
            name,
            path,
            script: String::new(),
            sent: Vec::new(),
            ends: false,
            waits: Duration::ZERO,
            expected: Answer::default(),
        };
        for line in text.lines() {
            if line.starts_with('<') || line.starts_with('=') {
                golden.expected.lines += line;
                golden.expected.lines += "\n";
                continue;
            }
            golden.script += line;
            golden.script += "\n";
            if line == ">|" {
                golden.ends = true;
            } else if let Some(seconds) = line.strip_prefix(">~ ") {
                golden.waits = Duration::from_secs(seconds.parse().expect("seconds"));
            } else if let Some(bytes) = line.strip_prefix("> ") {
                golden.sent.extend(unescape(bytes));
            } else if let Some((count, bytes)) =
                line.strip_prefix(">{").and_then(|rest| rest.split_once("} "))
            {
                let count = count.parse().expect("a count");
                golden.sent.extend(unescape(bytes).repeat(count));
            }
        }
        assert!(!golden.sent.is_empty(), "{}: nothing is sent", golden.name);
        golden
    }

    /// Plays the exchange on `sim`. At each of the `cuts` (positions in what is sent) the client waits
    /// until the server can do no more with what it has.
    pub(crate) fn play(&self, sim: &Sim, cuts: impl IntoIterator<Item = usize>) -> Answer {
        /// Time passes only once nothing else can happen.
        const PAUSE: Duration = Duration::from_nanos(1);
        let peer = sim.connect();
        let mut from = 0;
        for cut in cuts {
            peer.send(&self.sent[from..cut]).wait(PAUSE);
            from = cut;
        }
        self.send(&peer, from);
        sim.advance(self.waits + Duration::from_millis(1));
        let answer = self.answer(&peer);
        peer.close();
        sim.run();
        assert!(sim.close_reason(&peer).is_some(), "{}: the connection has no end", self.name);
        answer
    }

    /// Only connects and sends.
    pub(crate) fn begin(&self, sim: &Sim) -> Peer {
        let peer = sim.connect();
        self.send(&peer, 0);
        peer
    }

    fn send(&self, peer: &Peer, from: usize) {
        peer.send(&self.sent[from..]);
        if self.ends {
            peer.half_close();
        }
    }

    /// What `peer` has received by now.
    pub(crate) fn answer(&self, peer: &Peer) -> Answer {
        assert!(!peer.is_reset(), "{}: the connection was reset", self.name);
        Answer::of(peer)
    }

    /// Compares, or writes where that is asked for.
    pub(crate) fn check(&self, answer: &Answer) {
        if std::env::var_os("TRIJET_GOLDEN").is_some_and(|value| value == "write") {
            let script = self.script.trim_end();
            fs::write(&self.path, format!("{script}\n\n{}", answer.lines))
                .expect("a golden exchange is written");
            return;
        }
        assert_eq!(answer.lines, self.expected.lines, "{}", self.name);
    }
}

impl Answer {
    fn of(peer: &Peer) -> Self {
        let mut lines = String::new();
        for line in peer.received().split_inclusive(|&byte| byte == b'\n') {
            let mut escaped = line.escape_ascii().to_string();
            // Quotes need no escape here, and a space at the end would be lost in editors.
            escaped = escaped.replace("\\\"", "\"").replace("\\'", "'");
            if escaped.ends_with(' ') {
                escaped.truncate(escaped.len() - 1);
                escaped += "\\x20";
            }
            writeln!(lines, "< {escaped}").expect("text");
        }
        lines += if peer.is_closed() { "= closed\n" } else { "= kept\n" };
        Self { lines }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&kind, after) = rest.split_first().expect("an escape");
        rest = after;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("a byte")
            }
            other => panic!("\\{} is no escape", char::from(other)),
        });
    }
    bytes
}
