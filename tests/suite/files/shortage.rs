//! A process that has no descriptor left for a file.

use std::fs::File;

use trijet::{Backend, Router, files::Files};

use super::Site;
use crate::common::server::start;

in_children_on_every_backend!("ulimit -n 128": without_a_descriptor_it_is_later);

fn without_a_descriptor_it_is_later(on: Backend) {
    let site = Site::new();
    site.write("file", "there").write("index.html", "<p>page");
    let app = Router::new().fallback(Files::dir(site.root()).precompressed().listing());
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/file").says("there");
    for left in [0, 1] {
        let mut taken: Vec<File> = (0..128).map_while(|_| File::open("/dev/null").ok()).collect();
        assert!(taken.len() < 128);
        // With one, it is the root that is opened, and nothing in it.
        taken.truncate(taken.len() - left);
        for path in ["/file", "/", "/nothing"] {
            let refused = client.get(path).with_status(503);
            assert_eq!(refused.header("retry-after"), Some("1"), "{path}, {left} left");
        }
        drop(taken);
        client.get("/file").says("there");
        client.get("/nothing").with_status(404);
    }
}
