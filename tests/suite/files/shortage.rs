//! A process that has no descriptor left for a file.

use std::{fs::File, os::unix::fs::symlink};

use trijet::{Backend, Router, files::Files};

use super::Site;
use crate::common::{log_lines::LogLines, server::start};

in_children_on_every_backend!("ulimit -n 128": without_a_descriptor_it_is_later);

fn without_a_descriptor_it_is_later(on: Backend) {
    let lines = LogLines::collect();
    let site = Site::new();
    site.write("file", "there").write("index.html", "<p>page").write("bare/file", "x");
    symlink("file", site.root().join("bare/link")).unwrap();
    let app = Router::new().fallback(Files::dir(site.root()).precompressed().listing());
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/file").says("there");
    // Root, file; root, folder, index; and of a listing: root, folder, the folder as it is read, the link that is
    // followed.
    for (path, needed) in [("/file", 2), ("/", 3), ("/nothing", 2), ("/bare/", 4)] {
        let before = client.get(path);
        for left in 0..=needed {
            let mut taken: Vec<File> = (0..128).map_while(|_| File::open("/dev/null").ok()).collect();
            assert!(taken.len() < 128);
            taken.truncate(taken.len() - left);
            let answer = client.get(path);
            drop(taken);
            if left < needed {
                assert_eq!(
                    (answer.status, answer.header("retry-after")),
                    (503, Some("1")),
                    "{path}, {left} left"
                );
            } else {
                // Nothing is left out of a page.
                assert_eq!((answer.status, answer.body), (before.status, before.body.clone()), "{path}");
            }
        }
    }
    // One a second, and this takes no longer than a few.
    let told = lines.take().iter().filter(|line| line.contains("a file could not be sent now")).count();
    assert!((1..=5).contains(&told), "{told} lines");
}
