//! The engine as a stream: however the bytes are cut, and however often it is asked in between, the events
//! and the answers are those of the bytes fed whole.

use trijet_core::Limits;

use super::{Choices, server::Server};

pub fn check(bytes: &[u8]) {
    let small = Limits {
        head_bytes_max: 96,
        headers_max: 3,
        target_bytes_max: 12,
        chunk_line_bytes_max: 18,
        chunk_extension_bytes_max: 12,
        trailers_max: 2,
        trailer_bytes_max: 24,
        drain_bytes_max: 8,
        ..Limits::default()
    };
    for limits in [Limits::default(), small] {
        under(bytes, &limits);
    }
}

fn under(bytes: &[u8], limits: &Limits) {
    let whole = play(bytes, &[], limits);
    let mut choices = Choices::of(bytes);
    let mut all_cuts = vec![choices.cuts(bytes.len(), 3), choices.cuts(bytes.len(), 20)];
    if bytes.len() <= 2 << 10 {
        all_cuts.push((1..bytes.len()).collect());
    }
    for cuts in all_cuts {
        let cut = play(bytes, &cuts, limits);
        assert_eq!(whole.0, cut.0, "the events of {} cut at {cuts:?}", bytes.escape_ascii());
        assert!(
            whole.1 == cut.1,
            "the answers to {} cut at {cuts:?}:\n{}\n{}",
            bytes.escape_ascii(),
            whole.1.escape_ascii(),
            cut.1.escape_ascii()
        );
    }
}

fn play(bytes: &[u8], cuts: &[usize], limits: &Limits) -> (String, Vec<u8>) {
    let mut server = Server::new(limits);
    let mut start = 0;
    for &cut in cuts {
        server.receive(&bytes[start..cut]);
        server.tick();
        start = cut;
    }
    server.receive(&bytes[start..]);
    server.tick();
    if !server.is_over() {
        server.receive_end();
    }
    (server.log, server.output)
}
