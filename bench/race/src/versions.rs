//! The versions of what races: those of the lockfile. It must never guess one.

use std::collections::BTreeMap;

use crate::{
    nginx,
    servers::{Program, Server},
};

const LOCKFILE: &str = include_str!("../../Cargo.lock");

/// The version of a package in the lockfile; the newest, where it has several.
pub fn of(package: &str) -> Option<String> {
    let name = format!("name = {package:?}");
    let versions = LOCKFILE.split("[[package]]").filter(|entry| entry.lines().any(|line| line == name));
    let version = |entry: &str| {
        let version = entry.lines().find_map(|line| line.strip_prefix("version = "))?;
        Some(version.trim_matches('"').to_owned())
    };
    // They stand in their order.
    versions.filter_map(version).last()
}

/// Those of some servers.
pub fn of_servers(servers: &[&'static Server]) -> BTreeMap<String, String> {
    let version = |server: &Server| match (server.program, server.library) {
        (Program::Nginx, _) => nginx::version().ok(),
        (_, Some(package)) => of(package),
        (_, None) => None,
    };
    servers.iter().filter_map(|server| Some((server.name.to_owned(), version(server)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers;

    #[test]
    fn every_library_is_in_the_lockfile() {
        for library in servers::ALL.iter().filter_map(|server| server.library) {
            assert!(of(library).is_some_and(|version| version.contains('.')), "{library}");
        }
        assert_eq!(of("no-such-package"), None);
        // The lockfile has hyper 0.10 too, for Iron.
        assert!(of("hyper").unwrap().starts_with("1."));
    }
}
