//! [`Cache`]: what `Cache-Control` says of a file.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

/// How long caches may use a file without asking, in `Cache-Control` (RFC 9111 §5.2.2).
///
/// The default is [`revalidated`](Self::revalidated): what is shown is never old, and what has not changed is not sent
/// again. A file that was changed within the last two seconds may still be written to: whatever is set, it is to be asked
/// for each time.
///
/// ```
/// use std::time::Duration;
/// use trijet_web::files::{Cache, Files};
///
/// let pages = Files::dir("public");
/// let bundles = Files::dir("public/assets").cache(Cache::immutable());
/// let photos = Files::dir("photos").cache(Cache::lasting(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Default)]
pub struct Cache {
    kind: Kind,
    audience: Audience,
}

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Revalidated,
    Lasting(Duration),
    Immutable,
    Hashed,
    By(Arc<Chooser>),
}

/// Whose caches may keep an answer.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Audience {
    #[default]
    Public,
    /// Only the one's who asked.
    Private,
}

type Chooser = dyn Fn(&str) -> Option<HeaderValue> + Send + Sync;

const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");
const PRIVATE_REVALIDATED: HeaderValue = HeaderValue::from_static("private, no-cache");

impl Cache {
    /// `no-cache`: kept, and asked for each time; what has not changed is answered with 304.
    pub fn revalidated() -> Self {
        Kind::Revalidated.into()
    }

    /// `public, max-age=…`: used for so long without asking.
    pub fn lasting(time: Duration) -> Self {
        Kind::Lasting(time).into()
    }

    /// `public, max-age=31536000, immutable` (RFC 8246): never asked for again. For folders whose files have names
    /// that change with their content, as build tools make them.
    pub fn immutable() -> Self {
        Kind::Immutable.into()
    }

    /// As [`immutable`](Self::immutable) for names that hold a hash, `app.3f9a0c21.js` for example; as
    /// [`revalidated`](Self::revalidated) for all others.
    ///
    /// A hash stands between `.`, `-` or `_` before it and a `.` behind it, and has at least 8 hexadecimal digits in
    /// lower case, of which some are letters and some are not. Where a name has two such parts, or they are a UUID,
    /// or it begins as a date does (`2024010a`), it is none. Hashes in other alphabets look
    /// like words: give their folder [`immutable`](Self::immutable), or say by [`by`](Self::by) what they are.
    pub fn hashed() -> Self {
        Kind::Hashed.into()
    }

    /// `private` in place of `public`: for files that not everybody may see. With `public`, a cache that many share may
    /// keep even what was asked for with `Authorization` (RFC 9111 §3.5), and answer others with it; by cookies it
    /// does not tell its users apart at all. What [`by`](Self::by) says stays as it is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use trijet_web::files::{Cache, Files};
    /// let reports = Files::dir("reports").cache(Cache::lasting(Duration::from_secs(3600)).private());
    /// ```
    #[must_use]
    pub fn private(self) -> Self {
        Self { audience: Audience::Private, ..self }
    }

    /// Each file by its path in the folder; `None` is no `Cache-Control`. Where an answer is to be asked for each time (a
    /// file that was just changed, an index in place of what is missing, a list of names, which has the path of its folder
    /// with a slash), `no-store` and `no-cache` stay as they are; all else is `no-cache`, and `private` if that is said.
    ///
    /// ```
    /// # use trijet_web::files::Cache;
    /// # use http::HeaderValue;
    /// let cache = Cache::by(|path| {
    ///     let value = if path.ends_with(".html") { "no-cache" } else { "public, max-age=600" };
    ///     Some(HeaderValue::from_static(value))
    /// });
    /// ```
    pub fn by(choose: impl Fn(&str) -> Option<HeaderValue> + Send + Sync + 'static) -> Self {
        Kind::By(Arc::new(choose)).into()
    }

