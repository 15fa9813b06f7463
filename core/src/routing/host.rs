//! Hosts: which routes a request's host has. The port plays no part, and upper case is lower case. A host that
//! cannot be one of these must cost no more than a look at its length.

use std::borrow::Cow;

use super::{Numbers, Table, table::Tables};

/// What finds the table of a host that is asked.
pub(super) trait ByHost: Send + Sync {
    /// What a host has, with or without a port: written out, or else by the longest `*.` that covers it.
    fn find(&self, authority: &str) -> Option<&Table>;
}

/// How hosts are compiled. [`Router::host`](super::Router::host) hands it over: a program without hosts has none of this.
pub(super) struct Means {
    /// A pattern as hosts are compared, or what is wrong with it.
    pub(super) checked: fn(&str) -> Result<String, String>,
    /// Of patterns that were let through, each once.
    pub(super) collected: fn(Tables) -> Box<dyn ByHost>,
}

impl Means {
    pub(super) const ALL: &Self = &Self {
        checked,
        collected: |tables| {
            let mut hosts = Hosts::new();
            tables.into_iter().for_each(|(host, table)| hosts.insert(&host, table));
            Box::new(hosts)
        },
    };
}

impl ByHost for Hosts<Table> {
    fn find(&self, authority: &str) -> Option<&Table> {
        self.find(authority)
    }
}

/// What is looked up by host: `T` is the table of routes.
struct Hosts<T> {
    /// The numbers of their tables.
    exact: Numbers,
    /// By what follows `*.`.
    below: Numbers,
    tables: Vec<T>,
    /// The length of the longest of these: what is longer is none of them.
    below_bytes_max: usize,
}

/// The longest name that there can be (RFC 1035 §2.3.4), with a dot at its end.
const HOST_BYTES_MAX: usize = 254;

impl<T> Hosts<T> {
    fn new() -> Self {
        Self { exact: Numbers::new(), below: Numbers::new(), tables: Vec::new(), below_bytes_max: 0 }
    }

    /// Adds a host that [`checked`] has let through, once.
    fn insert(&mut self, host: &str, table: T) {
        let (numbers, name) = match host.strip_prefix("*.") {
            Some(parent) => {
                self.below_bytes_max = self.below_bytes_max.max(parent.len());
                (&mut self.below, parent)
            }
            None => (&mut self.exact, host),
        };
        numbers.insert(name.to_owned(), self.tables.len());
        self.tables.push(table);
    }

    fn find(&self, authority: &str) -> Option<&T> {
        let host = without_port(authority);
        if host.len() > HOST_BYTES_MAX {
            return None;
        }
        // RFC 3986 §3.2.2: hosts are case-insensitive, and a dot at the end says that nothing is left out.
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = match (address(host), host.bytes().any(|byte| byte.is_ascii_uppercase())) {
            (Some(address), _) => Cow::Owned(format!("[{address}]")),
            (None, true) => Cow::Owned(host.to_ascii_lowercase()),
            (None, false) => Cow::Borrowed(host),
        };
        if let Some(number) = self.exact.get(&*host) {
            return self.tables.get(*number);
        }
        let mut rest = &*host;
        while let Some((label, parent)) = rest.split_once('.').filter(|_| !self.below.is_empty()) {
            if label.is_empty() {
                return None;
            }
            if parent.len() <= self.below_bytes_max {
                if let Some(number) = self.below.get(parent) {
                    return self.tables.get(*number);
                }
            }
            rest = parent;
        }
        None
    }
}

/// The host of `uri-host [ ":" port ]`.
fn without_port(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').map_or(authority, |end| &authority[..end + 2]),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// The IPv6 address that `host` is: it can be written in many ways, and is compared in that of RFC 5952.
fn address(host: &str) -> Option<std::net::Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn checked(pattern: &str) -> Result<String, String> {
    let host = pattern.to_ascii_lowercase();
    let name = host.strip_prefix("*.").unwrap_or(&host);
    if name.contains('*') {
        return Err("`*` stands for the first labels of a host, as in `*.example.org`".into());
    }
    if name.starts_with('[') && name.ends_with(']') {
        return match address(&host) {
            Some(address) => Ok(format!("[{address}]")),
            None => Err("this is no IPv6 address".into()),
        };
    }
    if name.contains(':') {
        return Err("a host is given without its port".into());
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.len() >= HOST_BYTES_MAX || !name.split('.').all(is_label) {
        return Err("a host is labels of letters, digits and dashes, with dots between them: other scripts are written \
                    in their ASCII form, `xn--…`"
            .into());
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_host_wins_whatever_its_port_and_case() {
        let mut hosts = Hosts::new();
        for host in
            ["example.org", "api.example.org", "*.example.org", "*.eu.example.org", "[0::1]", "127.0.0.1"]
        {
            hosts.insert(&checked(host).unwrap(), host);
        }
        let rows = [
            ("example.org", Some("example.org")),
            ("EXAMPLE.org:8080", Some("example.org")),
            ("example.org.", Some("example.org")),
            ("example.org.:80", Some("example.org")),
            ("api.example.org:", Some("api.example.org")),
            ("www.example.org", Some("*.example.org")),
            ("a.b.example.org", Some("*.example.org")),
            ("a.eu.example.org", Some("*.eu.example.org")),
            ("eu.example.org", Some("*.example.org")),
            ("xexample.org", None),
            (".example.org", None),
            ("a..example.org", None),
            ("example.org..", None),
            ("example.com", None),
            ("*.example.org", Some("*.example.org")),
            ("org", None),
            ("", None),
            (":80", None),
            ("[::1]:80", Some("[0::1]")),
            ("[::1]", Some("[0::1]")),
            ("[0:0::0001]", Some("[0::1]")),
            ("[::0.0.0.1]:80", Some("[0::1]")),
            ("[::2]", None),
            ("a.b.c.d.example.org", Some("*.example.org")),
            ("a.b.c.d.example.com", None),
            ("[::1", None),
            ("127.0.0.1:1", Some("127.0.0.1")),
            ("localhost", None),
        ];
        for (authority, expected) in rows {
            assert_eq!(hosts.find(authority).copied(), expected, "{authority}");
        }
        let long = "a.".repeat(4096) + "example.org";
        assert_eq!(hosts.find(&long), None);
    }

    #[test]
    fn what_is_no_host_is_named() {
        let rows = [
            ("", "labels"),
            ("*", "`*` stands for"),
            ("*.*.org", "`*` stands for"),
            ("api.*", "`*` stands for"),
            ("example.org:80", "without its port"),
            ("http://example.org", "without its port"),
            ("example.org/", "labels"),
            ("example.org.", "labels"),
            ("*.", "labels"),
            ("a..b", "labels"),
            ("bücher.example", "xn--"),
            ("[::1]:80", "without its port"),
            ("[x]", "no IPv6 address"),
            ("*.[::1]", "no IPv6 address"),
        ];
        for (pattern, expected) in rows {
            let fault = checked(pattern).unwrap_err();
            assert!(fault.contains(expected), "{pattern}: {fault}");
        }
        assert_eq!(checked("API.Example.org").unwrap(), "api.example.org");
    }
}
