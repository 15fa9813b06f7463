//! Addresses that belong together: [`Network`].

use std::{error::Error, fmt, net::IpAddr};

/// An address, or all that begin with the same bits (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    pub(super) fn parse(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(error)?
            }
            Some(_) => return Err(error()),
        };
        let network = Self { address, prefix };
        // Bits behind the prefix are a slip: who writes 10.0.0.1/8 means something else.
        if network.is_exact() { Ok(network.canonical()) } else { Err(error()) }
    }

    /// As the addresses are that it is asked for: an IPv4 address written as IPv6 (RFC 4291 §2.5.5.2) is one of IPv4.
    fn canonical(self) -> Self {
        match (self.address, self.address.to_canonical(), self.prefix.checked_sub(96)) {
            (IpAddr::V6(_), address @ IpAddr::V4(_), Some(prefix)) => Self { address, prefix },
            _ => self,
        }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.prefix).unwrap_or_default() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.prefix).unwrap_or_default() == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn is_exact(&self) -> bool {
        match self.address {
            IpAddr::V4(own) => own.to_bits().checked_shl(self.prefix).unwrap_or_default() == 0,
            IpAddr::V6(own) => own.to_bits().checked_shl(self.prefix).unwrap_or_default() == 0,
        }
    }
}

/// What was to be the address of a proxy, or a network of them, and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither an address nor a network such as 10.0.0.0/8 or 2001:db8::/32, nor `unix`",
            self.0
        )
    }
}

impl Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_begins_alike() {
        let rows: [(&str, &[&str], &[&str]); 11] = [
            ("::ffff:10.0.0.1", &["10.0.0.1"], &["10.0.0.2", "::1"]),
            ("::ffff:10.0.0.0/104", &["10.0.0.0", "10.255.0.1"], &["11.0.0.0"]),
            ("::ffff:0:0/96", &["0.0.0.0", "255.255.255.255"], &["::1"]),
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255"],
                &["9.255.255.255", "11.0.0.0", "::ffff:a00:1", "::"],
            ),
            ("192.0.2.1", &["192.0.2.1"], &["192.0.2.0", "192.0.2.2"]),
            ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "192.0.3.128"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::"]),
            ("::1", &["::1"], &["::", "::2", "127.0.0.1"]),
            ("2001:db8::/32", &["2001:db8::", "2001:db8:ffff::1"], &["2001:db9::"]),
            ("2001:db8::/127", &["2001:db8::1"], &["2001:db8::2"]),
            ("::/0", &["::", "ffff::"], &["0.0.0.0"]),
        ];
        for (network, inside, outside) in rows {
            let own = Network::parse(network).unwrap();
            let contains = |address: &&str| own.contains(address.parse().unwrap());
            assert!(inside.iter().all(contains), "{network}");
            assert!(!outside.iter().any(contains), "{network}");
        }
        for none in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "10.0.0.0/-1",
            "10.0.0.0/99999999999",
            "10.0.0.1/8",
            "::1/64",
            "::/129",
            "010.0.0.1",
            "10.0.0",
            "localhost",
            "[::1]",
            "fe80::1%eth0",
        ] {
            let error = Network::parse(none).expect_err(none);
            assert!(error.to_string().starts_with(&format!("{none:?} is neither")), "{error}");
        }
    }
}
