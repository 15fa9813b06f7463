//! What a server sends that has no end.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, SystemTime},
};

use super::{super::Connect, *};

/// Answers with bytes that have no end.
struct Endless;

impl Connect for Endless {
    fn name(&self) -> &str {
        "endless"
    }

    fn connect(&self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(Bits(b"HTTP/1.1 200 OK\r\n\r\n")))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn advance(&self, _: Duration) {}

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn set_patience(&self, _: Duration) {}
}

struct Bits(&'static [u8]);

impl Connection for Bits {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn pause(&mut self, _: Duration) {}

    fn read(&mut self, into: &mut Vec<u8>, _: Wait) -> io::Result<usize> {
        into.extend_from_slice(self.0);
        let count = self.0.len();
        self.0 = &[b'x'; 64 << 10];
        Ok(count)
    }
}

#[test]
fn what_has_no_end_is_given_up() {
    let client = TestClient::over(Endless);
    let calls: [&dyn Fn(); 2] = [&|| _ = client.get("/").send(), &|| _ = client.raw("x")];
    for (call, expected) in calls.into_iter().zip([
        "GET /: the response has not ended after 1048576 bytes; `open` reads one that does not end\n\n> GET /",
        "a raw exchange: the server still writes after 1048576 bytes",
    ]) {
        let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it has to panic");
        let text = panic.downcast_ref::<String>().expect("a text");
        assert!(text.starts_with(expected), "{text}");
    }
}
