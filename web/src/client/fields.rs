//! The fields that proxies write, read from the right: [`Elements`]. What is at the left may be anything, written by
//! anybody: it must never change how what is right of it is read.

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED, uri::Authority};

use super::{Field, Node};

/// What one proxy has said of the connection that came to it.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) node: Node,
    pub(super) is_https: Option<bool>,
    pub(super) host: Option<Box<str>>,
}

/// What the proxies have said, the nearest first.
pub(super) enum Elements<'h> {
    Forwarded(Splits<'h>),
    XForwarded { nodes: Splits<'h>, protos: Aside<'h>, hosts: Aside<'h> },
}

impl<'h> Elements<'h> {
    pub(super) fn new(field: Field, headers: &'h HeaderMap) -> Self {
        let splits = |name: HeaderName, quotes| Splits::new(headers, name, quotes);
        match field {
            Field::Forwarded => Self::Forwarded(splits(FORWARDED, Quotes::Count)),
            Field::XForwarded => {
                let aside = |name| Aside { splits: splits(name, Quotes::Ignore), last: None };
                Self::XForwarded {
                    nodes: splits(HeaderName::from_static("x-forwarded-for"), Quotes::Ignore),
                    protos: aside(HeaderName::from_static("x-forwarded-proto")),
                    hosts: aside(HeaderName::from_static("x-forwarded-host")),
                }
            }
        }
    }

    pub(super) fn next(&mut self) -> Option<Element> {
        match self {
            Self::Forwarded(splits) => {
                let element = splits.next()?;
                Some(Element::parse(element).unwrap_or(Element {
                    node: Node::unknown(),
                    is_https: None,
                    host: None,
                }))
            }
            Self::XForwarded { nodes, protos, hosts } => Some(Element {
                node: std::str::from_utf8(nodes.next()?).map_or_else(|_| Node::unknown(), Node::parse),
                is_https: protos.next().and_then(is_https),
                host: hosts.next().and_then(host),
            }),
        }
    }
}

/// A field beside the list of nodes, which may have fewer places: then the leftmost stands for those that are not there.
pub(super) struct Aside<'h> {
    splits: Splits<'h>,
    last: Option<&'h [u8]>,
}

impl<'h> Aside<'h> {
    fn next(&mut self) -> Option<&'h str> {
        self.last = self.splits.next().or(self.last);
        std::str::from_utf8(self.last?).ok()
    }
}

impl Element {
    /// RFC 7239 §4: pairs, each at most once in an element. `None` for what is not that.
    fn parse(element: &[u8]) -> Option<Self> {
        let element = std::str::from_utf8(element).ok()?;
        let (mut node, mut proto, mut authority) = (None, None, None);
        // No value of these has a semicolon, a quote or a backslash in it.
        for pair in element.split(';').map(trimmed).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"')?,
                None => value,
            };
            if value.contains(['"', '\\']) {
                return None;
            }
            let place = match name {
                _ if name.eq_ignore_ascii_case("for") => &mut node,
                _ if name.eq_ignore_ascii_case("proto") => &mut proto,
                _ if name.eq_ignore_ascii_case("host") => &mut authority,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            node: node.map_or_else(Node::unknown, Node::parse),
            is_https: proto.and_then(is_https),
            host: authority.and_then(host),
        })
    }
}

fn is_https(proto: &str) -> Option<bool> {
    if proto.eq_ignore_ascii_case("https") {
        return Some(true);
    }
    proto.eq_ignore_ascii_case("http").then_some(false)
}

/// A host by its form (RFC 9110 §7.2), without a user.
fn host(text: &str) -> Option<Box<str>> {
    let authority: Authority = text.parse().ok()?;
    (!authority.host().is_empty() && !text.contains('@')).then(|| text.into())
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Whether a comma between two quotes is one of the text.
#[derive(Clone, Copy)]
enum Quotes {
    Count,
    Ignore,
}

/// The places of a list, over all the lines of its field, from the right.
pub(super) struct Splits<'h> {
    lines: std::iter::Rev<http::header::ValueIter<'h, HeaderValue>>,
    rest: Option<&'h [u8]>,
    quotes: Quotes,
}

impl<'h> Splits<'h> {
    fn new(headers: &'h HeaderMap, name: HeaderName, quotes: Quotes) -> Self {
        Self { lines: headers.get_all(name).iter().rev(), rest: None, quotes }
    }

    /// The next. Of `Forwarded`, one that is not empty (RFC 9110 §5.6.1.2); of the others an empty one counts: a proxy that
    /// adds nothing would vouch for what stands left of it otherwise, which is the client's.
    fn next(&mut self) -> Option<&'h [u8]> {
        loop {
            let line = match self.rest.take() {
                Some(rest) => rest,
                None => self.lines.next()?.as_bytes(),
            };
            let place = match self.comma(line) {
                Some(comma) => {
                    self.rest = Some(&line[..comma]);
                    &line[comma + 1..]
                }
                None => line,
            };
            let place = place.trim_ascii();
            if !place.is_empty() || matches!(self.quotes, Quotes::Ignore) {
                return Some(place);
            }
        }
    }

    /// The last comma that parts two places. Quotes are counted from the right too, so that one which a client has left open
    /// swallows nothing that a proxy has added behind it.
    fn comma(&self, line: &[u8]) -> Option<usize> {
        let mut is_quoted = false;
        line.iter().rposition(|byte| {
            is_quoted ^= *byte == b'"' && matches!(self.quotes, Quotes::Count);
            *byte == b',' && !is_quoted
        })
    }
}
