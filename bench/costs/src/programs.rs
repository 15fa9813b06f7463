//! How large a hello world is on each backend alone, stripped: whatever a program has of the library, it has once more for
//! each unit of compilation that may need it, and grows by it unseen. It must never run one.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::plan::BACKENDS;

/// The growth that is no fault yet: what the compiler does otherwise after a change of no size is less.
const GROWTH_MAX: f64 = 0.02;

/// Their bytes, by backend. They are built beside this program.
pub fn sizes() -> io::Result<BTreeMap<String, u64>> {
    let target = target_folder()?;
    let size = |backend: &&str| {
        let program = build(backend, &target)?;
        Ok(((*backend).to_owned(), fs::metadata(program)?.len()))
    };
    BACKENDS.iter().map(size).collect()
}

/// What has grown too much, and what shrank so much that it could grow again unseen.
pub fn judge(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> io::Result<[Vec<String>; 2]> {
    let (mut grown, mut shrunk) = (Vec::new(), Vec::new());
    for (backend, &new) in new {
        let lacks = || io::Error::other(format!("the baseline has no program on {backend}: write it anew"));
        let (old, new) = (*old.get(backend).ok_or_else(lacks)? as f64, new as f64);
        let text = || {
            let growth = 100.0 * (new - old) / old;
            format!("a hello world on {backend}: {old} bytes became {new} ({growth:+.1} %)")
        };
        if new > old * (1.0 + GROWTH_MAX) {
            grown.push(text());
        } else if new < old * (1.0 - GROWTH_MAX) {
            shrunk.push(text());
        }
    }
    Ok([grown, shrunk])
}

/// Gives the program, wherever cargo has put it.
fn build(backend: &str, target: &Path) -> io::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--locked", "--config", "profile.release.strip=true"]);
    cargo.args(["-p", "hello-trijet", "--no-default-features", "--features", backend]);
    cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(target);
    cargo.arg("--message-format=json-render-diagnostics");
    let built = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let program = program_of(&built.stdout).filter(|_| built.status.success());
    program.ok_or_else(|| {
        io::Error::other(format!("a hello world on {backend} could not be built: {}", built.status))
    })
}

/// What cargo tells that it has built.
fn program_of(messages: &[u8]) -> Option<PathBuf> {
    let messages = serde_json::Deserializer::from_slice(messages).into_iter::<serde_json::Value>();
    messages.map_while(Result::ok).find_map(|message| Some(message["executable"].as_str()?.into()))
}

/// Two folders above this program, as cargo has it.
fn target_folder() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).map(Path::to_owned);
    folder.ok_or_else(|| io::Error::other("this program is in no folder of cargo's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_where_cargo_says() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
            {"reason":"compiler-artifact","executable":"/a/b/hello"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(program_of(messages), Some("/a/b/hello".into()));
        assert_eq!(program_of(b"{\"reason\":\"build-finished\"}"), None);
    }

    #[test]
    fn a_fiftieth_is_let_through_and_more_is_named() {
        let of = |bytes| BTreeMap::from([("mio".to_owned(), bytes)]);
        let judged = |new| judge(&of(1_000_000), &of(new)).unwrap();
        assert_eq!(judged(1_020_000), [Vec::<String>::new(), Vec::new()]);
        assert_eq!(judged(980_000), [Vec::<String>::new(), Vec::new()]);
        let text = "a hello world on mio: 1000000 bytes became 1020001 (+2.0 %)".to_owned();
        assert_eq!(judged(1_020_001), [vec![text], vec![]]);
        assert_eq!(judged(979_999)[1].len(), 1);
        assert!(judge(&BTreeMap::new(), &of(1)).is_err());
    }
}
