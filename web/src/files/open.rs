//! Opening: from a checked path to an open file or folder, or to nothing. It never opens what lies outside the root, and
//! never waits for a FIFO or a device.
//!
//! The kernel resolves a path and opens it in one call, so there is no moment between a check and a use.
//! What was opened is looked at through its descriptor.

use std::{fs::File, io, path::Path};

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{Source, state::State};

/// What a path has led to.
pub(super) enum Opened {
    File(File, State),
    Folder(OwnedFd),
}

/// Why it has led to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing is there that may be served.
    NotFound,
    /// The process or the system has no descriptor or memory left, or the file is being changed: later.
    Busy(io::Error),
    Failed(io::Error),
}

/// Not to wait for a writer or a line: it has no effect on regular files. A terminal does not become the process's own.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// To look names up in; to read it is not needed.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The folder that is served.
pub(super) struct Root(OwnedFd);

impl Root {
    /// Links in `path` are followed: it is the app's own.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        rustix::fs::open(path, FOLDER, Mode::empty()).map(Self).map_err(fault)
    }

    /// Opens `name`, whose segments are checked names.
    pub(super) fn look_up(&self, name: &str) -> Result<Opened, Fault> {
        let name = if name.is_empty() { "." } else { name };
        match beneath(self.0.as_fd(), name, READ) {
            // A folder that may not be read can have an index all the same. A file is not opened in this way.
            Err(Errno::ACCESS) => match beneath(self.0.as_fd(), name, FOLDER) {
                Err(Errno::NOTDIR) => Err(fault(Errno::ACCESS)),
                folder => folder.map(Opened::Folder).map_err(fault),
            },
            found => opened(found.map_err(fault)?),
        }
    }
}

/// Opens a file by the app's own path.
pub(super) fn open(path: &Path) -> Result<Opened, Fault> {
    opened(rustix::fs::open(path, READ, Mode::empty()).map_err(fault)?)
}

/// Says at start what would be a 404 later.
pub(super) fn is_there(source: &Source) -> Result<(), String> {
    let (path, is_folder) = match source {
        Source::Folder(path) => (path, true),
        Source::File(path) => (path, false),
    };
    let kind = if is_folder { "folder" } else { "file" };
    // By the very calls of later.
    let found = if is_folder {
        rustix::fs::open(path, FOLDER, Mode::empty()).and_then(|root| beneath(root.as_fd(), ".", FOLDER))
    } else {
        rustix::fs::open(path, READ, Mode::empty())
    };
    let is_of_kind = match found {
        Ok(_) if is_folder => true,
        Ok(found) => matches!(opened(found), Ok(Opened::File(..))),
        // What else is no folder is told in the same words.
        Err(Errno::NOTDIR | Errno::NXIO) if path.exists() => false,
        Err(error) => {
            return Err(format!(
                "the {kind} {} cannot be served: {}",
                path.display(),
                io::Error::from(error)
            ));
        }
    };
    if is_of_kind { Ok(()) } else { Err(format!("{} is no {kind}", path.display())) }
}

fn opened(descriptor: OwnedFd) -> Result<Opened, Fault> {
    let file = File::from(descriptor);
    // Of the descriptor, not of the path: another file may be there by now.
    let metadata = file.metadata().map_err(Fault::Failed)?;
    match metadata.file_type() {
        kind if kind.is_file() => Ok(Opened::File(file, State::of(&metadata))),
        kind if kind.is_dir() => Ok(Opened::Folder(file.into())),
        _ => Err(Fault::NotFound),
    }
}

/// A rename or a link that changes while a path with links is resolved makes the kernel ask for another try.
#[cfg(target_os = "linux")]
const TRIES: usize = 8;

