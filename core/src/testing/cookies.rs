//! The cookies that a test client keeps, as a browser does (RFC 6265, and its successor 6265bis as browsers have it).
//! It knows no clock: whoever asks says what time it is.

use std::time::{Duration, SystemTime};

use super::cookie_date;

/// RFC 6265bis §5.5: no cookie is kept for longer.
const AGE_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// RFC 6265bis §5.6: the most bytes of name and value.
const PAIR_BYTES_MAX: usize = 4096;
/// RFC 6265bis §5.6: the most bytes of an attribute's value. A longer one is as good as none.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// The cookies of one client.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    /// For that host alone, and none below it.
    is_host_only: bool,
    path: Vec<u8>,
    end: End,
}

/// When it is over.
#[derive(Clone, Copy, Debug)]
enum End {
    /// With the client.
    Never,
    /// Once so much time has passed for the client.
    Elapsed(Duration),
    Date(SystemTime),
}

/// The time, as the client has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) elapsed: Duration,
    pub(super) date: SystemTime,
}

impl End {
    fn is_over(self, now: Now) -> bool {
        match self {
            Self::Never => false,
            Self::Elapsed(at) => at <= now.elapsed,
            Self::Date(at) => at <= now.date,
        }
    }
}

/// What the attributes of a cookie say; the last of a name counts.
#[derive(Default)]
struct Attributes<'f> {
    expires: Option<SystemTime>,
    /// `None` within: it is over at once.
    max_age: Option<Option<Duration>>,
    domain: Option<&'f [u8]>,
    path: Option<&'f [u8]>,
    is_secure: bool,
    is_for_other_sites: bool,
}

impl Jar {
    /// Takes what a `Set-Cookie` field says, of a response from `host` to a request for `path`. What a browser ignores is
    /// ignored.
    pub(super) fn receive(&mut self, field: &[u8], host: &str, path: &str, now: Now) {
        // RFC 6265bis §5.6: no control characters but the tab.
        if field.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return;
        }
        let mut parts = field.split(|byte| *byte == b';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = match split(pair, b'=') {
            Some((name, value)) => (name.trim_ascii(), value.trim_ascii()),
            // RFC 6265bis §5.6: one without a name.
            None => (&b""[..], pair.trim_ascii()),
        };
        let is_empty = name.is_empty() && value.is_empty();
        if is_empty || name.len() + value.len() > PAIR_BYTES_MAX {
            return;
        }
        let attributes = attributes(parts);
        // RFC 6265bis §5.7: one that other sites' requests are to have is secure.
        if attributes.is_for_other_sites && !attributes.is_secure {
            return;
        }
        let host = canonical(host);
        let Some(domain) = domain(attributes.domain, &host) else { return };
        let is_host_only = domain.is_none();
        // RFC 6265 §5.2.4.
        let path = match attributes.path {
            Some(path) if path.starts_with(b"/") => path,
            _ => default_path(path.as_bytes()),
        };
        // RFC 6265bis §5.4: such names promise something, also as the value of a cookie without a name.
        let begins = |prefix: &[u8]| {
            let of = if name.is_empty() { value } else { name };
            of.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
        };
        let is_host = begins(b"__Host-");
        let is_promise = is_host || begins(b"__Secure-");
        let is_of_all = attributes.domain.is_none_or(<[u8]>::is_empty) && attributes.path == Some(b"/");
        if is_promise && (name.is_empty() || !attributes.is_secure || is_host && !is_of_all) {
            return;
        }
        self.keep(Kept {
            name: name.to_vec(),
            value: value.to_vec(),
            domain: domain.unwrap_or(host),
            is_host_only,
            path: path.to_vec(),
            end: end(&attributes, now),
        });
        self.forget(now);
    }

    /// RFC 6265 §5.3, step 11: it takes the place of the one that it replaces.
    fn keep(&mut self, cookie: Kept) {
        let is_same = |other: &&mut Kept| {
            (&other.name, &other.domain, other.is_host_only, &other.path)
                == (&cookie.name, &cookie.domain, cookie.is_host_only, &cookie.path)
        };
        match self.0.iter_mut().find(is_same) {
            Some(same) => *same = cookie,
            None => self.0.push(cookie),
        }
    }

    fn forget(&mut self, now: Now) {
        self.0.retain(|cookie| !cookie.end.is_over(now));
    }

    /// What the `Cookie` field of a request says (RFC 6265 §5.4); `None` where there is nothing to say.
    ///
    /// `Secure` ones are sent too: browsers trust `localhost` as they trust TLS, and an app is tested as it is configured.
    pub(super) fn field(&mut self, host: &str, path: &str, now: Now) -> Option<Vec<u8>> {
        self.forget(now);
        let host = canonical(host);
        let mut sent: Vec<&Kept> =
            self.0.iter().filter(|cookie| cookie.is_for(&host, path.as_bytes())).collect();
        // Longer paths first, then the older ones: those are in order already.
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<Vec<u8>> = sent
            .iter()
            .map(|cookie| match cookie.name.is_empty() {
                true => cookie.value.clone(),
                false => [&*cookie.name, &*cookie.value].join(&b'='),
            })
            .collect();
        (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
    }

    /// The value of the cookie of this name; of several, the one with the longest path.
    pub(super) fn value(&mut self, name: &str, now: Now) -> Option<String> {
        self.forget(now);
        let named = self.0.iter().filter(|cookie| cookie.name == name.as_bytes());
        let cookie = named.max_by_key(|cookie| cookie.path.len())?;
        Some(String::from_utf8_lossy(&cookie.value).into_owned())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Kept {
    fn is_for(&self, host: &str, path: &[u8]) -> bool {
        let is_of_host =
            if self.is_host_only { self.domain == host } else { matches_domain(host, &self.domain) };
        is_of_host && matches_path(path, &self.path)
    }
}

/// RFC 6265 §5.2: names in any case, white space around them and their values.
fn attributes<'f>(parts: impl Iterator<Item = &'f [u8]>) -> Attributes<'f> {
    let mut attributes = Attributes::default();
    for part in parts {
        let (name, value) = split(part, b'=').unwrap_or((part, b""));
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        if value.len() > ATTRIBUTE_BYTES_MAX {
            continue;
        }
        match &*name.to_ascii_lowercase() {
            b"expires" => attributes.expires = cookie_date::parse(value).or(attributes.expires),
            b"max-age" => attributes.max_age = max_age(value).or(attributes.max_age),
            b"domain" => attributes.domain = Some(value),
            b"path" => attributes.path = Some(value),
            b"secure" => attributes.is_secure = true,
            b"samesite" => attributes.is_for_other_sites = value.eq_ignore_ascii_case(b"none"),
            // `HttpOnly`, and what else `SameSite` says: no script runs here, and no other site asks. What is unknown is ignored.
            _ => {}
        }
    }
    attributes
}

