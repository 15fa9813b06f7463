//! What backends with a poll of their own share: tokens, timers and accepting.

mod acceptor;
mod timers;
pub mod token;

pub use acceptor::Acceptor;
pub use timers::Timers;
pub use token::{Key, Source};
