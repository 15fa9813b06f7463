//! Tells the program which compiler made it: instruction counts of another are not to be compared. It must never look
//! at anything else.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let rustc = env::var_os("RUSTC").expect("cargo names the compiler");
    let output = Command::new(rustc).arg("--version").output().expect("the compiler runs");
    println!("cargo::rustc-env=COSTS_RUSTC={}", String::from_utf8_lossy(&output.stdout).trim());
}
