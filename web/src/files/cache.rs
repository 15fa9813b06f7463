//! [`Cache`]: what `Cache-Control` says of a file.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

/// How long caches may use a file without asking, in `Cache-Control` (RFC 9111 §5.2.2).
///
/// The default is [`revalidated`](Self::revalidated): what is shown is never old, and what has not changed is not sent
/// again.
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
pub struct Cache(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Revalidated,
    Hashed,
    Value(HeaderValue),
    By(Arc<Chooser>),
}

type Chooser = dyn Fn(&str) -> Option<HeaderValue> + Send + Sync;

const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

impl Cache {
    /// `no-cache`: kept, and asked for each time; what has not changed is answered with 304.
    pub fn revalidated() -> Self {
        Self(Kind::Revalidated)
    }

    /// `public, max-age=…`: used for so long without asking.
    pub fn lasting(time: Duration) -> Self {
        let value = HeaderValue::try_from(format!("public, max-age={}", time.as_secs()));
        // Of digits and these words, it is a value.
        Self(Kind::Value(value.unwrap_or(REVALIDATED)))
    }

    /// `public, max-age=31536000, immutable` (RFC 8246): never asked for again. For folders whose files have names
    /// that change with their content, as build tools make them.
    pub fn immutable() -> Self {
        Self(Kind::Value(IMMUTABLE))
    }

    /// As [`immutable`](Self::immutable) for names that hold a hash, `app.3f9a0c21.js` for example; as
    /// [`revalidated`](Self::revalidated) for all others.
    ///
    /// A hash stands between `.`, `-` or `_` before it and a `.` behind it, and has at least 8 hexadecimal digits in
    /// lower case, of which some are letters and some are not: so a date is none. Hashes in other alphabets look
    /// like words: give their folder [`immutable`](Self::immutable), or say by [`by`](Self::by) what they are.
    pub fn hashed() -> Self {
        Self(Kind::Hashed)
    }

    /// Each file by its path in the folder; `None` is no `Cache-Control`.
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
        Self(Kind::By(Arc::new(choose)))
    }

    /// What it says of the file at `path`.
    pub(super) fn value(&self, path: &str) -> Option<HeaderValue> {
        match &self.0 {
            Kind::Revalidated => Some(REVALIDATED),
            Kind::Hashed if is_hashed(path) => Some(IMMUTABLE),
            Kind::Hashed => Some(REVALIDATED),
            Kind::Value(value) => Some(value.clone()),
            Kind::By(choose) => choose(path),
        }
    }
}

const HASH_DIGITS_MIN: usize = 8;

fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, _)) = name.rsplit_once('.') else { return false };
    // Behind the name proper, and before any of the extensions: `app.3f9a0c21.js.map`.
    stem.split(['.', '-', '_'])
        .skip(1)
        .zip(separators(name))
        .any(|(part, behind)| behind == '.' && part.len() >= HASH_DIGITS_MIN && is_hash(part))
}

/// What stands behind each part of `name` but its first.
fn separators(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|character| matches!(character, '.' | '-' | '_')).skip(1)
}

fn is_hash(part: &str) -> bool {
    let is_hexadecimal = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = part.bytes().any(|byte| byte.is_ascii_lowercase());
    is_hexadecimal && has_digit && has_letter
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Revalidated => f.write_str("Cache(no-cache)"),
            Kind::Hashed => f.write_str("Cache(hashed)"),
            Kind::Value(value) => write!(f, "Cache({value:?})"),
            Kind::By(_) => f.write_str("Cache(by a function)"),
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
        let by = Cache::by(|path| (path == "a").then(|| HeaderValue::from_static("no-store")));
        assert_eq!(value(by.clone(), "a").as_deref(), Some("no-store"));
        assert_eq!(value(by, "b"), None);
    }
}
