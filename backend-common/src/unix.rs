//! The file of a Unix socket: made where nothing is or a dead one lies, and taken away with the server. One that somebody
//! listens on, or that is no socket, is never touched; nor is one that is just being made.
//!
//! A socket that is bound and does not listen yet looks dead to others: connecting is refused. So a file has to be refused
//! for a while before it is taken for dead, one server at a time removes it, and who has come to listen looks whether the
//! file is still its own.

use std::{
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{self, Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use socket2::{Domain, SockAddr, Socket, Type};
use trijet_core::SocketSettings;

/// How long a file that is bound may take to be listened on: a thousand times what it takes a server that is not kept from
/// running. One that is older, and refused, is dead at once.
const BIRTH: Duration = Duration::from_millis(500);
/// How often one so young is tried.
const RETRY: Duration = Duration::from_millis(5);
/// How long another server is given to remove a dead one, which takes it no time: who only says so must not keep us.
const REPLACING: Duration = Duration::from_secs(2);

/// The file of a socket that we have made. Dropping it takes it away, unless another is there by now.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Option<Identity>,
}

/// Which file it is, whatever its name: for as long as its socket is open, no other has this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(file: &fs::Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }

    fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|file| Self::of(&file))
    }
}

impl SocketFile {
    /// Where it is, from the root on.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn is_there(&self) -> bool {
        self.identity.is_some() && Identity::at(&self.path) == self.identity
    }

    /// Sets who may connect. By its descriptor where the system has one for that: a link that somebody has put into its place
    /// would lead to another file.
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let found = fs::symlink_metadata(&self.path)?;
        if !found.file_type().is_socket() || Some(Identity::of(&found)) != self.identity {
            return Err(taken_away());
        }
        let permissions = fs::Permissions::from_mode(mode);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use std::os::{fd::AsRawFd, unix::fs::OpenOptionsExt};

            /// `O_PATH` on all architectures but Alpha, PA-RISC and SPARC, where the socket cannot be opened then.
            const PATH: i32 = 0o10_000_000;
            if let Ok(file) = fs::File::options().read(true).custom_flags(PATH).open(&self.path) {
                if Some(Identity::of(&file.metadata()?)) != self.identity {
                    return Err(taken_away());
                }
                match fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), permissions.clone())
                {
                    // There is no `/proc`.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    set => return set,
                }
            }
        }
        fs::set_permissions(&self.path, permissions)
    }
}

fn taken_away() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another has put something into its place meanwhile")
}

/// Listens at `path`.
///
/// # Errors
/// Where something is there that is not a socket that nobody listens on, or the system refuses.
pub(crate) fn bind(path: &Path, settings: &SocketSettings) -> io::Result<(UnixListener, SocketFile)> {
    bind_patiently(path, settings, BIRTH)
}

fn bind_patiently(
    path: &Path,
    settings: &SocketSettings,
    birth: Duration,
) -> io::Result<(UnixListener, SocketFile)> {
    // It would end the path for the system, or begin the name of an abstract socket.
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path has no zero byte"));
    }
    // The process may be elsewhere when it is taken away.
    let absolute = path::absolute(path)?;
    // A socket's path is short, 107 bytes on Linux: one that is given from here on may be, where the whole is not.
    let address = SockAddr::unix(&absolute).or_else(|_| SockAddr::unix(path))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_dead(&absolute, &address, birth)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    let file = SocketFile { identity: Identity::at(&absolute), path: absolute };
    // Before it listens: until then nobody can connect, whatever the umask lets through.
    if let Some(mode) = settings.unix_mode {
        file.set_mode(mode)?;
    }
    socket.listen(settings.backlog)?;
    // From here on it is seen to be alive.
    if !file.is_there() {
        return Err(taken_away());
    }
    Ok((socket.into(), file))
}

