//! The test client, for whatever it is connected to. It knows HTTP as a strict client does, and no server: bytes come and
//! go through [`Connect`], of which the simulation is one. Nothing here is lenient, and nothing waits by itself.
//!
//! ```text
//!   TestClient ── TestRequest ──▶ Exchange ──▶ TestResponse      what tests are written with
//!        │                          │   ▲
//!       Jar                  Record │   │ Answer                 what was sent; what came, judged strictly
//!                                   ▼   │
//!                        Connect ─▶ Connection                   the simulation; sockets in the facade
//! ```

mod answer;
mod assert;
mod client;
mod connect;
mod cookie_date;
mod cookies;
mod exchange;
mod form;
mod request;
mod response;
mod show;

pub(crate) use self::answer::{Asked, find, whole_len};
pub use self::{
    client::{Raw, TestClient},
    connect::{Connect, Connection, Wait},
    exchange::Exchange,
    form::MultipartForm,
    request::TestRequest,
    response::TestResponse,
};