    /// What it says of the file at `path`.
    pub(super) fn value(&self, path: &str) -> Option<HeaderValue> {
        let is_immutable = match &self.kind {
            Kind::By(choose) => return choose(path),
            Kind::Lasting(time) => return Some(self.lasting_value(*time)),
            Kind::Revalidated => false,
            Kind::Immutable => true,
            Kind::Hashed => is_hashed(path),
        };
        if !is_immutable {
            return Some(self.revalidated_value());
        }
        Some(HeaderValue::from_static(match self.audience {
            Audience::Public => "public, max-age=31536000, immutable",
            Audience::Private => "private, max-age=31536000, immutable",
        }))
    }

    /// What it says where an answer is to be asked for each time, however long the file at `path` lasts.
    pub(super) fn asked_each_time(&self, path: &str) -> HeaderValue {
        let Kind::By(choose) = &self.kind else { return self.revalidated_value() };
        // The app's own word, as far as that goes.
        let Some(value) = choose(path) else { return REVALIDATED };
        if says(&value, "no-store") || says(&value, "no-cache") {
            return value;
        }
        if says(&value, "private") { PRIVATE_REVALIDATED } else { REVALIDATED }
    }

    fn revalidated_value(&self) -> HeaderValue {
        match self.audience {
            Audience::Public => REVALIDATED,
            Audience::Private => PRIVATE_REVALIDATED,
        }
    }

    fn lasting_value(&self, time: Duration) -> HeaderValue {
        let audience = match self.audience {
            Audience::Public => "public",
            Audience::Private => "private",
        };
        // Of digits and these words, it is a value.
        HeaderValue::try_from(format!("{audience}, max-age={}", time.as_secs())).unwrap_or(REVALIDATED)
    }
}

/// Whether this directive is among them, by itself: with a value, `no-cache` is about some fields alone (RFC 9111 §5.2.2.4).
fn says(value: &HeaderValue, directive: &str) -> bool {
    let mut directives = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    directives.any(|said| said.eq_ignore_ascii_case(directive.as_bytes()))
}

impl From<Kind> for Cache {
    fn from(kind: Kind) -> Self {
        Self { kind, audience: Audience::default() }
    }
}

const HASH_DIGITS_MIN: usize = 8;

fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let parts: Vec<&str> = name.split(SEPARATORS).collect();
    let mut hashes = parts.iter().enumerate().filter(|(_, part)| is_hash(part));
    // Where there are two, one of them is something else.
    let (Some((place, _)), None) = (hashes.next(), hashes.next()) else { return false };
    if place == 0 || place + 1 == parts.len() || parts.windows(5).any(is_uuid) {
        return false;
    }
    // Behind the name proper, and before any of the extensions: `app.3f9a0c21.js.map`.
    let behind: usize = parts[..=place].iter().map(|part| part.len() + 1).sum();
    name.as_bytes().get(behind - 1) == Some(&b'.')
}

const SEPARATORS: [char; 3] = ['.', '-', '_'];

fn is_hash(part: &&str) -> bool {
    let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = part.bytes().any(|byte| byte.is_ascii_lowercase());
    part.len() >= HASH_DIGITS_MIN && is_hexadecimal(part) && has_digit && has_letter && !begins_as_date(part)
}

fn is_hexadecimal(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// RFC 9562 §4: it says nothing of the content.
fn is_uuid(parts: &[&str]) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    parts.iter().zip(lengths).all(|(part, length)| part.len() == length && is_hexadecimal(part))
}

