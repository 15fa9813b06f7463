//! The example as its users run it: a process on each backend that is compiled in, asked over a socket, stopped by SIGINT.

#[allow(dead_code, reason = "that of the other examples, of which this test takes a part")]
#[path = "../../../tests/examples/process.rs"]
mod process;

use std::path::Path;

use process::Process;
use trijet::Backend;

#[test]
fn on_each_backend() {
    for backend in Backend::compiled() {
        let program = Path::new(env!("CARGO_BIN_EXE_axum-on-threads"));
        let process = Process::start(program, backend.name(), &[] as &[(&str, &str)]);
        let mut client = process.connect();
        let hello = client.get("/");
        assert_eq!((hello.status, hello.text()), (200, "Hello from axum!"));
        assert_eq!(hello.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(hello.header("access-control-allow-origin"), Some("*"));
        for (prefix, id) in [("", 1), ("/v1", 2)] {
            let notes = format!("{prefix}/notes");
            let added = client.ask("POST", &notes, "application/json", br#"{"text":"a note"}"#);
            assert_eq!((added.status, added.text()), (201, &*format!(r#"{{"id":{id},"text":"a note"}}"#)));
            assert_eq!(client.get(&format!("{notes}/{id}")).text(), added.text());
            assert_eq!(client.get(&format!("{notes}/9")).status, 404);
            assert_eq!(client.get(&format!("{notes}?contains=else")).text(), "[]");
            assert_eq!(client.ask("POST", &notes, "application/json", b"{").status, 400);
            assert_eq!(client.get(&format!("{prefix}/who")).text(), "127.0.0.1");
        }
        assert_eq!(client.get("/blocking").text(), "a plain fn");
        assert_eq!(client.get("/v1").text(), "Hello from axum!");
        assert_eq!(client.get("/none").status, 404);
        process.interrupt();
    }
}

#[test]
fn the_readme_shows_lines_of_it() {
    let readme = include_str!("../../../README.md");
    let section = readme.split_once("\n## axum and tower\n").expect("a section of this name").1;
    let block = section.split("```").nth(1).expect("a block");
    let program = include_str!("../src/main.rs");
    for line in block.lines().skip(1).map(str::trim) {
        assert!(program.lines().any(|own| own.trim() == line), "{line}");
    }
}
