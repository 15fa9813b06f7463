//! The bytes of a file as a body: a small one in one piece, a large one as it is read. It never reads more than was
//! there when the file was opened, and never lets less pass for a whole. Nor a mixture of two states, as far as the system
//! tells them apart: of a file that was being written to, an append and an overwrite by more look the same.

use std::{
    collections::hash_map::RandomState,
    fs::File,
    hash::{BuildHasher, Hasher},
    io,
    ops::Range,
    thread,
    time::{Duration, SystemTime},
    vec,
};

use rustix::{buffer::spare_capacity, io::Errno};
use trijet_core::{Body, Bytes};

use super::state::State;

/// What is sent in one piece, and read before anything is sent; and the size of the pieces of all else. One write of
/// the socket takes as much.
const PIECE_BYTES: u64 = 64 << 10;

/// How often, and how long apart, a file is looked at that may just be appended to. Nothing tells when that is done.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// One part of what is sent.
pub(super) enum Part {
    /// As it is.
    Text(Bytes),
    /// These bytes of the file.
    Stretch(Range<u64>),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Stretch(range) => range.end - range.start,
        }
    }
}

/// How many bytes these are.
pub(super) fn length(parts: &[Part]) -> u64 {
    parts.iter().map(Part::len).sum()
}

/// The body that these parts are of a file that was in the state `before` when it was opened.
///
/// # Errors
/// Where a small one could not be read: nothing has been sent then. What the file does not have any more, or has
/// otherwise now, is [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
pub(super) fn body(file: File, before: State, parts: Vec<Part>) -> io::Result<Body> {
    let length = length(&parts);
    let watched = Watched { file, before, is_settled: before.is_settled(SystemTime::now()) };
    let mut pieces = Pieces { watched, parts: parts.into_iter(), stretch: 0..0, has_failed: false };
    if length > PIECE_BYTES {
        return Ok(Body::from_iter(pieces));
    }
    let Some(first) = pieces.next().transpose()? else { return Ok(Body::empty()) };
    if first.len() as u64 == length {
        return Ok(first.into());
    }
    let mut whole = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    whole.extend_from_slice(&first);
    for piece in pieces {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole.into())
}

/// Parts of a file, piece by piece. Each piece is read where it may block.
struct Pieces {
    watched: Watched,
    parts: vec::IntoIter<Part>,
    /// What is left of the part that is being sent.
    stretch: Range<u64>,
    has_failed: bool,
}

impl Iterator for Pieces {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.stretch.is_empty() && !self.has_failed {
            match self.parts.next()? {
                Part::Text(text) => return Some(Ok(text)),
                Part::Stretch(range) => self.stretch = range,
            }
        }
        if self.has_failed {
            return None;
        }
        let piece = self.watched.read(&self.stretch);
        match &piece {
            Ok(piece) => self.stretch.start += piece.len() as u64,
            Err(_) => self.has_failed = true,
        }
        Some(piece)
    }
}

/// A file that may change while it is sent.
struct Watched {
    file: File,
    before: State,
    is_settled: bool,
}

impl Watched {
    /// The first bytes of this range, at most a piece, as they were before.
    fn read(&self, range: &Range<u64>) -> io::Result<Bytes> {
        let piece = read(&self.file, range)?;
        // Behind the read: what was written before it shows.
        if self.holds(|| Ok(State::of(&self.file.metadata()?)))? {
            return Ok(piece);
        }
        Err(changed("the file has changed"))
    }

    /// Whether what the file had is as it was, as far as the states tell that it is seen in.
    fn holds(&self, mut look: impl FnMut() -> io::Result<State>) -> io::Result<bool> {
        for _ in 0..LOOKS {
            let now = look()?;
            if now.has_content_of(&self.before) {
                return Ok(true);
            }
            // One that was just being written to when it was asked for goes on if it is longer now: it is taken for a log,
            // in which what it had is as it was. It may have been overwritten by more, which nothing tells; so no tag stands
            // for it, and no cache keeps it unasked. For one that had settled there is a tag.
            if self.is_settled || now.length != self.before.length {
                return Ok(!self.is_settled && now.length > self.before.length);
            }
            // An append that has begun looks like an overwrite until it is done: its time is noted before its length.
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(false)
    }
}

fn changed(how: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, how)
}

/// The first bytes of this range, at most a piece.
fn read(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from((range.end - range.start).min(PIECE_BYTES)).unwrap_or_default();
    let mut piece = Vec::with_capacity(length);
    while piece.len() < length {
        let at = range.start + piece.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut piece), at) {
            Ok(0) => return Err(changed("the file has become shorter")),
            Ok(_) => {}
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Where there was room for more, more may have been read.
    piece.truncate(length);
    Ok(piece.into())
}

