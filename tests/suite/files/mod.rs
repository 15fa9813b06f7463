//! Static files: what is served, what is refused, and what becomes of files that change.

mod changing;
mod conditions;
mod large;
mod negotiated;
mod nested;
mod paths;
mod ranges;
mod served;
mod shortage;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::common::{client::Client, eventually, response::Response};

/// What must never be in an answer.
const CANARY: &str = "the canary sings outside of the root";

/// A folder `root` to serve, and beside it what must not be served. It goes when the test is over.
struct Site(PathBuf);

impl Site {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("site-{}-{count}", std::process::id());
        let site = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        fs::create_dir_all(site.root()).unwrap();
        fs::create_dir(site.0.join("outside")).unwrap();
        fs::write(site.0.join("canary.txt"), CANARY).unwrap();
        fs::write(site.0.join("outside/canary.txt"), CANARY).unwrap();
        site
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Writes a file, and makes its folders.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

/// A GET with more header fields, each with its line end.
fn with(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: t\r\n{fields}\r\n")
}

/// Until the last change of a file lies back by so much that the next would show: then its answer has validators.
fn settled(client: &mut Client, path: &str) -> Response {
    let mut answer = None;
    eventually("a tag", || {
        let found = client.get(path).with_status(200);
        let is_settled = found.header("etag").is_some();
        answer = Some(found);
        is_settled
    });
    answer.unwrap()
}

/// What a file holds whose place tells every byte.
fn pattern(length: usize) -> Vec<u8> {
    let mut pattern = crate::common::pattern::Pattern::default();
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        bytes.extend_from_slice(pattern.piece(length - bytes.len()));
    }
    bytes
}
