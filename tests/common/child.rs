//! A test in a process of its own: its figures (descriptors, threads, memory), limits and signals are not
//! those of other tests. The process is the same binary, told to run this one test.

use std::{env, process::Command};

const CHILD: &str = "TRIJET_TEST_CHILD";

/// Runs `test`, whose name libtest knows as `module::name`, in a child, after `setting` in its shell.
pub(crate) fn run(module: &str, name: &str, setting: &str, test: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        return test();
    }
    let path = module.split_once("::").map_or("", |(_binary, path)| path);
    let child = Command::new("sh")
        .args(["-c", &format!("{setting}\nexec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("{path}::{name}"), "--test-threads", "1", "--nocapture"])
        .env(CHILD, "1")
        // Memory that glibc keeps for later is not held: it gives back at once what is freed.
        .envs([
            ("MALLOC_ARENA_MAX", "1"),
            ("MALLOC_TRIM_THRESHOLD_", "131072"),
            ("MALLOC_MMAP_THRESHOLD_", "32768"),
            // The first backtrace loads the symbols of the whole program, and keeps them.
            ("RUST_BACKTRACE", "0"),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    let last: String = errors.chars().skip(errors.chars().count().saturating_sub(8_000)).collect();
    assert!(child.status.success() && text.contains("1 passed"), "{}\n{text}{last}", child.status);
}
