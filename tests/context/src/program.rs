//! A server of somebody else's as a process of the test's own: on a free port, in a folder of its own, stopped and
//! cleared away when it goes out of scope. Only what was started here is ever stopped.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, PipeReader, Write},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{self, Child, Command},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use crate::common::eventually;

/// Longer than any of them takes to start, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Program {
    process: Process,
    pub(crate) port: u16,
    // After the process, which writes there.
    _folder: Folder,
}

impl Program {
    /// Redis, which keeps nothing; `None` and a line that says so where it is not installed.
    pub(crate) fn redis(test: &str) -> Option<Self> {
        let program = find(test, "redis-server", &[])?;
        let folder = Folder::new("redis", None);
        Some(Self::start(folder, "-TERM", |folder, port| {
            let mut command = Command::new(&program);
            command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]).arg(port);
            command.arg("--dir").arg(folder);
            command
        }))
    }

    /// PostgreSQL with an empty cluster, whose superuser is `tester`; `None` and a line that says so where it is
    /// not installed. It refuses to run as root: then it is the user's that Debian's package makes.
    pub(crate) fn postgres(test: &str) -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let places: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
        let (initdb, postgres) = (find(test, "initdb", &places)?, find(test, "postgres", &places)?);
        let folder_of_mine = Folder::new("postgres", None);
        let is_root = fs::metadata(&folder_of_mine.0).unwrap().uid() == 0;
        drop(folder_of_mine);
        let user = if is_root { Some(user(test, "postgres")?) } else { None };
        let folder = Folder::new("postgres", user);
        let data = folder.0.join("data");
        let command = |program: &Path| {
            let mut command = Command::new(program);
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command.current_dir(&folder.0).arg("-D").arg(&data);
            command
        };
        let made = command(&initdb)
            .args(["--username=tester", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8"])
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (process, port) = Process::start("-INT", |port| {
            let mut command = command(&postgres);
            command.arg("-p").arg(port);
            for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
                command.args(["-c", setting]);
            }
            command
        });
        Some(Self { process, port, _folder: folder })
    }

    fn start(folder: Folder, signal: &'static str, command: impl Fn(&Path, String) -> Command) -> Self {
        let (process, port) = Process::start(signal, |port| command(&folder.0, port));
        Self { process, port, _folder: folder }
    }

    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }
}

struct Process {
    child: Child,
    /// What it ends by.
    signal: &'static str,
}

impl Process {
    /// Starts `command` with a free port. Another is found where somebody has taken that meanwhile.
    fn start(signal: &'static str, command: impl Fn(String) -> Command) -> (Self, u16) {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let (log, writer) = io::pipe().unwrap();
            let mut command = command(port.to_string());
            let child =
                command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().expect("it starts");
            // Its ends of the pipe would keep that open.
            drop(command);
            let process = Self { child, signal };
            match await_ready(log) {
                Ok(()) => return (process, port),
                Err(log) => assert!(log.contains("Address already in use"), "it did not start:\n{log}"),
            }
        }
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn stop(&mut self) {
        if self.is_running() {
            let pid = self.child.id().to_string();
            let told = Command::new("sh").args(["-c", "kill \"$0\" \"$1\"", self.signal, &pid]).status();
            assert!(told.is_ok_and(|status| status.success()), "it could not be told to stop");
            eventually("the program stops", || !self.is_running());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            drop(self.child.kill());
            drop(self.child.wait());
        } else {
            self.stop();
        }
    }
}

/// Waits until it says that it is ready; else what it said.
fn await_ready(log: PipeReader) -> Result<(), String> {
    let (send, lines) = channel();
    // Read to the end, so that the process never waits for its log to be read.
    thread::spawn(move || {
        BufReader::new(log).lines().map_while(Result::ok).for_each(|line| drop(send.send(line)))
    });
    let mut said = String::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if line.to_lowercase().contains("ready to accept connections") {
            return Ok(());
        }
        said.extend([&line, "\n"]);
    }
    Err(said)
}

/// Where the program is; a line where it is nowhere.
fn find(test: &str, program: &str, places: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(places.iter().cloned())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        skipped(test, &format!("{program} is not installed"));
    }
    found
}

/// The number of a user of this system, and that of its group.
fn user(test: &str, name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let numbers =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find_map(|fields| match fields[..] {
            [own, _, user, group, ..] if own == name => Some((user.parse().ok()?, group.parse().ok()?)),
            _ => None,
        });
    if numbers.is_none() {
        skipped(test, &format!("it does not run as root, and there is no user {name}"));
    }
    numbers
}

/// Directly: what a test that passes prints in the usual way is not seen. In one write, so that nothing comes between.
fn skipped(test: &str, why: &str) {
    let line = format!("\nskipped: {test}: {why}\n");
    io::stderr().write_all(line.as_bytes()).expect("it is told");
}

/// A folder for a while.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, owner: Option<(u32, u32)>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Self(env::temp_dir().join(format!("trijet-{name}-{}-{number}", process::id())));
        fs::create_dir(&folder.0).expect("a folder of its own");
        if let Some((user, group)) = owner {
            chown(&folder.0, Some(user), Some(group)).expect("root gives it away");
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            assert!(thread::panicking(), "{} stays: {error}", self.0.display());
        }
    }
}
