//! Other frameworks, built when they are asked for. One that cannot be built is left out, with the reason.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A program that serves with the number of threads that it is told.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    pub program: PathBuf,
}

/// Builds the packages `peer-NAME`: those that could be, and why the others could not.
pub fn build(names: &[&str]) -> io::Result<(Vec<Peer>, Vec<String>)> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let own = env::current_exe()?;
    // Where this program was built, the others are.
    let target = own.ancestors().nth(2).ok_or(io::ErrorKind::NotFound)?;
    let (mut peers, mut left_out) = (Vec::new(), Vec::new());
    for name in names {
        println!("building {name}");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--quiet", "-p"]).arg(format!("peer-{name}"));
        command.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(target);
        let output = command.stdin(Stdio::null()).output()?;
        if output.status.success() {
            let program = target.join("release").join(format!("peer-{name}"));
            peers.push(Peer { name: (*name).to_owned(), program });
        } else {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let first = text.lines().find(|line| line.starts_with("error")).unwrap_or("no reason given");
            left_out.push(format!("{name} is left out, as it cannot be built: {first}"));
        }
    }
    left_out.iter().for_each(|reason| println!("{reason}"));
    Ok((peers, left_out))
}
