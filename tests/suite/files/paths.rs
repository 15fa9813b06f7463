//! Paths that are to lead where they should not. A canary lies outside of the root and under names that are not served;
//! no answer may hold it.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, mknodat, openat2};
use trijet::{Backend, Router, files::Files, get};

use super::{CANARY, Site};
use crate::common::{client::get as request, server::start};

on_every_backend!(
    hostile_paths,
    links_inside_the_root,
    dot_files_that_are_asked_for,
    a_link_that_changes_while_it_is_read
);

/// Two dots, or what some decoder makes them of.
const DOTS: [&str; 16] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "%25252e%25252e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%f0%80%80%ae%f0%80%80%ae",
    "%ef%bc%8e%ef%bc%8e",
    "%e2%80%a5",
    "..%00",
    "..;",
    "..%20",
    "%uff0e%uff0e",
];

/// A slash, or the like.
const SLASHES: [&str; 13] = [
    "/",
    "%2f",
    "%2F",
    "\\",
    "%5c",
    "%252f",
    "%255c",
    "%c0%af",
    "%e0%80%af",
    "%c1%9c",
    "%ef%bc%8f",
    "//",
    "/./",
];

/// All other ways that come to mind.
const OTHERS: &[&str] = &[
    // The ends of names.
    "canary.txt%00",
    "index.html%00",
    "index.html%00.jpg",
    "%00",
    "%00/../canary.txt",
    "index.html%0a",
    "index.html%0d%0aset-cookie:%20canary=1",
    "%7f",
    "%01",
    "index.html/",
    "index.html/.",
    "index.html/..",
    "index.html/x",
    "index.html/../../canary.txt",
    "index.html/%2e%2e/%2e%2e/canary.txt",
    "index.html%20",
    "index.html.",
    "index.html%2e",
    "index.html;jsessionid=1",
    "index.html%3fa",
    "index.html%23a",
    "index.html~",
    "index.html::$DATA",
    "index.html:stream",
    // Dots.
    "...",
    "..../canary.txt",
    ".../.../canary.txt",
    "./index.html",
    "%2e/index.html",
    "sub/./index.html",
    "sub/%2e/index.html",
    "sub/..",
    "sub/../index.html",
    "sub/../",
    "sub/%2e%2e/index.html",
    "sub/../../canary.txt",
    "sub/..%2f..%2fcanary.txt",
    "sub/..%5c..%5ccanary.txt",
    "nothing/../../canary.txt",
    "../root/index.html",
    "%2e%2e/root/index.html",
    // Absolute paths.
    "/etc/passwd",
    "//etc/passwd",
    "///etc/passwd",
    "%2fetc%2fpasswd",
    "%2Fetc/passwd",
    "%5cetc%5cpasswd",
    "\\etc\\passwd",
    "file:///etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
    "sub//index.html",
    "sub///index.html",
    "sub//",
    "/",
    "//",
    "%2f",
    "%2f%2f",
    // Drives, shares and devices.
    "C:",
    "C:/Windows/win.ini",
    "c%3a/canary.txt",
    "C:%5cWindows%5cwin.ini",
    "C:canary.txt",
    "z:",
    "%5c%5cserver%5cshare",
    "\\\\server\\share",
    "//server/share",
    "%5c%5c%3f%5cC:%5ccanary.txt",
    "CON",
    "con",
    "con.txt",
    "CON.tar.gz",
    "NUL",
    "nul",
    "nul.txt",
    "nul%20.txt",
    "AUX",
    "aux.h",
    "PRN",
    "COM1",
    "com1.txt",
    "COM9:",
    "com%C2%B9",
    "LPT1",
    "lpt9.log",
    "CONIN$",
    "CONOUT$",
    "sub/con",
    "con/file",
    // Names that begin with a dot.
    ".env",
    "%2eenv",
    ".git/config",
    "%2Egit/config",
    ".git/",
    "sub/.secret",
    "sub/%2esecret",
    ".hidden/file.txt",
    // Links, and what is no file.
    "link",
    "link/",
    "link-absolute",
    "link-up",
    "link-up/",
    "link-up/canary.txt",
    "link-up/outside/canary.txt",
    "link-folder",
    "link-folder/",
    "link-folder/canary.txt",
    "link-twice",
    "sub/link",
    "sub/link-up/canary.txt",
    "link-in-and-out",
    "circle",
    "circle/canary.txt",
    "broken",
    "process/environ",
    "process/cwd/canary.txt",
    "process/root/etc/passwd",
    "fifo",
    "fifo/",
    "socket",
    "zero",
    "terminal",
    // Bytes that are no UTF-8, and escapes that are none.
    "%ff",
    "%fe%ff",
    "%c3%28",
    "%ed%a0%80",
    "%f4%90%80%80",
    "%80canary.txt",
    "%",
    "%1",
    "%zz",
    "%u002e%u002e/canary.txt",
    "index.html%",
    "{path}",
    "~",
    "~root/canary.txt",
    "$HOME/canary.txt",
    "*",
    "%2a",
    "index.%68tml%2f",
];

/// Those that are too long to be written out.
fn long() -> Vec<String> {
    vec![
        "a".repeat(255),
        "a".repeat(256),
        "a".repeat(5000),
        "%61".repeat(2000),
        "a/".repeat(3000),
        "sub/".repeat(1500),
        format!("{}canary.txt", "../".repeat(1000)),
        format!("{}canary.txt", "%2e%2e/".repeat(1000)),
        format!("{}canary.txt", "sub/../".repeat(500)),
        format!("sub/{}canary.txt", "../".repeat(50)),
        format!("{}index.html", "/".repeat(4000)),
        format!("{}index.html", "./".repeat(2000)),
        "%c3%a4".repeat(128),
        format!("index.html{}", "%00".repeat(1000)),
    ]
}

