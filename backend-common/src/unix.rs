//! The file of a Unix socket: made where nothing is or a dead one lies, and taken away with the server. One that somebody
//! listens on, or that is no socket, is never touched.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{self, Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};
use trijet_core::SocketSettings;

/// The file of a socket that we have made. Dropping it takes it away, unless another is there by now.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

/// Listens at `path`.
///
/// # Errors
/// Where something is there that is not a socket that nobody listens on, or the system refuses.
pub(crate) fn bind(path: &Path, settings: &SocketSettings) -> io::Result<(UnixListener, SocketFile)> {
    // The process may be elsewhere when it is taken away.
    let path = path::absolute(path)?;
    let address = SockAddr::unix(&path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_dead(&path, &address)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    let file = SocketFile { identity: fs::symlink_metadata(&path).ok().map(|file| identity(&file)), path };
    // Before it listens: until then nobody can connect, whatever the umask lets through.
    if let Some(mode) = settings.unix_mode {
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode))?;
    }
    socket.listen(settings.backlog)?;
    Ok((socket.into(), file))
}

/// Removes a socket that nobody listens on: what a process has left behind that could not clean up.
fn remove_dead(path: &Path, address: &SockAddr) -> io::Result<()> {
    let error = |kind, text: &str| Err(io::Error::new(kind, text));
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
    let is_same = fs::symlink_metadata(path).is_ok_and(|file| identity(&file) == identity(&found));
    if is_same {
        log::info!("{} was left behind by a server that is gone: it is replaced", path.display());
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Which file it is, whatever its name.
fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).ok().map(|file| identity(&file));
        if found.is_none() || found != self.identity {
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
        process, thread,
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
