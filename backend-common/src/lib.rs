//! What the backends of `trijet` share: the server's builder and handle, socket set-up, the policy
//! for failed accepts, the pool of threads and the stop signals. It knows no HTTP: that is core's.

mod accept;
mod address;
mod alarms;
mod calls;
mod context;
mod ends;
mod hooks;
mod jobs;
mod key;
mod late;
mod life;
pub mod listener;
#[cfg(feature = "poll")]
pub mod poll;
mod pool;
#[cfg(feature = "runtime")]
pub mod runtime;
mod server;
#[cfg(feature = "signals")]
mod signals;
mod sockets;
mod statistics;
mod sync;
#[cfg(feature = "systemd")]
mod systemd;
mod threads;
mod timers;
mod unix;
mod watchdog;

pub use accept::{AcceptFailure, Acceptance, LAST_ACCEPTS_MAX, Lines};
pub use address::{Address, bind};
pub use calls::{Calls, inside, resolve};
pub use context::Context;
pub use ends::{Ending, Ends, GRACE, server_has_ended};
pub use hooks::Hooks;
pub use jobs::Jobs;
pub use key::Key;
pub use late::Late;
pub use life::{Life, Phase};
pub use listener::{Listen, Listener, LocalAddress, as_stream, name_peer};
pub use pool::{Around, Pool};
pub use server::{Backend, Server, ServerHandle, Service, Settings};
pub use sockets::{open_files_max, prepare_connection, receive, reset_on_close, send_at_once, send_vectored};
pub use statistics::{Figures, Hold, LoopStatistics, Statistics};
pub use timers::Timers;
pub use unix::SocketFile;
pub use watchdog::{Seat, TASK, Watch, Watchdog};

use std::any::Any;

/// The work of a started server; it returns once the server has stopped, or has failed.
pub type Run = Box<dyn FnOnce() -> std::io::Result<()> + Send>;

/// What a panic said, for the log alone: it must never reach the network.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
