//! Validators, and the conditions of a request on them: RFC 9110 §8.8 and §13. Pure.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::state::State;

/// What tells one state of a file from another. As long as the next change might not show, nothing is told.
#[derive(Debug)]
pub(super) struct Validators {
    /// Strong, with its quotes. None as long as the next change might not show.
    tag: Option<String>,
    /// In seconds since 1970; none for what the format cannot tell. Told where there is a tag.
    modified: Option<u64>,
}

/// How a tag of the client's is compared: RFC 9110 §8.8.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Weak,
    Strong,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request is carried out, with or without its ranges.
    Proceed(Ranges),
    NotModified,
    Failed,
}

/// Whether `Range` is looked at: RFC 9110 §13.1.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    Apply,
    Ignore,
}

impl Validators {
    /// `variant` tells encodings of the same file apart.
    ///
    /// The tag is made of length, time of modification, and time of change. The last is what the system itself
    /// notes: deploying a file of an equal length under a forged time, as reproducible builds do, changes it. For that
    /// reason `Last-Modified` is the time of change, too: by the forged one, a client that has nothing but the date
    /// would be told that new content is the old.
    pub(super) fn of(state: &State, variant: &str, is_settled: bool) -> Self {
        let (modified, changed) = (state.modified, state.changed);
        let tag = is_settled.then(|| {
            let dash = if variant.is_empty() { "" } else { "-" };
            format!(
                "\"{:x}-{:x}.{:x}-{:x}.{:x}{dash}{variant}\"",
                state.length, modified.seconds, modified.nanoseconds, changed.seconds, changed.nanoseconds,
            )
        });
        Self { tag, modified: Some(changed.since_1970().as_secs()).filter(|&time| time <= LAST_SECOND) }
    }