/// A year of these centuries and a month. One hash of 7,000 looks like that, and is asked for each time.
fn begins_as_date(part: &str) -> bool {
    let (century, month) = (part.get(..2), part.get(4..6).and_then(|month| month.parse::<u8>().ok()));
    let is_year = part.bytes().take(4).all(|byte| byte.is_ascii_digit());
    matches!(century, Some("19" | "20")) && is_year && matches!(month, Some(1..=12))
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Hashed => f.write_str("Cache(hashed)"),
            Kind::By(_) => f.write_str("Cache(by a function)"),
            Kind::Revalidated | Kind::Lasting(_) | Kind::Immutable => {
                write!(f, "Cache({:?})", self.value("").unwrap_or(REVALIDATED))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_hash() {
        for (path, expected) in [
            ("app.3f9a0c21.js", true),
            ("a/b/app-3f9a0c21.min.css", true),
            ("app.3f9a0c21.js.map", true),
            ("main_0123456789abcdef0123456789abcdef.woff2", true),
            ("app.js", false),
            ("app.3f9a0c2.js", false),
            ("report-20261130.pdf", false),
            ("the-deadbeef.txt", false),
            ("app.3F9A0C21.js", false),
            ("3f9a0c21.js", false),
            ("app-3f9a0c21", false),
            ("app-3f9a0c21-old.js", false),
            ("app.3f9a0c21.d/readme.txt", false),
            ("app.DiwrgTda.js", false),
            // UUIDs, with their first group behind something and without.
            ("550e8400-e29b-41d4-a716-446655440000.pdf", false),
            ("invoice-550e8400-e29b-41d4-a716-446655440000.pdf", false),
            ("invoice.12345678-e29b-41d4-a716-44665544000f.pdf", false),
            ("550e8400-e29b-41d4-a716-446655440000.3f9a0c21.js", false),
            // Dates with a letter, and what is near one.
            ("notes-2024010a.txt", false),
            ("notes.19991231b.txt", false),
            ("notes-2024130a.txt", true),
            ("notes-2124010a.txt", true),
            ("app-20f40a1c.js", true),
            // Two.
            ("3f9a0c21.4f9a0c21.js", false),
            ("app-3f9a0c21.4f9a0c21.js", false),
            ("app.3f9a0c21", false),
            (".3f9a0c21.js", true),
            ("app..3f9a0c21..js", true),
            ("", false),
        ] {
            assert_eq!(is_hashed(path), expected, "{path}");
        }
    }

    #[test]
    fn what_caches_are_told() {
        let value = |cache: Cache, path| cache.value(path).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(value(Cache::default(), "a").as_deref(), Some("no-cache"));
        assert_eq!(
            value(Cache::lasting(Duration::from_millis(60_900)), "a").as_deref(),
            Some("public, max-age=60")
        );
        assert_eq!(value(Cache::hashed(), "a.js").as_deref(), Some("no-cache"));
        let immutable = Some("public, max-age=31536000, immutable");
        assert_eq!(value(Cache::hashed(), "a.3f9a0c21.js").as_deref(), immutable);
        assert_eq!(value(Cache::immutable(), "a.js").as_deref(), immutable);
        let private = value(Cache::immutable().private(), "a.js");
        assert_eq!(private.as_deref(), Some("private, max-age=31536000, immutable"));
        assert_eq!(value(Cache::default().private(), "a").as_deref(), Some("private, no-cache"));
        assert_eq!(value(Cache::hashed().private(), "a").as_deref(), Some("private, no-cache"));
        let hour = Cache::lasting(Duration::from_secs(3600)).private();
        assert_eq!(value(hour, "a").as_deref(), Some("private, max-age=3600"));
        let by = Cache::by(|path| (path == "a").then(|| HeaderValue::from_static("no-store")));
        assert_eq!(value(by.clone(), "a").as_deref(), Some("no-store"));
        assert_eq!(value(by, "b"), None);
    }

    #[test]
    fn what_is_asked_for_each_time() {
        for (cache, expected) in [
            (Cache::default(), "no-cache"),
            (Cache::lasting(Duration::from_secs(60)), "no-cache"),
            (Cache::immutable(), "no-cache"),
            (Cache::hashed(), "no-cache"),
            (Cache::immutable().private(), "private, no-cache"),
            (Cache::by(|_| None), "no-cache"),
        ] {
            assert_eq!(cache.asked_each_time("a.3f9a0c21.js"), expected, "{cache:?}");
        }
        for (said, expected) in [
            ("public, max-age=600", "no-cache"),
            ("private, max-age=600", "private, no-cache"),
            ("max-age=60,Private", "private, no-cache"),
            ("no-store", "no-store"),
            ("private, No-Store", "private, No-Store"),
            ("public, no-cache", "public, no-cache"),
            ("no-cache=\"set-cookie\", max-age=9", "no-cache"),
        ] {
            let by = Cache::by(move |path| (path == "a").then(|| HeaderValue::from_static(said)));
            assert_eq!(by.asked_each_time("a"), expected, "{said}");
        }
    }
}
