//! Paths that are to lead where they should not. A canary lies outside of the root and under names that are not served;
//! no answer may hold it.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, mknodat, openat2};
use trijet::{Backend, Router, StatusCode, files::Files, get};

use super::{CANARY, Site, with};
use crate::common::{client::get as request, server::start};

on_every_backend!(
    hostile_paths,
    hostile_paths_of_a_single_page,
    a_guarded_route_beside_a_wider_folder,
    links_inside_the_root,
    dot_files_that_are_asked_for,
    a_link_that_changes_while_it_is_read
);

/// Two dots, or what some decoder makes them of; and what is answered where they are a segment, where an empty one is
/// behind them, where they begin a name, and where they begin one in another spelling than ours.
const DOTS: [(&str, [u16; 4]); 16] = [
    ("..", [400, 400, 404, 404]),
    ("%2e%2e", [400, 400, 404, 404]),
    ("%2E%2E", [400, 400, 404, 404]),
    (".%2e", [400, 400, 404, 404]),
    ("%2e.", [400, 400, 404, 404]),
    ("%252e%252e", [404, 404, 404, 307]),
    ("%25252e%25252e", [404, 404, 404, 307]),
    ("%c0%ae%c0%ae", [400, 400, 400, 400]),
    ("%e0%80%ae%e0%80%ae", [400, 400, 400, 400]),
    ("%f0%80%80%ae%f0%80%80%ae", [400, 400, 400, 400]),
    ("%ef%bc%8e%ef%bc%8e", [307, 404, 307, 307]),
    ("%e2%80%a5", [307, 404, 307, 307]),
    ("..%00", [400, 400, 400, 400]),
    ("..;", [404, 404, 404, 404]),
    ("..%20", [404, 404, 404, 404]),
    ("%uff0e%uff0e", [400, 400, 400, 400]),
];

/// A slash, or the like; and which of the columns above it makes. None is one where whatever is before it is refused.
const SLASHES: [(&str, Option<usize>); 13] = [
    ("/", Some(0)),
    ("%2f", None),
    ("%2F", None),
    ("\\", None),
    ("%5c", None),
    ("%252f", Some(2)),
    ("%255c", Some(2)),
    ("%c0%af", None),
    ("%e0%80%af", None),
    ("%c1%9c", None),
    ("%ef%bc%8f", Some(3)),
    ("//", Some(1)),
    ("/./", None),
];

