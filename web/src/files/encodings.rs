//! `Accept-Encoding`, for files that lie there compressed: RFC 9110 §12.5.3. Pure.

use http::{HeaderMap, header};

/// A content coding that files may lie there in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// The first is preferred where a client likes several as well: it makes the smallest files.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    /// As `Content-Encoding` has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What its files' names end with.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// The codings that the client likes at least as well as the plain file, the best first.
///
/// Where it refuses the plain file too, and there is no other, it gets that all the same: RFC 9110 §12.4.1 lets a
/// server disregard the field, and that is more useful than a 406.
pub(super) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Coding> {
    let mut weights = Weights::default();
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        value.as_bytes().split(|byte| *byte == b',').for_each(|item| weights.note(item));
    }
    let mut codings = Coding::ALL.map(|coding| (weights.of(coding), coding));
    // Stable: of equal ones, the order is ours.
    codings.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let least = weights.identity.unwrap_or(0).max(1);
    codings.into_iter().filter(move |(weight, _)| *weight >= least).map(|(_, coding)| coding)
}

/// In thousandths; none where it is not listed.
#[derive(Default)]
struct Weights {
    listed: [Option<u16>; 3],
    others: Option<u16>,
    identity: Option<u16>,
}

impl Weights {
    fn note(&mut self, item: &[u8]) {
        let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = match parts.next() {
            None => Some(1000),
            Some(parameter) => weight(parameter),
        };
        // One with a weight that is none is not listed.
        let (Some(weight), None) = (weight, parts.next()) else { return };
        let place = match () {
            () if name.eq_ignore_ascii_case(b"br") => &mut self.listed[0],
            () if name.eq_ignore_ascii_case(b"zstd") => &mut self.listed[1],
            // RFC 9110 §8.4.1.3: x-gzip is the same.
            () if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                &mut self.listed[2]
            }
            () if name.eq_ignore_ascii_case(b"identity") => &mut self.identity,
            () if name == b"*" => &mut self.others,
            () => return,
        };
        *place = Some(weight);
    }

    fn of(&self, coding: Coding) -> u16 {
        let listed = match coding {
            Coding::Brotli => self.listed[0],
            Coding::Zstandard => self.listed[1],
            Coding::Gzip => self.listed[2],
        };
        listed.or(self.others).unwrap_or(0)
    }
}

/// RFC 9110 §12.4.2: `q=`, and 0 to 1 with at most three decimals.
pub(super) fn weight(parameter: &[u8]) -> Option<u16> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, decimals) = match value {
        [whole] => (whole, &b""[..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, place) in decimals.iter().zip([100, 10, 1]) {
        weight += digit.is_ascii_digit().then(|| u16::from(digit - b'0') * place)?;
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::{Coding::*, *};

    #[test]
    fn what_clients_accept() {
        let rows: &[(&[&'static str], &[Coding])] = &[
            (&[], &[]),
            (&[""], &[]),
            (&["gzip"], &[Gzip]),
            (&["x-gzip"], &[Gzip]),
            (&["gzip, deflate, br, zstd"], &[Brotli, Zstandard, Gzip]),
            (&["gzip", "br"], &[Brotli, Gzip]),
            (&["GZIP, Br"], &[Brotli, Gzip]),
            (&["gzip;q=1.0, br;q=0.5"], &[Gzip, Brotli]),
            (&["gzip ; q=0.3,zstd;Q=0.301"], &[Zstandard, Gzip]),
            (&["br;q=0, gzip"], &[Gzip]),
            (&["br;q=0.000"], &[]),
            (&["*"], &[Brotli, Zstandard, Gzip]),
            (&["*;q=0.5, gzip;q=0.9, br;q=0"], &[Gzip, Zstandard]),
            (&["*;q=0"], &[]),
            (&["identity, gzip;q=0.5"], &[]),
            (&["identity;q=0.5, gzip;q=0.5"], &[Gzip]),
            (&["identity;q=0"], &[]),
            (&["identity;q=0, gzip;q=0.001"], &[Gzip]),
            (&["deflate, compress"], &[]),
            // A weight that is none: not listed.
            (&["gzip;q=1.5"], &[]),
            (&["gzip;q=0.1234"], &[]),
            (&["gzip;q=-1"], &[]),
            (&["gzip;q="], &[]),
            (&["gzip;level=9"], &[]),
            (&["gzip;q=1;q=1"], &[]),
            (&["gzip;q=1.001"], &[]),
            (&[",,gzip,,"], &[Gzip]),
        ];
        for (values, expected) in rows {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(accepted(&headers).collect::<Vec<_>>(), *expected, "{values:?}");
        }
    }
}
