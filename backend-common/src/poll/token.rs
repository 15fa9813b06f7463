//! What an event's token stands for: the poll's waker, another poll, a listener, a connection, or a socket that a
//! handler has opened.
//!
//! The token of a connection or socket carries its slot and the slot's generation, so that an event, a timer or a
//! waker that has outlived it never reaches the next one in that slot.

use mio::Token;

use crate::Key;

/// The top bit is set in tokens that are not connections.
const OTHER: usize = 1 << (usize::BITS - 1);
/// The next one is set in those of handlers' sockets.
const SOCKET: usize = OTHER >> 1;
/// The token of the poll's waker.
pub const WAKER: Token = Token(usize::MAX);

/// The token of another poll that is watched by this one.
pub const INNER: Token = Token(usize::MAX - 1);

/// The token of listener `index`.
pub fn listener(index: usize) -> Token {
    Token(OTHER | index)
}

/// The token of a handler's socket.
pub fn socket(key: Key) -> Token {
    Token(SOCKET | key.0)
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The poll's waker.
    Waker,
    /// A poll within the poll.
    Inner,
    /// A listener, by index.
    Listener(usize),
    /// A connection.
    Connection(Key),
    /// A socket that a handler has opened.
    Socket(Key),
}

impl From<Token> for Source {
    fn from(token: Token) -> Self {
        match token {
            WAKER => Self::Waker,
            INNER => Self::Inner,
            Token(value) if value & OTHER != 0 => Self::Listener(value & !OTHER),
            Token(value) if value & SOCKET != 0 => Self::Socket(Key(value & !SOCKET)),
            Token(value) => Self::Connection(Key(value)),
        }
    }
}

impl Key {
    /// Its token.
    pub fn token(self) -> Token {
        Token(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{GENERATION_MASK, INDEX_MASK};

    #[test]
    fn a_token_tells_its_source() {
        assert_eq!(Source::from(WAKER), Source::Waker);
        assert_eq!(Source::from(INNER), Source::Inner);
        assert_eq!(Source::from(listener(3)), Source::Listener(3));
        for (index, generation) in
            [(0, 0), (7, 1), (INDEX_MASK, GENERATION_MASK), (5, usize::MAX), (0, GENERATION_MASK + 1)]
        {
            let key = Key::new(index, generation);
            assert_eq!(Source::from(key.token()), Source::Connection(key), "{index} {generation}");
            assert_eq!(Source::from(socket(key)), Source::Socket(key), "{index} {generation}");
            assert_eq!(key.index(), index);
        }
    }
}
