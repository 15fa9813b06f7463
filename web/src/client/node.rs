//! How a proxy calls who is in front of it: [`Node`] (RFC 7239 §6).

use std::net::{IpAddr, Ipv6Addr};

/// Who a proxy's connection came from, as it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    Address(IpAddr, Option<u16>),
    /// `unknown`, also for what is none of the forms, or a name that hides the address.
    Hidden(Box<str>),
}

impl Node {
    pub(super) fn unknown() -> Self {
        Self::Hidden("unknown".into())
    }

    /// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, `unknown`, `_hidden`, the ports also as `_name`; and,
    /// for `X-Forwarded-For`, `2001:db8::1`.
    pub(super) fn parse(text: &str) -> Self {
        Self::parse_address(text).or_else(|| Self::parse_hidden(text)).unwrap_or_else(Self::unknown)
    }

    fn parse_address(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if port.is_empty() { None } else { parse_port(port.strip_prefix(':')?)? };
            return Some(Self::Address(IpAddr::V6(address).to_canonical(), port));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), None));
        }
        let (address, port) = text.split_once(':')?;
        Some(Self::Address(IpAddr::V4(address.parse().ok()?), parse_port(port)?))
    }

    fn parse_hidden(text: &str) -> Option<Self> {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        };
        if let Some(port) = port {
            parse_port(port)?;
        }
        is_obfuscated(name).then(|| Self::Hidden(name.into()))
    }
}

/// §6.3; a longer one is of no use to anybody.
fn is_obfuscated(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (2..=64).contains(&name.len()) && name.starts_with('_') && name.bytes().all(is_allowed)
}

/// The port, which may be hidden too: then it is none.
fn parse_port(text: &str) -> Option<Option<u16>> {
    if is_obfuscated(text) {
        return Some(None);
    }
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok().map(Some) } else { None }
}
