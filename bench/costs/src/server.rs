//! A server in a process of its own, watched by a tool, for one run. It must never outlive its run: it is ended by the
//! id that it was started with.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{LazyLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cases::Case,
    client,
    tools::{Counts, Tool},
};

/// The longest that a server may take to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(30);

/// The longest that a server may take to end; a graceful stop takes at most 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// Valgrind counts `rep stosb` as often as it stores a byte, which a processor does not. With these words the C library
/// clears and copies by vectors, whatever the length.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000";

/// What is started. It tells its address in a line on its standard output, and ends with its standard input.
#[derive(Debug)]
pub struct Program {
    pub path: PathBuf,
    pub words: Vec<String>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    pub counts: Counts,
    /// The share of requests before which the server did not come to rest.
    pub restless: f64,
}

/// Ends a server that is still there.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Starts the program under a tool, asks it so many times, ends it, and reads what the tool said.
pub fn run(
    program: &Program,
    tool: Tool,
    case: &Case,
    requests: usize,
    profile: Option<&Path>,
) -> io::Result<Run> {
    let mut server = Guard(command(program, tool, profile).spawn()?);
    let mut stderr = server.0.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // It ends when the tool has ended, too.
    let said = thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).map(|_| said)
    });
    let process = server.0.id();
    let asked = address(&mut server.0)
        .and_then(client::connect)
        .and_then(|mut stream| client::ask(&mut stream, process, case, requests))
        .and_then(|restless| end(&mut server.0).map(|()| restless));
    drop(server);
    let said = said.join().map_err(|_| io::Error::other("a reader panicked"))??;
    let lost = |error| io::Error::other(format!("{error}; the server or its tool said:\n{said}"));
    let restless = asked.map_err(|error| lost(error.to_string()))?;
    let counts = tool.read(&said).ok_or_else(|| lost(format!("no {} were counted", tool.name())))?;
    Ok(Run { counts, restless: (restless * case.depth) as f64 / requests as f64 })
}

/// The command that starts it, with addresses that are the same each time, and a small environment: its size moves
/// the stack.
fn command(program: &Program, tool: Tool, profile: Option<&Path>) -> Command {
    let mut words = tool.words(profile);
    if addresses_can_be_fixed() {
        words.splice(0..0, FIXED.map(str::to_owned));
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(&program.path).args(&program.words);
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).env("GLIBC_TUNABLES", TUNABLES);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts a program without randomised addresses.
const FIXED: [&str; 2] = ["setarch", "-R"];

/// Whether the system lets us: a container may not.
pub fn addresses_can_be_fixed() -> bool {
    static CAN: LazyLock<bool> = LazyLock::new(|| can_run(FIXED[0], &[FIXED[1], "true"]));
    *CAN
}

/// Waits for the server to tell where it is.
fn address(server: &mut Child) -> io::Result<SocketAddr> {
    let stdout = server.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        _ = tell.send(lines.next());
        // What else it says is nobody's concern, but may not be refused.
        lines.for_each(drop);
    });
    match told.recv_timeout(BEGINS_WITHIN) {
        Ok(Some(line)) => line?.parse().map_err(io::Error::other),
        Ok(None) => Err(io::Error::other("the server ended before it told its address")),
        Err(_) => Err(io::Error::other("the server does not tell its address")),
    }
}

/// Ends its standard input, and waits until it has ended.
fn end(server: &mut Child) -> io::Result<()> {
    drop(server.stdin.take());
    let begin = Instant::now();
    while server.try_wait()?.is_none() {
        if begin.elapsed() > ENDS_WITHIN {
            return Err(io::Error::other("the server does not end with its standard input"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Whether a program is there, and succeeds with these words.
pub fn can_run(program: &str, words: &[&str]) -> bool {
    let status = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
