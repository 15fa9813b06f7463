//! Validators, and the conditions of a request on them: RFC 9110 §8.8 and §13. Pure.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// What tells one state of a file from another.
#[derive(Debug)]
pub(super) struct Validators {
    /// With its quotes, and without `W/`.
    tag: String,
    strength: Strength,
    /// In seconds since 1970; none for what the format cannot tell.
    modified: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
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

/// The times of files tick at up to 10 ms: what was changed so recently may change once more in the same tick.
const SETTLED: Duration = Duration::from_millis(20);
/// Some file systems tell whole seconds, or every other.
const SETTLED_COARSELY: Duration = Duration::from_secs(2);

impl Validators {
    /// `variant` tells encodings of the same file apart.
    ///
    /// The tag is made of length, time of modification, and time of change. The last is what the system itself
    /// notes: deploying a file of an equal length under a forged time, as reproducible builds do, changes it.
    pub(super) fn of(metadata: &Metadata, variant: &str, now: SystemTime) -> Self {
        let dash = if variant.is_empty() { "" } else { "-" };
        let tag = format!(
            "\"{:x}-{:x}.{:x}-{:x}.{:x}{dash}{variant}\"",
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        );
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
        let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
        let changed = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds.into()));
        let needed = if nanoseconds == 0 { SETTLED_COARSELY } else { SETTLED };
        let is_settled = since_1970.checked_sub(changed).is_some_and(|age| age > needed);
        // RFC 9110 §8.8.2.1: never later than the answer itself.
        let modified = u64::try_from(metadata.mtime()).ok().map(|time| time.min(since_1970.as_secs()));
        Self {
            tag,
            strength: if is_settled { Strength::Strong } else { Strength::Weak },
            modified: modified.filter(|&time| time <= LAST_SECOND),
        }
    }

    pub(super) fn put(&self, headers: &mut HeaderMap) {
        let tag = match self.strength {
            Strength::Strong => HeaderValue::try_from(self.tag.as_str()),
            Strength::Weak => HeaderValue::try_from(format!("W/{}", self.tag)),
        };
        if let Ok(tag) = tag {
            headers.insert(header::ETAG, tag);
        }
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
            if !self.is_among(headers, &header::IF_MATCH, Strength::Strong) {
                return Verdict::Failed;
            }
        } else if self.modified_after(headers, &header::IF_UNMODIFIED_SINCE) == Some(true) {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            // RFC 9110 §13.1.2: by weak comparison.
            if self.is_among(headers, &header::IF_NONE_MATCH, Strength::Weak) {
                return if is_read { Verdict::NotModified } else { Verdict::Failed };
            }
        } else if is_read && self.modified_after(headers, &header::IF_MODIFIED_SINCE) == Some(false) {
            return Verdict::NotModified;
        }
        // RFC 9110 §14.2: for GET alone.
        if *method != Method::GET || !headers.contains_key(header::RANGE) {
            return Verdict::Proceed(Ranges::Ignore);
        }
        Verdict::Proceed(self.if_range(headers))
    }

    /// RFC 9110 §13.1.5: by strong comparison of a tag; or by a date that is exactly this, which a client may send
    /// where it knows that it is as good (§8.8.2.2).
    fn if_range(&self, headers: &HeaderMap) -> Ranges {
        if !headers.contains_key(header::IF_RANGE) {
            return Ranges::Apply;
        }
        let Some(value) = single(headers, &header::IF_RANGE) else { return Ranges::Ignore };
        let is_same = match date(value) {
            Some(date) => self.modified == Some(date),
            None => {
                let mut tags = Tags(value.as_bytes());
                tags.next().is_some_and(|tag| self.matches(tag, Strength::Strong)) && tags.0.is_empty()
            }
        };
        if is_same { Ranges::Apply } else { Ranges::Ignore }
    }

    fn is_among(&self, headers: &HeaderMap, name: &HeaderName, comparison: Strength) -> bool {
        if single(headers, name).is_some_and(|value| value.as_bytes() == b"*") {
            return true;
        }
        let mut tags = headers.get_all(name).iter().flat_map(|value| Tags(value.as_bytes()));
        tags.any(|tag| self.matches(tag, comparison))
    }

    /// RFC 9110 §8.8.3.2.
    fn matches(&self, (strength, tag): (Strength, &[u8]), comparison: Strength) -> bool {
        let is_strong = strength == Strength::Strong && self.strength == Strength::Strong;
        tag == self.tag.as_bytes() && (is_strong || comparison == Strength::Weak)
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

/// The entity tags of a list, RFC 9110 §8.8.3, up to the first that is none.
struct Tags<'v>(&'v [u8]);