/// All other ways that come to mind.
const OTHERS: &[(&str, u16)] = &[
    // The ends of names.
    ("canary.txt%00", 400),
    ("index.html%00", 400),
    ("index.html%00.jpg", 400),
    ("%00", 400),
    ("%00/../canary.txt", 400),
    ("index.html%0a", 400),
    ("index.html%0d%0aset-cookie:%20canary=1", 400),
    ("%7f", 400),
    ("%01", 400),
    ("index.html/", 404),
    ("index.html/.", 400),
    ("index.html/..", 400),
    ("index.html/x", 404),
    ("index.html/../../canary.txt", 400),
    ("index.html/%2e%2e/%2e%2e/canary.txt", 400),
    ("index.html%20", 404),
    ("index.html.", 404),
    ("index.html%2e", 307),
    ("index.html;jsessionid=1", 404),
    ("index.html%3fa", 307),
    ("index.html%23a", 404),
    ("index.html~", 404),
    ("index.html::$DATA", 404),
    ("index.html:stream", 404),
    // Dots.
    ("...", 404),
    ("..../canary.txt", 404),
    (".../.../canary.txt", 404),
    ("./index.html", 400),
    ("%2e/index.html", 400),
    ("sub/./index.html", 400),
    ("sub/%2e/index.html", 400),
    ("sub/..", 400),
    ("sub/../index.html", 400),
    ("sub/../", 400),
    ("sub/%2e%2e/index.html", 400),
    ("sub/../../canary.txt", 400),
    ("sub/..%2f..%2fcanary.txt", 400),
    ("sub/..%5c..%5ccanary.txt", 400),
    ("nothing/../../canary.txt", 400),
    ("../root/index.html", 400),
    ("%2e%2e/root/index.html", 400),
    // Absolute paths.
    ("/etc/passwd", 404),
    ("//etc/passwd", 404),
    ("///etc/passwd", 404),
    ("%2fetc%2fpasswd", 400),
    ("%2Fetc/passwd", 400),
    ("%5cetc%5cpasswd", 400),
    ("\\etc\\passwd", 400),
    ("file:///etc/passwd", 404),
    ("file:%2f%2f%2fetc%2fpasswd", 400),
    ("sub//index.html", 404),
    ("sub///index.html", 404),
    ("sub//", 404),
    ("/", 404),
    ("//", 404),
    ("%2f", 400),
    ("%2f%2f", 400),
    // Drives, shares and devices.
    ("C:", 404),
    ("C:/Windows/win.ini", 404),
    ("c%3a/canary.txt", 404),
    ("C:%5cWindows%5cwin.ini", 400),
    ("C:canary.txt", 404),
    ("z:", 404),
    ("%5c%5cserver%5cshare", 400),
    ("\\\\server\\share", 400),
    ("//server/share", 404),
    ("%5c%5c%3f%5cC:%5ccanary.txt", 400),
    ("CON", 404),
    ("con", 404),
    ("con.txt", 404),
    ("CON.tar.gz", 404),
    ("NUL", 404),
    ("nul", 404),
    ("nul.txt", 404),
    ("nul%20.txt", 404),
    ("AUX", 404),
    ("aux.h", 404),
    ("PRN", 404),
    ("COM1", 404),
    ("com1.txt", 404),
    ("COM9:", 404),
    ("com%C2%B9", 404),
    ("LPT1", 404),
    ("lpt9.log", 404),
    ("CONIN$", 404),
    ("CONOUT$", 404),
    ("sub/con", 404),
    ("con/file", 404),
    // Names that begin with a dot.
    (".env", 404),
    ("%2eenv", 404),
    (".git/config", 404),
    ("%2Egit/config", 404),
    (".git/", 404),
    ("sub/.secret", 404),
    ("sub/%2esecret", 404),
    (".hidden/file.txt", 404),
    // Links, and what is no file.
    ("link", 404),
    ("link/", 404),
    ("link-absolute", 404),
    ("link-up", 404),
    ("link-up/", 404),
    ("link-up/canary.txt", 404),
    ("link-up/outside/canary.txt", 404),
    ("link-folder", 404),
    ("link-folder/", 404),
    ("link-folder/canary.txt", 404),
    ("link-twice", 404),
    ("sub/link", 404),
    ("sub/link-up/canary.txt", 404),
    ("link-in-and-out", 404),
    ("link-absolute-inside", 404),
    ("link-out-and-in", 404),
    ("circle", 404),
    ("circle/canary.txt", 404),
    ("broken", 404),
    ("process/environ", 404),
    ("process/cwd/canary.txt", 404),
    ("process/root/etc/passwd", 404),
    ("fifo", 404),
    ("fifo/", 404),
    ("socket", 404),
    ("zero", 404),
    ("terminal", 404),
    // Bytes that are no UTF-8, and escapes that are none.
    ("%ff", 400),
    ("%fe%ff", 400),
    ("%c3%28", 400),
    ("%ed%a0%80", 400),
    ("%f4%90%80%80", 400),
    ("%80canary.txt", 400),
    ("%", 400),
    ("%1", 400),
    ("%zz", 400),
    ("%u002e%u002e/canary.txt", 400),
    ("index.html%", 400),
    ("{path}", 307),
    ("~", 404),
    ("~root/canary.txt", 404),
    ("$HOME/canary.txt", 404),
    ("*", 404),
    ("%2a", 307),
    ("index.%68tml%2f", 400),
];

