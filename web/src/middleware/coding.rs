//! Content codings by name, and which of them a client takes (RFC 9110 §8.4.1, §12.5.3). Nothing here compresses.

use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};

use super::fields::elements;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coding {
    /// Zstandard (RFC 8878): the fastest.
    Zstd,
    /// Brotli (RFC 7932): the smallest text.
    Brotli,
    /// What everybody takes (RFC 1952).
    Gzip,
}

impl Coding {
    /// All of them, the preferred first.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    pub(super) fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// Names are compared without case, and `x-gzip` is `gzip` (RFC 9110 §8.4.1.3).
    pub(super) fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name()))
    }
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The body as it is.
    Plain,
    /// This coding, where it is worth it.
    Rather(Coding),
    /// This coding, as it refuses a plain body.
    Only(Coding),
}

/// A weight in thousandths (RFC 9110 §12.4.2).
type Weight = u16;

/// Which of `offered`, the preferred first, the client likes best. Where it refuses everything that there is, it
/// gets the body as it is: that is better than nothing, and allowed (RFC 9110 §12.5.3).
pub(super) fn negotiate(headers: &HeaderMap, offered: &[Coding]) -> Wish {
    // By name; for `*`; for `identity`.
    let mut weights = [None; Coding::ALL.len()];
    let (mut others, mut identity) = (None, None);
    for element in elements(headers, &ACCEPT_ENCODING) {
        let (name, weight) = element.split_once(';').unwrap_or((element, ""));
        let Some(weight) = weight_of(weight) else { continue };
        let name = name.trim_matches([' ', '\t']);
        let place = match Coding::named(name) {
            Some(coding) => &mut weights[coding as usize],
            None if name == "*" => &mut others,
            None if name.eq_ignore_ascii_case("identity") => &mut identity,
            None => continue,
        };
        // Said twice, the lesser counts: a client that refuses something is believed.
        *place = Some(place.map_or(weight, |earlier: Weight| earlier.min(weight)));
    }
    let weight = |coding: Coding| weights[coding as usize].or(others).unwrap_or(0);
    let mut best: Option<(Coding, Weight)> = None;
    for coding in offered {
        let weight = weight(*coding);
        if weight > best.map_or(0, |(_, best)| best) {
            best = Some((*coding, weight));
        }
    }
    // RFC 9110 §12.5.3: a plain body is taken unless `identity`, or `*` where that is not named, has the weight 0.
    let is_plain_refused = identity.or(others) == Some(0);
    match best {
        None => Wish::Plain,
        Some((coding, _)) if is_plain_refused => Wish::Only(coding),
        Some((_, weight)) if identity.is_some_and(|identity| identity > weight) => Wish::Plain,
        Some((coding, _)) => Wish::Rather(coding),
    }
}

/// RFC 9110 §12.4.2: `q=` and at most three decimals. No parameter is 1; a malformed one none.
fn weight_of(parameter: &str) -> Option<Weight> {
    let parameter = parameter.trim_matches([' ', '\t']);
    if parameter.is_empty() {
        return Some(1_000);
    }
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = decimals.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = digits.fold(0, |value, digit| value * 10 + Weight::from(digit - b'0'));
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wants() {
        use Coding::{Brotli, Gzip, Zstd};
        use Wish::{Only, Plain, Rather};
        for (accepted, wish) in [
            ("", Plain),
            ("gzip", Rather(Gzip)),
            ("GZip", Rather(Gzip)),
            ("x-gzip", Rather(Gzip)),
            ("br", Rather(Brotli)),
            ("zstd", Rather(Zstd)),
            ("gzip, deflate, br, zstd", Rather(Zstd)),
            ("gzip, deflate, br", Rather(Brotli)),
            ("gzip;q=1.0, br;q=0.9", Rather(Gzip)),
            ("gzip;q=0.5,br ; q=0.501", Rather(Brotli)),
            ("*", Rather(Zstd)),
            ("*;q=0.1, gzip", Rather(Gzip)),
            ("*, zstd;q=0", Rather(Brotli)),
            ("zstd;q=0, br;q=0, gzip;q=0", Plain),
            ("gzip;q=0", Plain),
            ("*;q=0", Plain),
            ("*;q=0, gzip", Only(Gzip)),
            ("identity;q=0, gzip", Only(Gzip)),
            ("identity;q=0", Plain),
            ("identity;q=0, *", Only(Zstd)),
            ("identity", Plain),
            ("identity, gzip;q=0.5", Plain),
            ("identity;q=0.5, gzip", Rather(Gzip)),
            ("identity, gzip", Rather(Gzip)),
            ("identity;q=0.2, *;q=0", Plain),
            ("gzip;q=0, gzip;q=1", Plain),
            ("gzip;q=1, gzip;q=0", Plain),
            ("deflate, compress, pack200-gzip", Plain),
            ("gzip;q=1.1", Plain),
            ("gzip;q=0.1234", Plain),
            ("gzip;q=-1", Plain),
            ("gzip;q=", Plain),
            ("gzip;q=1.", Rather(Gzip)),
            ("gzip;level=9", Plain),
            (",, ,gzip,,", Rather(Gzip)),
            ("gzip;q=0.000", Plain),
            ("gzip;q=0.001", Rather(Gzip)),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            assert_eq!(negotiate(&headers, &Coding::ALL), wish, "{accepted:?}");
        }
        assert_eq!(negotiate(&HeaderMap::new(), &Coding::ALL), Plain);
        let all = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("*"))]);
        assert_eq!(negotiate(&all, &[Gzip]), Rather(Gzip));
        assert_eq!(negotiate(&all, &[]), Plain);
        let mut lines = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0.5"))]);
        lines.append(ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(negotiate(&lines, &Coding::ALL), Rather(Brotli));
    }
}
