//! The two ends of a request body in every order that their threads can come in: `just loom`.

use std::future::poll_fn;

use trijet_loom::{Sleeper, model, thread};

use super::*;
use crate::jobs::block_on;

/// Reads as a handler on a thread of its own does. A wake that is lost is a deadlock, which loom reports.
fn read(incoming: &Incoming) -> Option<Result<Bytes, BodyError>> {
    let frame = block_on(poll_fn(|cx| incoming.poll_frame(cx))).unwrap();
    frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
}

/// What polls no reader.
fn elsewhere() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn wait_until_wanted(source: &Source) {
    let sleeper = Arc::new(Sleeper::default());
    let waker = Waker::from(sleeper.clone());
    while !source.is_wanted(&Context::from_waker(&waker)) {
        sleeper.sleep();
    }
}

#[test]
fn each_frame_that_is_asked_for_comes_once() {
    model(|| {
        let (source, incoming) = incoming(None);
        let driver = thread::spawn(move || {
            for byte in 0..2 {
                wait_until_wanted(&source);
                source.deliver(&elsewhere(), Ok(Frame::data(Bytes::from(vec![byte]))));
            }
            wait_until_wanted(&source);
            source.end(&elsewhere());
        });
        let mut bytes = Vec::new();
        while let Some(frame) = read(&incoming) {
            bytes.extend_from_slice(&frame.unwrap());
        }
        assert_eq!(bytes, [0, 1]);
        driver.join().unwrap();
    });
}

#[test]
fn a_driver_that_goes_leaves_no_reader_waiting() {
    model(|| {
        let (source, incoming) = incoming(None);
        let driver = thread::spawn(move || drop(source));
        assert!(matches!(read(&incoming), Some(Err(BodyError::Finished))));
        assert!(read(&incoming).is_none());
        driver.join().unwrap();
    });
}

/// It goes after it has answered, before or after its answer is taken.
#[test]
fn a_driver_that_goes_after_its_answer_leaves_no_reader_waiting() {
    model(|| {
        let (source, incoming) = incoming(None);
        let driver = thread::spawn(move || {
            wait_until_wanted(&source);
            source.deliver(&elsewhere(), Ok(Frame::data(Bytes::from_static(b"last"))));
        });
        assert!(matches!(read(&incoming), Some(Ok(_))));
        assert!(matches!(read(&incoming), Some(Err(BodyError::Finished))));
        assert!(read(&incoming).is_none());
        driver.join().unwrap();
    });
}