/// Removes a socket that nobody listens on: what a process has left behind that could not clean up.
fn remove_dead(path: &Path, address: &SockAddr, birth: Duration) -> io::Result<()> {
    let error = |kind, text: &str| Err(io::Error::new(kind, text));
    // The one that is refused, and since when, as far as we know.
    let mut refused: Option<(Stamp, Instant)> = None;
    // Since when another is about to remove it.
    let mut left_to_another: Option<Instant> = None;
    loop {
        let found = match fs::symlink_metadata(path) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        if !found.file_type().is_socket() {
            return error(io::ErrorKind::AlreadyExists, "there is something that is no socket");
        }
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Who listens and has a full queue would have it wait.
        probe.set_nonblocking(true)?;
        match probe.connect(address) {
            Err(dead) if dead.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(unknown) if unknown.kind() != io::ErrorKind::WouldBlock => {
                let text = format!("whether somebody listens there cannot be told: {unknown}");
                return Err(io::Error::new(unknown.kind(), text));
            }
            _ => return error(io::ErrorKind::AddrInUse, "somebody listens there"),
        }
        let stamp = Stamp::of(&found);
        let since = match refused {
            Some((known, since)) if known == stamp => since,
            _ => Instant::now(),
        };
        refused = Some((stamp, since));
        // One from the future, by a clock that was set, is as young as can be.
        let age = found.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if since.elapsed() >= birth || age.is_some_and(|age| age >= birth) {
            let claim = claim(stamp);
            let mut has_waited = || left_to_another.get_or_insert_with(Instant::now).elapsed() >= REPLACING;
            if claim.is_ok() || has_waited() {
                return take_away(path, stamp);
            }
        }
        thread::sleep(RETRY);
    }
}

/// Which file it is, also after its socket was closed: the numbers of inodes are given again. It stays when its permissions
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    identity: Identity,
    made: (i64, i64),
}

impl Stamp {
    fn of(file: &fs::Metadata) -> Self {
        Self { identity: Identity::of(file), made: (file.mtime(), file.mtime_nsec()) }
    }
}

/// Another has it.
#[derive(Debug)]
struct Claimed;

/// The right to remove this dead file, which one server has at a time: of two that have found it, the second would remove
/// what the first has put there. It is a name in the abstract namespace, which goes with the process, however that ends, and
/// leaves nothing in a folder. `None` where there is no such namespace, or none for us: they are not kept apart there.
fn claim(dead: Stamp) -> Result<Option<Socket>, Claimed> {
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return Ok(None);
    }
    let Stamp { identity: Identity { device, inode }, made: (seconds, nanos) } = dead;
    let name = format!("\0trijet-replaces-{device}-{inode}-{seconds}.{nanos}");
    let bind = |claim: Socket| claim.bind(&SockAddr::unix(name)?).map(|()| claim);
    match Socket::new(Domain::UNIX, Type::STREAM, None).and_then(bind) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Claimed),
        claim => Ok(claim.ok()),
    }
}

