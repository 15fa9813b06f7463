//! One slow query, written in four styles: a blocking `fn`, an `async fn`, a callback that completes a [`Deferred`], and a
//! future by hand. The answers are the same, on every backend.
//! `cargo run --example styles`, then `curl http://127.0.0.1:8080/blocking/apples`, `/async/…`, `/deferred/…`, `/by-hand/…`.
//! `PORT` sets the port: 8080 if unset, any free one if 0. `DATABASE` is the address of the database, as in
//! `127.0.0.1:5432`: one of its own if unset.

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, IoSlice, Read, Write},
    net::{SocketAddr, TcpListener},
    pin::Pin,
    process::ExitCode,
    task::{Context, Poll, ready},
    thread,
    time::{Duration, Instant},
};

use trijet::{Deferred, IntoResponse, Path, Response, Router, State, StatusCode, get, rt};

/// Where the database listens.
#[derive(Clone, Copy)]
struct Database(SocketAddr);

/// The longest that anybody waits for the database, from the connect to the end of the line.
const PATIENCE: Duration = Duration::from_secs(2);

/// What goes wrong far away is a 502.
struct Failed(io::Error);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        log::warn!("the database: {}", self.0);
        (StatusCode::BAD_GATEWAY, "The database did not answer.\n").into_response()
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// A plain `fn` waits on its thread: sockets of the standard library, or any driver that blocks.
fn blocking(Path(name): Path<String>, State(database): State<Database>) -> Result<String, Failed> {
    Ok(query(database, &name)?)
}

fn query(Database(address): Database, name: &str) -> io::Result<String> {
    let until = Instant::now() + PATIENCE;
    // A socket's own timeouts are for one call each, and 0 is none.
    let left = || match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = std::net::TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(format!("{name}\n").as_bytes())?;
    let (mut answer, mut part) = (Vec::new(), [0; 256]);
    // A line without its end is none, as everywhere below.
    while !answer.ends_with(b"\n") {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&part[..count]),
        }
    }
    String::from_utf8(answer).map_err(io::Error::other)
}

/// An `async fn` waits without a word about threads: what that costs is the backend's affair.
async fn awaited(Path(name): Path<String>, State(database): State<Database>) -> Result<String, Failed> {
    let asked = async {
        let mut stream = rt::TcpStream::connect(database.0).await?;
        stream.write_all(format!("{name}\n").as_bytes()).await?;
        let (mut answer, mut part) = (Vec::new(), [0; 256]);
        while !answer.ends_with(b"\n") {
            match stream.read(&mut part).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => answer.extend_from_slice(&part[..count]),
            }
        }
        String::from_utf8(answer).map_err(io::Error::other)
    };
    Ok(rt::timeout(PATIENCE, asked).await.map_err(io::Error::from)??)
}

/// A library that calls back, as many do: the handler returns at once, and the callback answers. The library gives up by
/// itself; the time of the [`Deferred`], after which it is a 504, is longer, for one that never calls.
fn deferred(Path(name): Path<String>, State(database): State<Database>) -> Deferred {
    let (reply, deferred) = Deferred::new(2 * PATIENCE);
    query_with_callback(database, name, move |answer| reply.send(answer.map_err(Failed)));
    deferred
}

fn query_with_callback(
    database: Database,
    name: String,
    callback: impl FnOnce(io::Result<String>) + Send + 'static,
) {
    thread::spawn(move || callback(query(database, &name)));
}

/// The same as the `async fn`, as the state machine that the compiler would make of it.
async fn by_hand(Path(name): Path<String>, State(database): State<Database>) -> Result<String, Failed> {
    let query = Query {
        step: Step::Connects(Box::pin(rt::TcpStream::connect(database.0))),
        unsent: format!("{name}\n").into_bytes(),
        answer: Vec::new(),
        time: rt::sleep(PATIENCE),
    };
    Ok(query.await?)
}

struct Query {
    step: Step,
    unsent: Vec<u8>,
    answer: Vec<u8>,
    time: rt::Sleep,
}

enum Step {
    Connects(Pin<Box<dyn Future<Output = io::Result<rt::TcpStream>> + Send>>),
    Asks(rt::TcpStream),
}

impl Future for Query {
    type Output = io::Result<String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { step, unsent, answer, time } = &mut *self;
        if Pin::new(time).poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let stream = loop {
            match step {
                Step::Connects(connecting) => *step = Step::Asks(ready!(connecting.as_mut().poll(cx))?),
                Step::Asks(stream) => break stream,
            }
        };
        while !unsent.is_empty() {
            let count = ready!(stream.poll_write(cx, &[IoSlice::new(unsent)]))?;
            unsent.drain(..count);
        }
        let mut part = [0; 256];
        while !answer.ends_with(b"\n") {
            match ready!(stream.poll_read(cx, &mut part))? {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                count => answer.extend_from_slice(&part[..count]),
            }
        }
        Poll::Ready(String::from_utf8(std::mem::take(answer)).map_err(io::Error::other))
    }
}

/// Stands for a database far away: it takes a line, and 100 ms, and gives a line.
fn start_database() -> io::Result<Database> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let serve = |stream: std::net::TcpStream| {
        let mut name = String::new();
        BufReader::new(&stream).read_line(&mut name)?;
        thread::sleep(Duration::from_millis(100));
        (&stream).write_all(format!("{} {} in stock\n", name.len(), name.trim()).as_bytes())
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(Database(address))
}

fn app(database: Database) -> Router {
    Router::new()
        .route("/blocking/{name}", get(blocking))
        .route("/async/{name}", get(awaited))
        .route("/deferred/{name}", get(deferred))
        .route("/by-hand/{name}", get(by_hand))
        .state(database)
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    let database = match env::var("DATABASE") {
        Ok(address) => Database(address.parse().map_err(|_| format!("DATABASE is {address:?}: no address"))?),
        Err(env::VarError::NotPresent) => start_database()?,
        Err(error) => return Err(format!("DATABASE: {error}").into()),
    };
    trijet::serve(("127.0.0.1", port), app(database))?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("styles: {error}");
            ExitCode::FAILURE
        }
    }
}