fn site() -> Site {
    let site = Site::new();
    site.write("index.html", "root").write("sub/index.html", "sub");
    // They are there, and not served.
    for name in [
        ".env",
        ".git/config",
        "sub/.secret",
        ".hidden/file.txt",
        "CON",
        "con.txt",
        "nul.txt",
        "aux.h",
        "COM1",
        "lpt9.log",
        "sub/con",
        "C:",
        "C:canary.txt",
        "nul .txt",
        "index.html\\",
        "..\\canary.txt",
        "\\etc\\passwd",
    ] {
        site.write(name, CANARY);
    }
    let root = site.root();
    let link = |target: &str, name: &str| symlink(target, root.join(name)).unwrap();
    link("../canary.txt", "link");
    symlink(site.0.join("canary.txt"), root.join("link-absolute")).unwrap();
    link("..", "link-up");
    link("../outside", "link-folder");
    link("link", "link-twice");
    link("../../canary.txt", "sub/link");
    link("../..", "sub/link-up");
    link("../root/../canary.txt", "link-in-and-out");
    link("circle", "circle");
    link("nowhere", "broken");
    link("/proc/self", "process");
    link("/dev/zero", "zero");
    link("/dev/tty", "terminal");
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    drop(UnixListener::bind(root.join("socket")).unwrap());
    site
}

fn table() -> Vec<String> {
    let products = DOTS.iter().flat_map(|dots| {
        SLASHES.iter().flat_map(move |slash| {
            [format!("{dots}{slash}canary.txt"), format!("sub/{dots}{slash}{dots}{slash}canary.txt")]
        })
    });
    products.chain(OTHERS.iter().map(|&path| path.to_owned())).chain(long()).collect()
}

fn hostile_paths(on: Backend) {
    let site = site();
    let files = Files::dir(site.root()).listing().precompressed();
    let app = Router::new()
        .nest("/nest", files.clone().into_router())
        .route("/route/{*path}", get(files.clone()))
        .fallback(files);
    let server = start(on, app);
    let table = table();
    assert!(table.len() >= 150, "{}", table.len());
    let mut client = server.connect();
    for prefix in ["/nest/", "/route/", "/"] {
        for path in &table {
            let target = format!("{prefix}{path}");
            let answer = client.send(request(&target)).response();
            assert!(matches!(answer.status, 400 | 404 | 414), "{target}: {answer:?}");
            let seen = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            assert!(!seen.contains(CANARY) && !seen.contains("set-cookie"), "{target}: {seen}");
            assert!(
                !seen.contains("root:") && !seen.contains(&*site.0.to_string_lossy()),
                "{target}: {seen}"
            );
            if answer.closes() {
                client = server.connect();
            }
        }
    }
    // They are served still.
    client.get("/nest/index.html").says("root");
    client.get("/route/sub/index.html").says("sub");
    client.get("/sub/").says("sub");
}

/// Where the kernel can check them as it opens, which a sandbox may refuse: else none is followed.
fn links_inside_the_root(on: Backend) {
    let site = site();
    let root = site.root();
    symlink("sub/index.html", root.join("inner")).unwrap();
    symlink("sub", root.join("inner-folder")).unwrap();
    symlink("../index.html", root.join("sub/up")).unwrap();
    let probe = openat2(CWD, "/", OFlags::RDONLY, Mode::empty(), ResolveFlags::empty());
    let status = if probe.is_ok() { 200 } else { 404 };
    let server = start(on, Router::new().fallback(Files::dir(&root)));
    let mut client = server.connect();
    for (path, content) in [("/inner", "sub"), ("/inner-folder/index.html", "sub"), ("/sub/up", "root")] {
        let answer = client.get(path).with_status(status);
        assert!(status == 404 || answer.text() == content, "{path}");
    }
    client.get("/link").with_status(404);
}

fn dot_files_that_are_asked_for(on: Backend) {
    let site = site();
    site.write(".well-known/x", "known");
    let server = start(on, Router::new().fallback(Files::dir(site.root()).dot_files()));
    let mut client = server.connect();
    client.get("/.well-known/x").says("known");
    for path in ["/../canary.txt", "/%2e%2e/canary.txt", "/.", "/..", "/./index.html"] {
        client.get(path).with_status(400);
    }
    client.get("/...").with_status(404);
}

/// Between a check and a use there is no moment in which a link could be put in place of a file.
fn a_link_that_changes_while_it_is_read(on: Backend) {
    let site = site();
    let root = site.root();
    let [file, next] = ["file", "next"].map(|name| root.join(name));
    fs::hard_link(root.join("index.html"), &file).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                symlink("../canary.txt", &next).and_then(|()| fs::rename(&next, &file)).unwrap();
                fs::hard_link(root.join("index.html"), &next)
                    .and_then(|()| fs::rename(&next, &file))
                    .unwrap();
            }
        });
        let server = start(on, Router::new().fallback(Files::dir(&root)));
        let mut client = server.connect();
        let (mut served, mut refused) = (0, 0);
        let mut others = Vec::new();
        // Until both have been met, each a few times.
        while others.is_empty() && (served < 20 || refused < 20) {
            let answer = client.get("/file");
            match (answer.status, answer.text()) {
                (200, "root") => served += 1,
                (404, _) => refused += 1,
                // The kernel has met a rename under way, each time.
                (503, _) => {}
                _ => others.push(answer),
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(others.is_empty(), "{others:?}");
    });
}
