//! The keys that cookies are signed and encrypted with: [`Keys`]. They never leave this file.

use std::{error::Error, fmt, sync::Arc};

use cookie::{Cookie, CookieJar, Key};

/// Keys for signed and private cookies: the one that new cookies are made with, and older ones by which those that are
/// still out there are read. Cheap to clone; the router holds them as a state.
///
/// The bytes come from a configuration, at least [`Keys::BYTES_MIN`] of them, and from a random source: as from
/// `openssl rand 64`. Words that somebody has thought of are no key.
///
/// Private cookies have random nonces of 96 bits: a key should be replaced before it has made 2³² of them
/// (NIST SP 800-38D §8.3).
///
/// ```
/// use trijet_web::cookies::Keys;
///
/// let (new, old) = ([7; 64], [8; 64]); // from a configuration
/// let keys = Keys::new(&new)?.with_old(&old)?;
/// assert_eq!(
///     Keys::new(b"secret").unwrap_err().to_string(),
///     "the key has 6 bytes: it must have at least 64, from a random source"
/// );
/// # Ok::<(), trijet_web::cookies::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Keys(Arc<[Key]>);

impl Keys {
    /// The fewest bytes of a key: 32 to sign with and 32 to encrypt with. More are allowed, and not used.
    pub const BYTES_MIN: usize = 64;

    /// Keys of which `key` is the only one.
    ///
    /// # Errors
    /// For fewer bytes than [`BYTES_MIN`](Self::BYTES_MIN).
    pub fn new(key: &[u8]) -> Result<Self, KeyError> {
        Ok(Self([one(key)?].into()))
    }

    /// A random key. What it has made nobody can read after the end of this process: for tests, and for where that is no
    /// matter.
    ///
    /// # Panics
    /// Where the system has no random numbers.
    pub fn generate() -> Self {
        Self([Key::generate()].into())
    }

    /// The same, and `key` to read with: it was the one before, or will be the next one on all servers.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_old(self, key: &[u8]) -> Result<Self, KeyError> {
        let old = one(key)?;
        Ok(Self(self.0.iter().cloned().chain([old]).collect()))
    }

    /// The first: there always is one.
    fn current(&self) -> &Key {
        &self.0[0]
    }

    /// `value`, which must be encoded, behind its signature.
    ///
    /// The crate signs the value of a cookie and not its name, so that a signed value could be sent under another name. So
    /// the name is signed with it, though it is not sent twice. No name holds the `=` that parts them.
    pub(super) fn sign(&self, name: &str, value: &str) -> String {
        let covered = covered(name, value);
        let mut jar = CookieJar::new();
        jar.signed_mut(self.current()).add(Cookie::new(name.to_owned(), covered.clone()));
        let signed = jar.get(name).map(Cookie::value).unwrap_or_default();
        let signature = signed.strip_suffix(&covered).unwrap_or_default();
        format!("{signature}{value}")
    }

    /// The encoded value, where its signature is right.
    pub(super) fn verify(&self, name: &str, signed: &str) -> Option<String> {
        let (signature, value) = (signed.get(..SIGNATURE)?, signed.get(SIGNATURE..)?);
        let whole = Cookie::new(name.to_owned(), format!("{signature}{}", covered(name, value)));
        let jar = CookieJar::new();
        let is_right = |key: &Key| jar.signed(key).verify(whole.clone()).is_some();
        self.0.iter().any(is_right).then(|| value.to_owned())
    }

    /// `value`, sealed and in characters that a cookie can have.
    pub(super) fn encrypt(&self, name: &str, value: &str) -> String {
        let mut jar = CookieJar::new();
        jar.private_mut(self.current()).add(Cookie::new(name.to_owned(), value.to_owned()));
        jar.get(name).map(Cookie::value).unwrap_or_default().to_owned()
    }

    /// The value, where the seal is right.
    pub(crate) fn decrypt(&self, name: &str, sealed: &str) -> Option<String> {
        let sealed = Cookie::new(name.to_owned(), sealed.to_owned());
        let jar = CookieJar::new();
        let opened = self.0.iter().find_map(|key| jar.private(key).decrypt(sealed.clone()))?;
        Some(opened.value().to_owned())
    }
}

/// 32 bytes in Base64.
const SIGNATURE: usize = 44;

fn covered(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

fn one(key: &[u8]) -> Result<Key, KeyError> {
    Key::try_from(key).map_err(|_| KeyError { bytes: key.len() })
}

/// How many there are, and nothing of what they are.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("keys", &self.0.len()).finish_non_exhaustive()
    }
}

/// A key that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    bytes: usize,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, min) = (self.bytes, Keys::BYTES_MIN);
        write!(f, "the key has {bytes} bytes: it must have at least {min}, from a random source")
    }
}

impl Error for KeyError {}