/// RFC 6265 §5.2.2.
fn max_age(value: &[u8]) -> Option<Option<Duration>> {
    let (sign, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (-1, digits),
        None => (1, value),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // More digits than fit are more than is kept.
    let seconds = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some((sign > 0 && seconds > 0).then(|| Duration::from_secs(seconds).min(AGE_MAX)))
}

/// RFC 6265 §5.3, step 3: `Max-Age` before `Expires`.
fn end(attributes: &Attributes<'_>, now: Now) -> End {
    match (attributes.max_age, attributes.expires) {
        (Some(Some(age)), _) => End::Elapsed(now.elapsed.saturating_add(age)),
        (Some(None), _) => End::Elapsed(now.elapsed),
        (None, Some(date)) => {
            End::Date(now.date.checked_add(AGE_MAX).map_or(date, |latest| date.min(latest)))
        }
        (None, None) => End::Never,
    }
}

/// RFC 6265 §5.2.3 and §5.3, steps 5 and 6: `None` within for the host alone; `None` where the domain is not its own. What
/// has no dot is as good as a public suffix, and is for that host alone.
fn domain(attribute: Option<&[u8]>, host: &str) -> Option<Option<String>> {
    let domain = attribute.map(|domain| domain.strip_prefix(b".").unwrap_or(domain));
    match domain {
        None | Some(b"") => Some(None),
        Some(domain) => {
            let domain = std::str::from_utf8(domain).ok()?.to_ascii_lowercase();
            match domain == host {
                true if domain.contains('.') => Some(Some(domain)),
                true => Some(None),
                false => (domain.contains('.') && matches_domain(host, &domain)).then_some(Some(domain)),
            }
        }
    }
}

/// RFC 6265 §5.1.2: as it stands in `Host`, in small letters and without a port.
fn canonical(host: &str) -> String {
    let end = match host.rfind(']') {
        Some(bracket) => bracket + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    host[..end].to_ascii_lowercase()
}

/// RFC 6265 §5.1.3: the same, or a host below it that is no address.
fn matches_domain(host: &str, domain: &str) -> bool {
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    host == domain || !is_address && host.strip_suffix(domain).is_some_and(|above| above.ends_with('.'))
}

/// RFC 6265 §5.1.4: up to the last slash, which is left out unless it is the first.
fn default_path(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(last) if last > 0 && path[0] == b'/' => &path[..last],
        _ => b"/",
    }
}

/// RFC 6265 §5.1.4: the same, or below it at a slash.
fn matches_path(path: &[u8], cookie: &[u8]) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || cookie.ends_with(b"/") || rest[0] == b'/')
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memchr(at, bytes)?;
    Some((&bytes[..place], &bytes[place + 1..]))
}

#[cfg(test)]
mod tests;