/// Several ranges of a file as `multipart/byteranges`, RFC 9110 §14.6: the parts, and the boundary between them.
pub(super) fn multipart(ranges: Vec<Range<u64>>, length: u64, content_type: &str) -> (Vec<Part>, String) {
    let boundary = boundary();
    let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
    let mut line_end = "";
    for range in ranges {
        let last = range.end - 1;
        let head = format!(
            "{line_end}--{boundary}\r\ncontent-type: {content_type}\r\ncontent-range: bytes {}-{last}/{length}\r\n\r\n",
            range.start
        );
        parts.push(Part::Text(head.into()));
        parts.push(Part::Stretch(range));
        line_end = "\r\n";
    }
    parts.push(Part::Text(format!("\r\n--{boundary}--\r\n").into()));
    (parts, boundary)
}

/// What nobody can have put into a file: a new one each time, by the keys with which maps of the standard library
/// protect themselves.
fn boundary() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, content: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("trijet-send-{}-{name}", std::process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }

        fn pieces(&self, parts: Vec<Part>) -> Pieces {
            self.watched(false, parts)
        }

        fn watched(&self, is_settled: bool, parts: Vec<Part>) -> Pieces {
            let file = File::open(&self.0).unwrap();
            let before = State::of(&file.metadata().unwrap());
            let watched = Watched { file, before, is_settled };
            Pieces { watched, parts: parts.into_iter(), stretch: 0..0, has_failed: false }
        }

        /// Writes without a new time being the same as the old one: clocks of files tick slowly.
        fn overwrite(&self, content: &[u8]) {
            let mut file = File::options().write(true).open(&self.0).unwrap();
            io::Write::write_all(&mut file, content).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            fs::remove_file(&self.0).unwrap();
        }
    }

    #[test]
    fn large_files_come_in_pieces() {
        let content: Vec<u8> = (0..200_001_u32).map(|n| n.to_le_bytes()[0]).collect();
        let file = Temporary::new("large", &content);
        let pieces: Vec<Bytes> = file.pieces(vec![Part::Stretch(1..200_001)]).map(Result::unwrap).collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [65536, 65536, 65536, 3392]);
        assert_eq!(pieces.concat(), content[1..]);
    }

    #[test]
    fn one_that_grows_is_as_long_as_it_was() {
        let file = Temporary::new("grows", b"0123456789");
        let mut pieces = file.pieces(vec![Part::Stretch(0..10)]);
        fs::write(&file.0, b"0123456789 and more").unwrap();
        assert_eq!(pieces.next().unwrap().unwrap(), "0123456789");
        assert!(pieces.next().is_none());
    }

    #[test]
    fn one_that_is_just_appended_to_is_waited_for() {
        let file = Temporary::new("appended", b"0123456789");
        let mut watched = file.pieces(Vec::new()).watched;
        let mut begun = watched.before;
        begun.modified.seconds += 1;
        let done = State { length: 11, ..begun };
        let mut states = [begun, begun, done].into_iter();
        assert!(watched.holds(|| Ok(states.next().unwrap())).unwrap());
        assert!(states.next().is_none());
        // An overwrite does not end.
        assert!(!watched.holds(|| Ok(begun)).unwrap());
        watched.is_settled = true;
        let mut states = [begun].into_iter();
        assert!(!watched.holds(|| Ok(states.next().unwrap())).unwrap());
    }

    #[test]
    fn one_that_had_settled_must_not_grow() {
        let file = Temporary::new("settled", &[1; 10]);
        let mut pieces = file.watched(true, vec![Part::Stretch(0..10)]);
        file.overwrite(&[1; 11]);
        assert!(pieces.next().unwrap().is_err());
    }

    #[test]
    fn one_that_is_overwritten_and_no_longer_is_no_mixture() {
        for is_settled in [false, true] {
            let file = Temporary::new("overwritten", &[1; 100_000]);
            let mut pieces = file.watched(is_settled, vec![Part::Stretch(0..100_000)]);
            assert_eq!(pieces.next().unwrap().unwrap().len(), 65_536);
            file.overwrite(&[2; 100_000]);
            assert_eq!(pieces.next().unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert!(pieces.next().is_none());
        }
    }

    #[test]
    fn one_that_shrinks_fails_once() {
        let file = Temporary::new("shrinks", &[1; 100]);
        let mut pieces = file.pieces(vec![Part::Stretch(0..100), Part::Text("end".into())]);
        fs::write(&file.0, [1; 99]).unwrap();
        assert_eq!(pieces.next().unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(pieces.next().is_none());
    }

    #[test]
    fn parts_and_their_heads() {
        let (parts, boundary) = multipart(vec![0..2, 5..6], 10, "text/plain");
        let file = Temporary::new("parts", b"0123456789");
        let expected_length = length(&parts);
        let whole: Vec<Bytes> = file.pieces(parts).map(Result::unwrap).collect();
        let whole = String::from_utf8(whole.concat()).unwrap();
        let expected = format!(
            "--{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-1/10\r\n\r\n01\r\n\
             --{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes 5-5/10\r\n\r\n5\r\n--{boundary}--\r\n"
        );
        assert_eq!(whole, expected);
        assert_eq!(expected_length, expected.len() as u64);
        assert_ne!(boundary, super::boundary());
    }
}