/// Removes the dead file of this stamp, unless another has come into its place.
fn take_away(path: &Path, dead: Stamp) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|file| Stamp::of(&file) == dead) {
        log::info!("{} was left behind by a server that is gone: it is replaced", path.display());
        fs::remove_file(path)?;
    }
    Ok(())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_there() {
            log::debug!("{} is no longer the file of this server", self.path.display());
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{
        os::unix::net::{UnixDatagram, UnixStream},
        process,
        sync::{Arc, Barrier},
    };

    use super::*;

    /// A folder of the test's own, empty.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("trijet-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder
    }

    fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
        bind(path, &SocketSettings::default())
    }

    #[test]
    fn only_a_dead_socket_is_replaced() {
        let folder = folder("dead");
        let path = folder.join("socket");
        let (alive, file) = listen(&path).unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        UnixStream::connect(&path).unwrap();
        // As if its process had been killed: the file stays, and nobody listens.
        let kept = folder.join("kept");
        fs::hard_link(&path, &kept).unwrap();
        drop((alive, file));
        fs::rename(&kept, &path).unwrap();
        let (again, file) = listen(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop((file, again));
        assert!(!path.exists());

        for (what, make) in [
            ("a file", (|path| fs::write(path, "kept")) as fn(&Path) -> io::Result<()>),
            ("a folder", |path| fs::create_dir(path)),
            ("a link", |path| std::os::unix::fs::symlink("nowhere", path)),
            ("another kind of socket", |path| UnixDatagram::bind(path).map(std::mem::forget)),
        ] {
            let path = folder.join(what);
            make(&path).unwrap();
            assert!(listen(&path).is_err(), "{what}");
            assert!(fs::symlink_metadata(&path).is_ok(), "{what} is still there");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn of_servers_that_start_at_once_one_listens_and_is_reached() {
        let folder = folder("race");
        for (round, is_dead) in (0..100).zip([false, true].into_iter().cycle()) {
            // The dead ones are made at first, so that most are old by their turn.
            if round == 0 {
                (0..100).filter(|round| round % 2 == 1).for_each(|round| {
                    drop(UnixListener::bind(folder.join(format!("{round}"))).unwrap());
                });
            }
            let path = folder.join(format!("{round}"));
            assert_eq!(path.exists(), is_dead);
            let barrier = Arc::new(Barrier::new(4));
            let starts = [(); 4].map(|()| {
                let (path, barrier) = (path.clone(), barrier.clone());
                thread::spawn(move || {
                    barrier.wait();
                    listen(&path)
                })
            });
            let starts = starts.map(|start| start.join().unwrap());
            let errors: Vec<_> = starts.iter().filter_map(|start| start.as_ref().err()).collect();
            assert_eq!(errors.len(), 3, "round {round}: {errors:?}");
            assert!(errors.iter().all(|error| error.kind() == io::ErrorKind::AddrInUse), "{errors:?}");
            let client = UnixStream::connect(&path).unwrap();
            starts.iter().flatten().next().unwrap().0.accept().unwrap();
            drop((client, starts));
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn one_that_is_bound_and_about_to_listen_is_waited_for() {
        let folder = folder("birth");
        let path = folder.join("socket");
        let born = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        born.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        let other = path.clone();
        let late = Duration::from_secs(600);
        let second =
            thread::spawn(move || bind_patiently(&other, &SocketSettings::default(), late).map(drop));
        // Time for it to find a socket that refuses; where it has not begun by then, this shows less.
        thread::sleep(Duration::from_millis(50));
        born.listen(1).unwrap();
        assert_eq!(second.join().unwrap().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        UnixStream::connect(&path).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_has_come_into_the_place_of_a_dead_one_stays() {
        let folder = folder("place");
        let path = folder.join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let dead = Stamp::of(&fs::symlink_metadata(&path).unwrap());
        // Not removed, so that its inode is not given again.
        fs::rename(&path, folder.join("dead")).unwrap();
        let alive = UnixListener::bind(&path).unwrap();
        let claimed = claim(dead).unwrap();
        assert_eq!(claim(dead).is_err(), claimed.is_some(), "one at a time");
        take_away(&path, dead).unwrap();
        drop(claimed);
        claim(dead).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(alive);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn who_has_lost_its_file_before_it_listens_is_told_so() {
        let folder = folder("lost");
        let path = folder.join("socket");
        let (_kept, file) = listen(&path).unwrap();
        assert!(file.is_there() && file.set_mode(0o600).is_ok());
        fs::rename(&path, folder.join("own")).unwrap();
        assert!(!file.is_there() && file.set_mode(0o600).is_err(), "there is none");
        fs::write(folder.join("secret"), "").unwrap();
        let before = fs::metadata(folder.join("secret")).unwrap().mode();
        std::os::unix::fs::symlink("secret", &path).unwrap();
        assert!(!file.is_there() && file.set_mode(0o111).is_err(), "there is a link");
        assert_eq!(fs::metadata(folder.join("secret")).unwrap().mode(), before);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_path_with_a_zero_byte_is_refused() {
        let folder = folder("zero");
        for path in [PathBuf::from("\0trijet-abstract"), folder.join("a\0b")] {
            let error = listen(&path).unwrap_err();
            assert!(error.to_string().contains("zero byte"), "{error}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn one_that_is_full_is_alive() {
        let folder = folder("full");
        let path = folder.join("socket");
        let (listener, file) =
            bind(&path, &SocketSettings { backlog: 0, ..SocketSettings::default() }).unwrap();
        let connect = || {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            client.set_nonblocking(true)?;
            client.connect(&SockAddr::unix(&path)?).map(|()| client)
        };
        let queued: Vec<_> = std::iter::from_fn(|| connect().ok()).take(1000).collect();
        assert!(queued.len() < 1000, "it was never full");
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((queued, listener, file));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_permissions_are_those_of_the_settings() {
        let folder = folder("mode");
        let path = folder.join("socket");
        for mode in [0o600, 0o660, 0o777] {
            let settings = SocketSettings { unix_mode: Some(mode), ..SocketSettings::default() };
            let kept = bind(&path, &settings).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
            drop(kept);
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_another_server_has_put_there_stays() {
        let folder = folder("other");
        let path = folder.join("socket");
        let first = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen(&path).unwrap();
        drop(first);
        let client = thread::spawn(move || UnixStream::connect(&path).map(drop));
        second.0.accept().unwrap();
        client.join().unwrap().unwrap();
        drop(second);
        fs::remove_dir_all(&folder).unwrap();
    }
}