    pub(super) fn put(&self, headers: &mut HeaderMap) {
        let Some(Ok(tag)) = self.tag.as_deref().map(HeaderValue::try_from) else { return };
        headers.insert(header::ETAG, tag);
        // RFC 9110 §8.8.2.1: never later than the answer itself, since the change lies back by more than a second.
        let date = self.modified.map(|time| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time)));
        if let Some(Ok(date)) = date.map(HeaderValue::try_from) {
            headers.insert(header::LAST_MODIFIED, date);
        }
    }

    /// The order of RFC 9110 §13.2.2.
    pub(super) fn judge(&self, method: &Method, headers: &HeaderMap) -> Verdict {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if headers.contains_key(header::IF_MATCH) {
            // RFC 9110 §13.1.1: by strong comparison.
            if !self.is_among(headers, &header::IF_MATCH, Comparison::Strong) {
                return Verdict::Failed;
            }
        } else if self.modified_after(headers, &header::IF_UNMODIFIED_SINCE) == Some(true) {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            // RFC 9110 §13.1.2: by weak comparison.
            if self.is_among(headers, &header::IF_NONE_MATCH, Comparison::Weak) {
                return if is_read { Verdict::NotModified } else { Verdict::Failed };
            }
        } else if is_read
            && self.tag.is_some()
            && self.modified_after(headers, &header::IF_MODIFIED_SINCE) == Some(false)
        {
            return Verdict::NotModified;
        }
        // RFC 9110 §14.2: for GET alone.
        if *method != Method::GET || !headers.contains_key(header::RANGE) {
            return Verdict::Proceed(Ranges::Ignore);
        }
        Verdict::Proceed(self.if_range(headers))
    }

    /// RFC 9110 §13.1.5: by strong comparison of a tag. A date never matches: in one second there may be two states
    /// (§8.8.2.2), and a download that was begun in one must not end in the other.
    fn if_range(&self, headers: &HeaderMap) -> Ranges {
        if !headers.contains_key(header::IF_RANGE) {
            return Ranges::Apply;
        }
        let Some(value) = single(headers, &header::IF_RANGE) else { return Ranges::Ignore };
        let mut tags = Tags(value.as_bytes());
        let is_same = tags.next().is_some_and(|tag| self.matches(tag, Comparison::Strong));
        if is_same && tags.0.is_empty() { Ranges::Apply } else { Ranges::Ignore }
    }

    fn is_among(&self, headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> bool {
        if single(headers, name).is_some_and(|value| value.as_bytes() == b"*") {
            return true;
        }
        let mut tags = headers.get_all(name).iter().flat_map(|value| Tags(value.as_bytes()));
        tags.any(|tag| self.matches(tag, comparison))
    }

    /// RFC 9110 §8.8.3.2. Of ours, all are strong; one that came back as weak has been weakened on its way.
    fn matches(&self, (kind, tag): (Comparison, &[u8]), comparison: Comparison) -> bool {
        let is_allowed = kind == Comparison::Strong || comparison == Comparison::Weak;
        is_allowed && self.tag.as_deref().is_some_and(|own| own.as_bytes() == tag)
    }

    /// None where the date is to be ignored: RFC 9110 §13.1.3 and §13.1.4.
    fn modified_after(&self, headers: &HeaderMap, name: &HeaderName) -> Option<bool> {
        Some(self.modified? > date(single(headers, name)?)?)
    }
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// The value of a field that stands there once.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// RFC 9110 §5.6.7, in all three formats.
fn date(value: &HeaderValue) -> Option<u64> {
    let time = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The entity tags of a list, RFC 9110 §8.8.3, up to the first that is none; and which comparison each is good for.
struct Tags<'v>(&'v [u8]);

impl<'v> Iterator for Tags<'v> {
    type Item = (Comparison, &'v [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start =
            self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b',')).unwrap_or(self.0.len());
        let rest = &self.0[start..];
        let (kind, rest) = match rest.strip_prefix(b"W/") {
            Some(rest) => (Comparison::Weak, rest),
            None => (Comparison::Strong, rest),
        };
        self.0 = &[];
        let inner = rest.strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))?;
        if inner[end] != b'"' {
            return None;
        }
        let (tag, behind) = rest.split_at(end + 2);
        let is_followed =
            behind.iter().find(|byte| !matches!(byte, b' ' | b'\t')).is_some_and(|byte| *byte != b',');
        if is_followed {
            return None;
        }
        self.0 = behind;
        Some((kind, tag))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ranges::*, Verdict::*, *};
    use crate::files::state::{SETTLED, Time};

    /// 1994-11-06T08:49:37Z.
    const THEN: u64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn settled() -> Validators {
        Validators { tag: Some("\"x\"".into()), modified: Some(THEN) }
    }

    const UNSETTLED: Validators = Validators { tag: None, modified: Some(THEN) };

    fn judge(validators: &Validators, method: &Method, fields: &[(&'static str, &'static str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        validators.judge(method, &headers)
    }

    #[test]
    fn conditions_in_their_order() {
        type Row = (&'static [(&'static str, &'static str)], Verdict, Verdict);
        let plain = Proceed(Ignore);
        // Once the file is settled, and before.
        let rows: &[Row] = &[
            (&[], plain, plain),
            // If-Match: strong.
            (&[("if-match", "\"x\"")], plain, Failed),
            (&[("if-match", "\"y\"")], Failed, Failed),
            (&[("if-match", "W/\"x\"")], Failed, Failed),
            (&[("if-match", "\"y\", \"x\"")], plain, Failed),
            (&[("if-match", "\"y\""), ("if-match", "\"x\"")], plain, Failed),
            (&[("if-match", "*")], plain, plain),
            (&[("if-match", "x")], Failed, Failed),
            (&[("if-match", "")], Failed, Failed),
            // If-Unmodified-Since: only where there is no If-Match.
            (&[("if-unmodified-since", DATE)], plain, plain),
            (&[("if-unmodified-since", LATER)], plain, plain),
            (&[("if-unmodified-since", EARLIER)], Failed, Failed),
            (&[("if-unmodified-since", "Sunday, 06-Nov-94 08:49:36 GMT")], Failed, Failed),
            (&[("if-unmodified-since", "Sun Nov  6 08:49:36 1994")], Failed, Failed),
            (&[("if-unmodified-since", "yesterday")], plain, plain),
            (&[("if-unmodified-since", EARLIER), ("if-unmodified-since", EARLIER)], plain, plain),
            (&[("if-match", "\"x\""), ("if-unmodified-since", EARLIER)], plain, Failed),
            (&[("if-match", "\"y\""), ("if-unmodified-since", LATER)], Failed, Failed),
            // If-None-Match: weak.
            (&[("if-none-match", "\"x\"")], NotModified, plain),
            (&[("if-none-match", "W/\"x\"")], NotModified, plain),
            (&[("if-none-match", "\"y\"")], plain, plain),
            (&[("if-none-match", " ,, \"y\" ,W/\"x\",")], NotModified, plain),
            (&[("if-none-match", "\"y\""), ("if-none-match", "\"x\"")], NotModified, plain),
            (&[("if-none-match", "\"y,x\", \"x\"")], NotModified, plain),
            (&[("if-none-match", "*")], NotModified, NotModified),
            (&[("if-none-match", "\"x")], plain, plain),
            (&[("if-none-match", "\"x\"\"y\"")], plain, plain),
            (&[("if-none-match", "w/\"x\"")], plain, plain),
            (&[("if-none-match", "\"X\"")], plain, plain),
            // If-Modified-Since: only where there is no If-None-Match.
            (&[("if-modified-since", DATE)], NotModified, plain),
            (&[("if-modified-since", LATER)], NotModified, plain),
            (&[("if-modified-since", EARLIER)], plain, plain),
            (&[("if-modified-since", "never")], plain, plain),
            (&[("if-modified-since", DATE), ("if-modified-since", DATE)], plain, plain),
            (&[("if-none-match", "\"y\""), ("if-modified-since", LATER)], plain, plain),
            (&[("if-none-match", "\"x\""), ("if-modified-since", EARLIER)], NotModified, plain),
            // A failed precondition comes first.
            (&[("if-match", "\"y\""), ("if-none-match", "\"x\"")], Failed, Failed),
            (&[("if-unmodified-since", EARLIER), ("if-none-match", "\"x\"")], Failed, Failed),
            (&[("if-unmodified-since", LATER), ("if-modified-since", DATE)], NotModified, plain),
            // If-Range: after all others, strong.
            (&[("range", "bytes=0-")], Proceed(Apply), Proceed(Apply)),
            (&[("if-range", "\"x\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"x\"")], Proceed(Apply), plain),
            (&[("range", "bytes=0-"), ("if-range", "W/\"x\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"y\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"x\", \"y\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "*")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"x\""), ("if-range", "\"x\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", DATE)], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", LATER)], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", EARLIER)], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "nonsense")], plain, plain),
            (&[("range", "bytes=0-"), ("if-none-match", "\"x\"")], NotModified, Proceed(Apply)),
        ];
        for (fields, after, before) in rows {
            assert_eq!(judge(&settled(), &Method::GET, fields), *after, "{fields:?}");
            assert_eq!(judge(&UNSETTLED, &Method::GET, fields), *before, "unsettled: {fields:?}");
        }
    }

    #[test]
    fn head_has_conditions_and_no_ranges() {
        let judge = |fields| judge(&settled(), &Method::HEAD, fields);
        assert_eq!(judge(&[("range", "bytes=0-")]), Proceed(Ignore));
        assert_eq!(judge(&[("if-none-match", "\"x\"")]), NotModified);
        assert_eq!(judge(&[("if-match", "\"y\"")]), Failed);
    }

    const CHANGED: Time = Time { seconds: 784_111_777, nanoseconds: 999_999_999 };

    fn headers(state: &State, variant: &str, age: Duration) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let now = UNIX_EPOCH + state.changed.since_1970() + age;
        Validators::of(state, variant, state.is_settled(now)).put(&mut headers);
        headers
    }

    #[test]
    fn of_a_file_that_has_just_changed_nothing_is_told() {
        let state = State { length: 7, modified: CHANGED, changed: CHANGED };
        assert!(headers(&state, "", SETTLED).is_empty());
        assert_eq!(headers(&state, "", SETTLED * 2).len(), 2);
    }

    #[test]
    fn what_the_headers_say() {
        // The time of modification may be any.
        for modified in
            [CHANGED, Time { seconds: 1, nanoseconds: 0 }, Time { seconds: i64::MAX, nanoseconds: 0 }]
        {
            let headers = headers(&State { length: 255, modified, changed: CHANGED }, "br", SETTLED * 2);
            let tag = headers[header::ETAG].to_str().unwrap();
            assert!(tag.starts_with("\"ff-") && tag.ends_with("-br\""), "{tag}");
            assert_eq!(headers[header::LAST_MODIFIED], DATE);
        }
        // Year 10,000 has no date.
        let late = Time { seconds: 253_402_300_800, nanoseconds: 0 };
        let headers = headers(&State { length: 1, modified: CHANGED, changed: late }, "", SETTLED * 2);
        assert!(headers.contains_key(header::ETAG) && !headers.contains_key(header::LAST_MODIFIED));
    }

    #[test]
    fn each_part_of_a_state_is_in_the_tag() {
        let one = State { length: 1, modified: CHANGED, changed: CHANGED };
        let other = Time { seconds: 5, nanoseconds: 5 };
        let tag = |state, variant| headers(&state, variant, SETTLED * 2).remove(header::ETAG).unwrap();
        for another in
            [State { length: 2, ..one }, State { modified: other, ..one }, State { changed: other, ..one }]
        {
            assert_ne!(tag(one, ""), tag(another, ""));
        }
        assert_ne!(tag(one, ""), tag(one, "gzip"));
    }
}
