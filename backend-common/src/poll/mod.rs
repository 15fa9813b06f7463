//! What backends with a poll of their own share: tokens, timers, accepting, and what `trijet::rt` stands on there.

mod acceptor;
mod reactor;
mod runtime;
mod side;
mod socket;
mod task;
pub mod token;

pub use acceptor::Acceptor;
pub use reactor::Reactor;
pub use runtime::{PollRuntime, Spawn};
pub use task::{Schedule, Task};
pub use token::Source;

pub use crate::{Key, Timers};