impl<'v> Iterator for Tags<'v> {
    type Item = (Strength, &'v [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start =
            self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b',')).unwrap_or(self.0.len());
        let rest = &self.0[start..];
        let (strength, rest) = match rest.strip_prefix(b"W/") {
            Some(rest) => (Strength::Weak, rest),
            None => (Strength::Strong, rest),
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
        Some((strength, tag))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ranges::*, Verdict::*, *};

    /// 1994-11-06T08:49:37Z.
    const THEN: u64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn judge(strength: Strength, method: &Method, fields: &[(&'static str, &'static str)]) -> Verdict {
        let validators = Validators { tag: "\"x\"".into(), strength, modified: Some(THEN) };
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
        // For a strong tag, and for a weak one.
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
            (&[("if-none-match", "\"x\"")], NotModified, NotModified),
            (&[("if-none-match", "W/\"x\"")], NotModified, NotModified),
            (&[("if-none-match", "\"y\"")], plain, plain),
            (&[("if-none-match", " ,, \"y\" ,W/\"x\",")], NotModified, NotModified),
            (&[("if-none-match", "\"y\""), ("if-none-match", "\"x\"")], NotModified, NotModified),
            (&[("if-none-match", "\"y,x\", \"x\"")], NotModified, NotModified),
            (&[("if-none-match", "*")], NotModified, NotModified),
            (&[("if-none-match", "\"x")], plain, plain),
            (&[("if-none-match", "\"x\"\"y\"")], plain, plain),
            (&[("if-none-match", "w/\"x\"")], plain, plain),
            (&[("if-none-match", "\"X\"")], plain, plain),
            // If-Modified-Since: only where there is no If-None-Match.
            (&[("if-modified-since", DATE)], NotModified, NotModified),
            (&[("if-modified-since", LATER)], NotModified, NotModified),
            (&[("if-modified-since", EARLIER)], plain, plain),
            (&[("if-modified-since", "never")], plain, plain),
            (&[("if-modified-since", DATE), ("if-modified-since", DATE)], plain, plain),
            (&[("if-none-match", "\"y\""), ("if-modified-since", LATER)], plain, plain),
            (&[("if-none-match", "\"x\""), ("if-modified-since", EARLIER)], NotModified, NotModified),
            // A failed precondition comes first.
            (&[("if-match", "\"y\""), ("if-none-match", "\"x\"")], Failed, Failed),
            (&[("if-unmodified-since", EARLIER), ("if-none-match", "\"x\"")], Failed, Failed),
            (&[("if-unmodified-since", LATER), ("if-modified-since", DATE)], NotModified, NotModified),
            // If-Range: after all others, strong.
            (&[("range", "bytes=0-")], Proceed(Apply), Proceed(Apply)),
            (&[("if-range", "\"x\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"x\"")], Proceed(Apply), plain),
            (&[("range", "bytes=0-"), ("if-range", "W/\"x\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"y\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"x\", \"y\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "*")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "\"x\""), ("if-range", "\"x\"")], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", DATE)], Proceed(Apply), Proceed(Apply)),
            (&[("range", "bytes=0-"), ("if-range", LATER)], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", EARLIER)], plain, plain),
            (&[("range", "bytes=0-"), ("if-range", "nonsense")], plain, plain),
            (&[("range", "bytes=0-"), ("if-none-match", "\"x\"")], NotModified, NotModified),
        ];
        for (fields, strong, weak) in rows {
            assert_eq!(judge(Strength::Strong, &Method::GET, fields), *strong, "{fields:?}");
            assert_eq!(judge(Strength::Weak, &Method::GET, fields), *weak, "weak: {fields:?}");
        }
    }

    #[test]
    fn head_has_conditions_and_no_ranges() {
        let judge = |fields| judge(Strength::Strong, &Method::HEAD, fields);
        assert_eq!(judge(&[("range", "bytes=0-")]), Proceed(Ignore));
        assert_eq!(judge(&[("if-none-match", "\"x\"")]), NotModified);
        assert_eq!(judge(&[("if-match", "\"y\"")]), Failed);
    }

    #[test]
    fn a_file_that_has_just_changed_has_a_weak_tag() {
        let metadata = std::fs::metadata(std::env::current_exe().unwrap()).unwrap();
        let nanoseconds = metadata.ctime_nsec().try_into().unwrap();
        let changed = UNIX_EPOCH + Duration::new(metadata.ctime().try_into().unwrap(), nanoseconds);
        let needed = if nanoseconds == 0 { SETTLED_COARSELY } else { SETTLED };
        let strength = |now| Validators::of(&metadata, "", now).strength;
        assert_eq!(strength(changed), Strength::Weak);
        assert_eq!(strength(changed + needed), Strength::Weak);
        assert_eq!(strength(changed + needed * 2), Strength::Strong);
        // A clock that was set back knows nothing.
        assert_eq!(strength(changed - needed), Strength::Weak);
        assert_eq!(strength(UNIX_EPOCH - needed), Strength::Weak);
    }

    #[test]
    fn what_the_header_says() {
        let path = std::env::current_exe().unwrap();
        let metadata = std::fs::metadata(path).unwrap();
        let long_ago = UNIX_EPOCH + Duration::from_secs(THEN);
        let mut headers = HeaderMap::new();
        Validators::of(&metadata, "br", long_ago).put(&mut headers);
        let tag = headers[header::ETAG].to_str().unwrap();
        assert!(tag.starts_with("W/\"") && tag.ends_with("-br\""), "{tag}");
        // RFC 9110 §8.8.2.1: in place of a date in the future, that of the answer.
        assert_eq!(headers[header::LAST_MODIFIED], DATE);
    }
}
