//! What must hold for any bytes. Each check takes the bytes and panics where its rule is broken; the fuzz
//! targets (`fuzz/`) and the replay of the corpus (`tests/corpus`) both call them, and nothing else decides.
#![allow(dead_code, unreachable_pub, reason = "each fuzz target takes the one check that it needs")]

pub mod chunked;
pub mod differential;
pub mod engine;
pub mod head;
#[cfg(feature = "multipart")]
pub mod multipart;
pub mod response;
pub mod router;
mod server;
pub mod target;

/// Fields that are no trailers, RFC 9110 §6.5.1: a recipient that merges them would read another message.
pub const NO_TRAILERS: [&str; 32] = [
    "transfer-encoding",
    "content-length",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "host",
    "max-forwards",
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "cookie",
    "set-cookie",
    "expect",
    "range",
    "cache-control",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "age",
    "date",
    "expires",
    "location",
    "retry-after",
    "vary",
    "content-encoding",
    "content-type",
    "content-range",
    "content-location",
];

/// Choices that depend on the bytes alone: the same bytes are always cut in the same places.
pub struct Choices(u64);

impl Choices {
    /// From a hash of `bytes` (FNV-1a).
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// The next number (splitmix64).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    /// Up to `most` positions within `length` bytes, in order.
    pub fn cuts(&mut self, length: usize, most: usize) -> Vec<usize> {
        let mut cuts: Vec<usize> = (0..self.below(most + 1)).map(|_| self.below(length + 1)).collect();
        cuts.sort_unstable();
        cuts
    }
}
