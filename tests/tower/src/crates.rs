//! Which layers the crates have, read from their source: so that a version with one more is noticed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// Those that have no row. The page says why.
pub(crate) const UNTRIED: &[(&str, &str)] = &[
    ("tower", "BoxCloneServiceLayer"),
    ("tower", "BoxCloneSyncServiceLayer"),
    ("tower", "BoxLayer"),
    ("tower", "Either"),
    ("tower", "MakeBalanceLayer"),
    ("tower", "ServiceBuilder"),
    ("tower", "SpawnReadyLayer"),
    ("tower-http", "AddAuthorizationLayer"),
    ("tower-http", "FollowRedirectLayer"),
];

/// The names of all types that are a `Layer`, of the versions that this workspace has.
pub(crate) fn layers() -> BTreeMap<&'static str, BTreeSet<String>> {
    ["tower", "tower-http"]
        .into_iter()
        .zip(sources(["tower", "tower-http"]))
        .map(|(name, folder)| {
            let mut found = BTreeSet::new();
            read(Path::new(&folder), &mut found);
            assert!(found.len() > 10, "{name}: {found:?}");
            (name, found)
        })
        .collect()
}

/// The folders of the crates of these names. Crates of other platforms are left out, since a build here fetches none.
fn sources<const N: usize>(names: [&str; N]) -> [String; N] {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", "host-tuple", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    names.map(|name| {
        let of_name = packages.iter().filter(|package| package["name"] == name);
        let folders: Vec<&str> = of_name
            .filter_map(|package| package["manifest_path"].as_str()?.strip_suffix("Cargo.toml"))
            .collect();
        let [folder] = folders[..] else { panic!("there is one version of {name}: {folders:?}") };
        format!("{folder}src")
    })
}

fn read(place: &Path, found: &mut BTreeSet<String>) {
    if place.is_dir() {
        let entries = fs::read_dir(place).expect("a folder of the source");
        return entries.for_each(|entry| read(&entry.expect("an entry").path(), found));
    }
    let text = fs::read_to_string(place).expect("source is text");
    // Not those of the crate's own tests, nor of examples in its documentation.
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join(" ");
    for item in code.split("impl").skip(1).filter_map(|rest| rest.split('{').next()) {
        let Some((is_trait, name)) = item.split_once(" for ") else { continue };
        if is_trait.contains(" Layer<") || is_trait.contains("::Layer<") {
            let end = name.trim_start().find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            found.insert(name.trim_start()[..end].to_owned());
        }
    }
}
