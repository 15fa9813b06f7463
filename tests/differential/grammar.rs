//! Makes scripts: requests from a grammar, put behind each other, bent a little, and cut anywhere. The
//! kinds that have to be among them are counted as they are made.

use crate::{app::PATHS, script::Script};

/// What a script can be, several at once.
pub(crate) const KINDS: [&str; 8] =
    ["pipelined", "chunked", "refused", "half-closed", "cut mid-head", "Expect", "HEAD", "1.0"];

const PIPELINED: usize = 0;
const CHUNKED: usize = 1;
const REFUSED: usize = 2;
const HALF_CLOSED: usize = 3;
const CUT_MID_HEAD: usize = 4;
const EXPECT: usize = 5;
const HEAD: usize = 6;
const ONE_ZERO: usize = 7;

/// A xorshift generator: the same seed gives the same scripts everywhere.
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        // Never 0, which would stay 0; and another one for every seed.
        let mut generator = Self((seed ^ 0x9e37_79b9_7f4a_7c15) << 1 | 1);
        for _ in 0..8 {
            generator.next();
        }
        generator
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// With a chance of one in `of`.
    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'a, V: ?Sized>(&mut self, from: &[&'a V]) -> &'a V {
        from[self.below(from.len())]
    }

    pub(crate) fn script(&mut self) -> Script {
        let mut script = Script::new(Vec::new(), Vec::new());
        let requests = if self.one_in(2) { 1 } else { 2 + self.below(5) };
        let mut heads = Vec::new();
        for index in 0..requests {
            let start = script.bytes.len();
            let is_last = index + 1 == requests;
            let end_of_head = self.request(&mut script, is_last);
            heads.push((start, end_of_head));
        }
        if self.one_in(6) {
            self.mutate(&mut script);
        }
        if self.one_in(8) {
            // The client leaves off anywhere; what it had sent before still has its answer.
            let length = self.below(script.bytes.len() + 1);
            script.bytes.truncate(length);
        }
        self.cut(&mut script, &heads);
        count_kinds(&mut script);
        script
    }

    /// Adds a request; gives where its head ends.
    fn request(&mut self, script: &mut Script, is_last: bool) -> usize {
        if self.one_in(9) {
            script.bytes.extend_from_slice(self.pick(&REFUSED_REQUESTS).as_bytes());
            return script.bytes.len();
        }
        let path = if self.one_in(12) { "/missing" } else { self.pick(&PATHS) };
        let takes_body = ["/echo", "/echo-fn", "/read", "/pieces", "/unread", "/unread-fn", "/small"];
        let method = match self.below(10) {
            0 | 1 => "HEAD",
            2 => self.pick(&["OPTIONS", "PUT", "DELETE", "BREW"]),
            _ if takes_body.contains(&path) => "POST",
            3 => "POST",
            _ => "GET",
        };
        let is_one_zero = self.one_in(8);
        let version = if is_one_zero { "1.0" } else { "1.1" };
        let mut head = format!("{method} {path} HTTP/{version}\r\nhost: t\r\n");
        if self.one_in(6) {
            let options = ["close", "keep-alive", "Keep-Alive, x", "CLOSE"];
            head.push_str(&format!("connection: {}\r\n", self.pick(&options)));
        } else if is_last && self.one_in(2) {
            head.push_str("connection: close\r\n");
        }
        for _ in 0..self.below(4) {
            head.push_str(self.pick(&[
                "accept: */*\r\n",
                "x-empty:\r\n",
                "X-Mixed: a, b\r\n",
                "cookie: a=b\r\n",
            ]));
        }
        let body = match method {
            "POST" | "PUT" => Some(self.body(is_one_zero, &mut head)),
            _ => None,
        };
        script.bytes.extend_from_slice(head.as_bytes());
        script.bytes.extend_from_slice(b"\r\n");
        let end = script.bytes.len();
        script.bytes.extend_from_slice(&body.unwrap_or_default());
        end
    }

    /// Makes a body and says in the head how it is framed.
    fn body(&mut self, is_one_zero: bool, head: &mut String) -> Vec<u8> {
        let length = match self.below(12) {
            0 => 0,
            1..8 => self.below(40),
            8..11 => self.below(2_000),
            _ => self.below(40_000),
        };
        let data: Vec<u8> = (0..length).map(|index| b'a' + u8::try_from(index % 26).unwrap()).collect();
        if self.one_in(5) {
            head.push_str("expect: 100-continue\r\n");
        }
        if is_one_zero || self.one_in(2) {
            head.push_str(&format!("content-length: {length}\r\n"));
            return data;
        }
        head.push_str("transfer-encoding: chunked\r\n");
        let mut body = Vec::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(1 + self.below(rest.len()));
            let extension = self.pick(&["", "", "", ";x", ";x=y", ";x=\"y z\""]);
            body.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
            rest = after;
        }
        body.extend_from_slice(self.pick(&["0\r\n\r\n", "0\r\n\r\n", "000\r\nx-sum: 1\r\n\r\n"]).as_bytes());
        body
    }

    /// Bends a byte or three: changed, doubled, left out, or of another place.
    fn mutate(&mut self, script: &mut Script) {
        for _ in 0..1 + self.below(3) {
            let at = self.below(script.bytes.len());
            match self.below(4) {
                0 => script.bytes[at] = u8::try_from(self.below(256)).unwrap(),
                1 => script
                    .bytes
                    .insert(at, *self.pick(&[b"\r", b"\n", b" ", b"0", b"\0", b":"]).first().unwrap()),
                2 if script.bytes.len() > 1 => drop(script.bytes.remove(at)),
                _ => {
                    let end = (at + 1 + self.below(30)).min(script.bytes.len());
                    let piece = script.bytes[at..end].to_vec();
                    let to = self.below(script.bytes.len());
                    script.bytes.splice(to..to, piece);
                }
            }
        }
    }

    fn cut(&mut self, script: &mut Script, heads: &[(usize, usize)]) {
        let length = script.bytes.len();
        if length < 2 || self.one_in(3) {
            return;
        }
        let mut cuts: Vec<usize> = match self.below(5) {
            0 if length < 1_000 => (1..length).collect(),
            _ => (0..1 + self.below(6)).map(|_| 1 + self.below(length - 1)).collect(),
        };
        if self.one_in(2) {
            let (start, end) = heads[self.below(heads.len())];
            cuts.push((start + 1 + self.below(end - start)).min(length - 1));
        }
        cuts.sort_unstable();
        cuts.dedup();
        script.kinds[CUT_MID_HEAD] =
            cuts.iter().any(|cut| heads.iter().any(|(start, end)| (start + 1..*end).contains(cut)));
        script.cuts = cuts;
    }
}