/// Those that are too long to be written out.
fn long() -> Vec<(String, u16)> {
    vec![
        ("a".repeat(255), 404),
        ("a".repeat(256), 404),
        ("a".repeat(5000), 404),
        ("%61".repeat(80), 307),
        ("%61".repeat(2000), 404),
        ("a/".repeat(3000), 404),
        ("sub/".repeat(1500), 404),
        (format!("{}canary.txt", "../".repeat(1000)), 400),
        (format!("{}canary.txt", "%2e%2e/".repeat(1000)), 400),
        (format!("{}canary.txt", "sub/../".repeat(500)), 400),
        (format!("sub/{}canary.txt", "../".repeat(50)), 400),
        (format!("{}index.html", "/".repeat(4000)), 404),
        (format!("{}index.html", "./".repeat(2000)), 400),
        ("%c3%a4".repeat(127), 307),
        ("%c3%a4".repeat(128), 404),
        (format!("index.html{}", "%00".repeat(1000)), 400),
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
    // They end inside, and have left the root on the way.
    symlink(root.join("sub/index.html"), root.join("link-absolute-inside")).unwrap();
    link("../root/sub/index.html", "link-out-and-in");
    link("circle", "circle");
    link("nowhere", "broken");
    link("/proc/self", "process");
    link("/dev/zero", "zero");
    link("/dev/tty", "terminal");
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    drop(UnixListener::bind(root.join("socket")).unwrap());
    site
}

fn table() -> Vec<(String, u16)> {
    let mut table = long();
    table.extend(OTHERS.iter().map(|&(path, status)| (path.to_owned(), status)));
    for (dots, columns) in DOTS {
        for (slash, column) in SLASHES {
            let status = column.map_or(400, |column| columns[column]);
            table.push((format!("{dots}{slash}canary.txt"), status));
            table.push((format!("sub/{dots}{slash}{dots}{slash}canary.txt"), status));
        }
    }
    table
}

/// Whatever path is none of a file's leads to the index, and to no other file.
fn hostile_paths_of_a_single_page(on: Backend) {
    let site = site();
    let app = Router::new().fallback(Files::dir(site.root()).single_page().precompressed());
    let server = start(on, app);
    let mut client = server.connect();
    let mut pages = 0;
    for (path, status) in table() {
        let answer = client.send(with(&format!("/{path}"), "sec-fetch-mode: navigate\r\n")).response();
        match answer.status {
            200 => {
                assert_eq!(answer.text(), "root", "{path}");
                pages += 1;
            }
            refused => assert_eq!(refused, status, "{path}"),
        }
        if answer.closes() {
            client = server.connect();
        }
    }
    assert!(pages > 100, "{pages}");
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
    let mut client = server.connect();
    for prefix in ["/nest/", "/route/", "/"] {
        for (path, status) in &table {
            let target = format!("{prefix}{path}");
            let answer = client.send(request(&target)).response();
            assert_eq!(answer.status, *status, "{target}: {answer:?}");
            // To another spelling of the same path, in which there is nothing either.
            let location = answer.header("location").map(str::to_owned);
            assert_eq!(location.is_some(), *status == 307, "{target}: {answer:?}");
            let seen = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            assert!(!seen.contains(CANARY) && !seen.contains("set-cookie"), "{target}: {seen}");
            assert!(
                !seen.contains("root:") && !seen.contains(&*site.0.to_string_lossy()),
                "{target}: {seen}"
            );
            if answer.closes() {
                client = server.connect();
            }
            if let Some(location) = location {
                assert!(location.starts_with(prefix) && !location.starts_with("//"), "{target}: {location}");
                client.get(&location).with_status(404);
            }
        }
    }
    // They are served still.
    client.get("/nest/index.html").says("root");
    client.get("/route/sub/index.html").says("sub");
    client.get("/sub/").says("sub");
}

/// There is no way around a guard by another spelling of its path.
fn a_guarded_route_beside_a_wider_folder(on: Backend) {
    async fn guard(_: trijet::Request, _: trijet::Next) -> StatusCode {
        StatusCode::FORBIDDEN
    }
    const NAMES: [&str; 4] = ["secret.txt", "it's @home,(1)", "[1]|^{}", "ä~%41"];
    let site = Site::new();
    for name in NAMES {
        site.write(&format!("private/{name}"), CANARY).write(&format!("nest/deep/{name}"), CANARY);
    }
    site.write("open.txt", "open");
    let private = Router::new()
        .route("/private/secret.txt", get(async || StatusCode::FORBIDDEN))
        .route("/private/it's%20@home,(1)", get(async || StatusCode::FORBIDDEN))
        .route("/private/%5B1%5D%7C%5E%7B%7D", get(async || StatusCode::FORBIDDEN))
        .route("/private/%C3%A4~%2541", get(async || StatusCode::FORBIDDEN));
    let folder = Files::dir(site.root());
    let app = private
        .nest("/nest/deep", Files::dir(site.root().join("nest/deep")).into_router().wrap(guard))
        .route("/all/{*path}", get(folder.clone()))
        .fallback(folder.listing().single_page());
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/open.txt").says("open");
    // As many spellings as there are by escaping one character or all, in both cases, or leaving them as they are.
    let escaped = |name: &str, which: &dyn Fn(usize) -> bool, is_small: bool| -> String {
        let escape = |byte: u8| if is_small { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
        let byte = |(index, byte): (usize, u8)| {
            let must = !byte.is_ascii_graphic() || byte == b'%';
            if must || which(index) { escape(byte) } else { char::from(byte).to_string() }
        };
        name.bytes().enumerate().map(byte).collect()
    };
    let (mut refused, mut moved) = (0, 0);
    for (prefix, name) in NAMES.iter().flat_map(|name| [("private/", name), ("nest/deep/", name)]) {
        let path = format!("{prefix}{name}");
        for is_small in [false, true] {
            let mut spellings = vec![escaped(&path, &|_| false, is_small)];
            spellings.extend((0..path.len()).map(|one| escaped(&path, &|index| index == one, is_small)));
            for spelling in spellings {
                let mut target = format!("/{spelling}");
                let mut answer = client.get(&target);
                if answer.status == 307 {
                    moved += 1;
                    target = answer.header("location").unwrap().to_owned();
                    answer = client.get(&target);
                }
                let seen = String::from_utf8_lossy(&answer.body);
                assert!(!seen.contains(CANARY), "/{spelling}: {answer:?}");
                // An escaped slash is no slash.
                assert!(matches!(answer.status, 403 | 400), "/{spelling}, then {target}: {answer:?}");
                refused += usize::from(answer.status == 403);
            }
        }
    }
    assert!(refused > 100 && moved > 100, "{refused} {moved}");
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