#[cfg(target_os = "linux")]
fn beneath(root: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;

    // openat2(2): no link, `..` or mount of /proc leads out of the root.
    let resolve = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
    for _ in 1..TRIES {
        match rustix::fs::openat2(root, name, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Before Linux 5.6, and in sandboxes that do not know the call.
            Err(Errno::NOSYS | Errno::PERM) => return without_links(root, name, flags),
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(not(target_os = "linux"))]
fn beneath(root: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    without_links(root, name, flags)
}

/// One segment after the other, none of which may be a link.
fn without_links(root: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut folder: Option<OwnedFd> = None;
    let mut rest = name;
    loop {
        let within = folder.as_ref().map_or(root, AsFd::as_fd);
        match rest.split_once('/') {
            Some((segment, behind)) => {
                let on_the_way = FOLDER.union(OFlags::NOFOLLOW);
                folder = Some(rustix::fs::openat(within, segment, on_the_way, Mode::empty())?);
                rest = behind;
            }
            None => return rustix::fs::openat(within, rest, flags.union(OFlags::NOFOLLOW), Mode::empty()),
        }
    }
}

pub(super) fn fault(error: Errno) -> Fault {
    match error {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR => Fault::Busy(error.into()),
        // A link that leaves the root (XDEV) or leads in a circle (LOOP), a name behind a file, a socket (NXIO).
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::XDEV
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::NODEV
        | Errno::INVAL
        | Errno::ACCESS
        | Errno::PERM => {
            if matches!(error, Errno::ACCESS | Errno::PERM) {
                log::debug!("a file that was asked for cannot be read: {error}");
            }
            Fault::NotFound
        }
        other => Fault::Failed(other.into()),
    }
}

// Of systems that have FIFOs by this call, and `/proc`.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        fs,
        io::Read,
        os::unix::fs::symlink,
        path::PathBuf,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;

    /// A folder `root` with files, links, and a secret beside it.
    struct Tree(PathBuf);

    impl Tree {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("trijet-open-{}-{count}", std::process::id()));
            let root = path.join("root");
            fs::create_dir_all(root.join("sub")).unwrap();
            fs::write(path.join("secret"), "secret").unwrap();
            fs::write(root.join("sub/file"), "file").unwrap();
            symlink("sub/file", root.join("inner")).unwrap();
            symlink("sub", root.join("inner-folder")).unwrap();
            symlink("../secret", root.join("outer")).unwrap();
            symlink("..", root.join("outer-folder")).unwrap();
            symlink(path.join("secret"), root.join("absolute")).unwrap();
            symlink(root.join("sub/file"), root.join("absolute-inside")).unwrap();
            symlink("../root/sub/file", root.join("out-and-in")).unwrap();
            symlink("sub/../../root/sub/file", root.join("in-out-and-in")).unwrap();
            symlink("circle", root.join("circle")).unwrap();
            symlink("/proc/self/root", root.join("magic")).unwrap();
            let fifo = root.join("fifo");
            rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
            Self(path)
        }

        fn root(&self) -> Root {
            Root::open(&self.0.join("root")).unwrap()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn text(opened: Result<Opened, Fault>) -> Option<String> {
        match opened {
            Ok(Opened::File(mut file, _)) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                Some(text)
            }
            Ok(Opened::Folder(_)) => Some("a folder".into()),
            Err(Fault::NotFound) => None,
            Err(other) => panic!("{other:?}"),
        }
    }

    const OUTSIDE: [&str; 11] = [
        "outer",
        "outer-folder",
        "outer-folder/secret",
        "absolute",
        // They end inside the root, and have left it on the way.
        "absolute-inside",
        "out-and-in",
        "in-out-and-in",
        "circle",
        "magic/etc/passwd",
        "sub/file/x",
        "fifo",
    ];

    #[test]
    fn links_are_followed_inside_the_root_alone() {
        let tree = Tree::new();
        let root = tree.root();
        assert_eq!(text(root.look_up("sub/file")).as_deref(), Some("file"));
        assert_eq!(text(root.look_up("")).as_deref(), Some("a folder"));
        for name in OUTSIDE {
            assert_eq!(text(root.look_up(name)), None, "{name}");
        }
    }

    /// Where the kernel has it: a sandbox may refuse the call.
    #[test]
    fn links_inside_the_root() {
        let tree = Tree::new();
        let root = tree.root();
        let probe = rustix::fs::openat2(&root.0, ".", READ, Mode::empty(), rustix::fs::ResolveFlags::BENEATH);
        let expected = probe.is_ok().then_some("file");
        for name in ["inner", "inner-folder/file"] {
            assert_eq!(text(root.look_up(name)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn without_the_kernels_help_no_link_is_followed() {
        let tree = Tree::new();
        let root = tree.root();
        let look_up = |name| text(without_links(root.0.as_fd(), name, READ).map_err(fault).and_then(opened));
        assert_eq!(look_up("sub/file").as_deref(), Some("file"));
        assert_eq!(look_up(".").as_deref(), Some("a folder"));
        for name in OUTSIDE.into_iter().chain(["inner", "inner-folder/file"]) {
            assert_eq!(look_up(name), None, "{name}");
        }
    }

    /// Runs `call` as one who has no right but those of everybody.
    fn as_nobody<R: Send>(call: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                if rustix::process::geteuid().is_root() {
                    let nobody = rustix::process::Uid::from_raw(65_534);
                    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
                }
                call()
            });
            thread.join().unwrap()
        })
    }

    #[test]
    fn a_folder_that_may_not_be_read_is_a_folder() {
        use std::os::unix::fs::PermissionsExt;

        let tree = Tree::new();
        let path = tree.0.join("root");
        let set = |name: &str, mode| {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        // Its owner may not read it either: where the tests run as a user, that is who looks.
        set("sub", 0o311);
        let root = tree.root();
        as_nobody(|| {
            assert_eq!(text(root.look_up("sub")).as_deref(), Some("a folder"));
            assert_eq!(text(root.look_up("sub/file")).as_deref(), Some("file"));
        });
        set("sub/file", 0o200);
        as_nobody(|| assert_eq!(text(root.look_up("sub/file")), None));
        // Nor may it be looked in.
        set("sub", 0o600);
        as_nobody(|| {
            assert_eq!(text(root.look_up("sub/file")), None);
            let told = is_there(&Source::Folder(path.join("sub"))).unwrap_err();
            assert!(told.contains("cannot be served: Permission denied"), "{told}");
        });
        set("sub", 0o711);
        as_nobody(|| {
            assert_eq!(is_there(&Source::Folder(path.join("sub"))), Ok(()));
            let told = is_there(&Source::File(path.join("sub/file"))).unwrap_err();
            assert!(told.contains("cannot be served: Permission denied"), "{told}");
        });
        set("sub", 0o755);
    }

    #[test]
    fn what_is_missing_is_told() {
        let tree = Tree::new();
        let (root, file) = (tree.0.join("root"), tree.0.join("secret"));
        assert_eq!(is_there(&Source::Folder(root.clone())), Ok(()));
        assert_eq!(is_there(&Source::File(file.clone())), Ok(()));
        assert!(is_there(&Source::Folder(file)).unwrap_err().ends_with("secret is no folder"));
        assert!(is_there(&Source::File(root.clone())).unwrap_err().ends_with("root is no file"));
        let missing = is_there(&Source::Folder(root.join("x"))).unwrap_err();
        assert!(missing.starts_with("the folder /") && missing.contains(" cannot be served: No such file"));
    }
}
