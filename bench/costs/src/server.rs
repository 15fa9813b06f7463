//! A server in a process of its own, watched by a tool, for one run. It must never outlive its run: it is ended by the
//! id that it was started with.

use std::{
    env,
    io::{self, Read},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cases::Case,
    client,
    tools::{Counts, Tool},
};

/// The longest that a server may take to end; a graceful stop takes at most 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// Valgrind counts `rep stosb` as often as it stores a byte, which a processor does not. With these words the C library
/// clears and copies by vectors, whatever the length.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000";

/// What is started; its address follows as the last word.
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
    // The next to ask for a free port may be given the same one; here nobody does before the server.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut server = Guard(command(program, tool, address, profile).spawn()?);
    let mut stderr = server.0.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // It ends when the tool has ended, too.
    let said = thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).map(|_| said)
    });
    let process = server.0.id();
    let asked = client::connect(address)
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
fn command(program: &Program, tool: Tool, address: SocketAddr, profile: Option<&Path>) -> Command {
    let mut words = tool.words(profile);
    if addresses_can_be_fixed() {
        words.splice(0..0, FIXED.map(str::to_owned));
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(&program.path).args(&program.words).arg(address.to_string());
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).env("GLIBC_TUNABLES", TUNABLES);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts a program without randomised addresses.
const FIXED: [&str; 2] = ["setarch", "-R"];

/// Whether the system lets us: a container may not.
pub fn addresses_can_be_fixed() -> bool {
    static CAN: LazyLock<bool> = LazyLock::new(|| can_run(FIXED[0], &[FIXED[1], "true"]));
    *CAN
}

/// Asks it to end, and waits until it has.
fn end(server: &mut Child) -> io::Result<()> {
    let process = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
    kill_process(process.ok_or(io::ErrorKind::NotFound)?, Signal::TERM)?;
    let begin = Instant::now();
    while server.try_wait()?.is_none() {
        if begin.elapsed() > ENDS_WITHIN {
            return Err(io::Error::other("the server does not end on SIGTERM"));
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
