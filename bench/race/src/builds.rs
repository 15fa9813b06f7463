//! What it takes to build a hello world: the processor time of a release build into an empty folder, and the stripped
//! program. It must never reuse what was built before, nor count a download.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use kit::machine::look;

use crate::{
    results::{Build, Builds},
    versions,
};

/// Each name, its package, and the features. Beside the default backend, as one line of `Cargo.toml` adds another, and
/// alone, as an application has it that pins one.
const HELLOS: [(&str, &str, &[&str]); 8] = [
    ("trijet-threaded", "trijet", &[]),
    ("trijet-mio", "trijet", &["--features", "mio"]),
    ("trijet-mio alone", "trijet", &["--no-default-features", "--features", "mio"]),
    ("trijet-tokio", "trijet", &["--features", "tokio"]),
    ("trijet-tokio alone", "trijet", &["--no-default-features", "--features", "tokio"]),
    ("hyper", "hyper", &[]),
    ("axum", "axum", &[]),
    ("tiny_http", "tiny_http", &[]),
];

/// Builds them all.
pub fn measure() -> io::Result<Builds> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    run(cargo().args(["fetch", "--quiet", "--locked", "--manifest-path"]).arg(&manifest))?;
    let mut builds = Builds { machine: look()?, builds: Vec::new() };
    for (name, package, features) in HELLOS {
        let folder = Folder(env::temp_dir().join(format!("race-build-{}", std::process::id())));
        let mut command = cargo();
        command.args(["build", "--release", "--locked", "--config", "profile.release.strip=true"]);
        command.args(["-p", &format!("hello-{package}")]).args(features);
        command.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(&folder.0);
        let before = children_seconds()?;
        let said = run(&mut command)?;
        let cpu_s = children_seconds()? - before;
        let program = folder.0.join("release").join(format!("hello-{package}"));
        let build = Build {
            name: name.to_owned(),
            version: versions::of(package).unwrap_or_default(),
            cpu_s,
            packages: said.lines().filter(|line| line.trim_start().starts_with("Compiling")).count(),
            program_bytes: fs::metadata(program)?.len(),
        };
        println!("{:18} {:6.1} s of processor, {} bytes", build.name, build.cpu_s, build.program_bytes);
        builds.builds.push(build);
    }
    Ok(builds)
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What it says on its standard error.
fn run(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(text) } else { Err(io::Error::other(text)) }
}

/// The processor time of all that was started here and has ended.
fn children_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, and may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // cutime and cstime, the fields 16 and 17, in hundredths of a second.
    let ticks: u64 = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

/// Files that are removed in the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