/// What is left of each kind after all that was done to the bytes.
fn count_kinds(script: &mut Script) {
    let text = String::from_utf8_lossy(&script.bytes).into_owned();
    let has = |what: &str| text.contains(what);
    script.kinds[PIPELINED] = text.matches(" HTTP/1.").count() > 1;
    script.kinds[CHUNKED] = has("\r\ntransfer-encoding: chunked\r\n\r\n") && has("\r\n0");
    script.kinds[REFUSED] = REFUSED_REQUESTS.iter().any(|request| has(request));
    script.kinds[HALF_CLOSED] = !has("\r\nconnection: close\r\n") && !has("\r\nconnection: CLOSE\r\n");
    script.kinds[EXPECT] = has("\r\nexpect: 100-continue\r\n");
    script.kinds[HEAD] = has("HEAD /");
    script.kinds[ONE_ZERO] = has(" HTTP/1.0\r\n");
}

const REFUSED_REQUESTS: [&str; 14] = [
    "GET / HTTP/1.1\r\n\r\n",
    "GET /text HTTP/1.1\r\nhost: t\r\nhost: t\r\n\r\n",
    "GET /text HTTP/1.1\r\nhost : t\r\n\r\n",
    "GET /text HTTP/1.1\nhost: t\n\n",
    "GET text HTTP/1.1\r\nhost: t\r\n\r\n",
    "GET /text HTTP/3.0\r\nhost: t\r\n\r\n",
    "HEAD /text HTTP/1.1\r\nhost: t t\r\n\r\n",
    "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: +3\r\n\r\nabc",
    "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 99999999\r\n\r\nabc",
    "POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: gzip\r\n\r\n",
    "POST /read HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n",
    "POST /small HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n11\r\nseventeen letters\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nhost: t\r\nexpect: tea\r\ncontent-length: 1\r\n\r\nx",
];
