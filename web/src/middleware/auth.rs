//! [`BasicAuth`] and [`BearerAuth`]: whoever has no good credentials gets no further. A secret must never be shown by
//! `Debug`, logged, or compared byte by byte.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use subtle::ConstantTimeEq;
use trijet_core::{Next, Request, Response, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Check, Provided,
    fields::{Single, sentence, single},
};

/// Whether two secrets are the same, found out in a time that does not tell where they differ. It does tell whether
/// they are of the same length.
///
/// ```
/// use trijet_web::middleware::constant_time_eq;
/// assert!(constant_time_eq(b"secret", b"secret"));
/// assert!(!constant_time_eq(b"secret", b"sedate"));
/// ```
pub fn constant_time_eq(left: impl AsRef<[u8]>, right: impl AsRef<[u8]>) -> bool {
    left.as_ref().ct_eq(right.as_ref()).into()
}

/// A name and a password, as a client has sent them.
#[derive(Clone)]
pub struct Basic {
    /// The user's name. It has no colon.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A token, as a client has sent it.
#[derive(Clone)]
pub struct Bearer {
    /// The token: letters, digits and `-._~+/`, and `=` at its end.
    pub token: String,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

/// Asks for a name and a password (RFC 7617), and lets in who has good ones.
///
/// The check is a plain `fn`, which may block, as hashing a password does, or an `async fn`. It gives a user, which
/// handlers take as `Extension<User>`, or `None`: then the answer is 401 with `WWW-Authenticate`. It may fail with
/// a response of its own.
///
/// Passwords cross the network as they are: only over TLS. Guessing is slowed down by a [`RateLimit`](super::RateLimit)
/// around it.
///
/// ```
/// use trijet_core::{Router, extract::Extension, get};
/// use trijet_web::middleware::{Basic, BasicAuth, constant_time_eq};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// // May block: ask a database, hash with Argon2.
/// fn check(given: Basic) -> Option<User> {
///     // Compared also for a user that there is not: else the time tells which names there are.
///     let is_good = constant_time_eq(given.password, "lovelace");
///     (given.user == "ada" && is_good).then_some(User(given.user))
/// }
///
/// let app = Router::new()
///     .route("/", get(async |Extension(user): Extension<User>| user.0))
///     .wrap(BasicAuth::new("Reports", check));
/// let client = trijet_core::sim::TestClient::new(app);
/// let refused = client.get("/").send();
/// assert_eq!(refused.status, 401);
/// assert_eq!(refused.header("www-authenticate"), Some(r#"Basic realm="Reports", charset="UTF-8""#));
/// let answer = client.get("/").header("authorization", "Basic YWRhOmxvdmVsYWNl").send();
/// assert_eq!(answer.text(), "ada");
/// ```
#[derive(Clone)]
pub struct BasicAuth<F> {
    challenge: HeaderValue,
    check: F,
}

impl<F> BasicAuth<F> {
    /// Asks for the passwords of `realm`, a name that browsers show.
    ///
    /// # Panics
    /// If the realm has other characters than those of printable ASCII.
    #[track_caller]
    pub fn new<K>(realm: &str, check: F) -> Self
    where
        F: Check<Basic, K>,
    {
        // RFC 7617 §2.1.
        Self { challenge: challenge("Basic", realm, r#", charset="UTF-8""#), check }
    }
}

impl<F: Check<Basic, K>, K: 'static> Middleware<(Provided, K)> for BasicAuth<F> {
    async fn call(self, mut request: Request, next: Next) -> Answer {
        let Ok(basic) = basic(request.headers()) else { return unauthorized(self.challenge).into() };
        match self.check.check(basic).await {
            Ok(Some(user)) => {
                request.extensions_mut().insert(user);
                next.run(request).await.into()
            }
            Ok(None) => unauthorized(self.challenge).into(),
            Err(response) => Answer::from(*response),
        }
    }

    fn declare(_: &mut Needs) {}
}

/// Asks for a token (RFC 6750 §2.1), and lets in who has a good one.
///
/// The check is as that of [`BasicAuth`]. What is answered otherwise has `WWW-Authenticate`, as RFC 6750 §3 says:
/// 401 to who has no token, 401 with `error="invalid_token"` to who has a bad one, and 400 with
/// `error="invalid_request"` where the field is malformed or there twice. Tokens in forms and queries (§2.2, §2.3)
/// are not taken.
///
/// ```
/// use trijet_core::{Router, get};
/// use trijet_web::middleware::BearerAuth;
///
/// let app = Router::new().route("/", get(async || "data")).wrap(BearerAuth::token("api", "s3cr3t"));
/// let client = trijet_core::sim::TestClient::new(app);
/// assert_eq!(client.get("/").header("authorization", "Bearer s3cr3t").send().text(), "data");
/// let refused = client.get("/").header("authorization", "Bearer guess").send();
/// assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer realm="api", error="invalid_token""#));
/// ```
#[derive(Clone)]
pub struct BearerAuth<F> {
    challenges: Arc<Challenges>,
    check: F,
}

struct Challenges {
    plain: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
}

impl<F> BearerAuth<F> {
    /// Asks for the tokens of `realm`.
    ///
    /// # Panics
    /// If the realm has other characters than those of printable ASCII.
    #[track_caller]
    pub fn new<K>(realm: &str, check: F) -> Self
    where
        F: Check<Bearer, K>,
    {
        let challenges = Challenges {
            plain: challenge("Bearer", realm, ""),
            invalid_token: challenge("Bearer", realm, r#", error="invalid_token""#),
            invalid_request: challenge("Bearer", realm, r#", error="invalid_request""#),
        };
        Self { challenges: Arc::new(challenges), check }
    }
}

/// A future that is there already.
type Known = std::future::Ready<Option<KnownToken>>;

/// Stands for the user where all that is known is that the token is the one: [`BearerAuth::token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownToken(());

impl BearerAuth<fn(Bearer) -> Known> {
    /// Lets in who has this one token: see [`BearerAuth`]. It is compared in constant time.
    ///
    /// # Panics
    /// If the realm has other characters than those of printable ASCII, or the token is empty.
    #[track_caller]
    pub fn token(
        realm: &str,
        token: impl Into<String>,
    ) -> BearerAuth<impl Fn(Bearer) -> Known + Clone + Send + Sync + 'static> {
        let token: Arc<str> = token.into().into();
        assert!(!token.is_empty(), "an empty token would let nobody in");
        BearerAuth::new(realm, move |given: Bearer| {
            std::future::ready(constant_time_eq(given.token, token.as_bytes()).then_some(KnownToken(())))
        })
    }
}

impl<F: Check<Bearer, K>, K: 'static> Middleware<(Provided, K)> for BearerAuth<F> {
    async fn call(self, mut request: Request, next: Next) -> Answer {
        let bearer = match bearer(request.headers()) {
            Ok(bearer) => bearer,
            Err(Unusable::Missing) => return unauthorized(self.challenges.plain.clone()).into(),
            Err(Unusable::Malformed) => {
                let mut refused =
                    sentence(StatusCode::BAD_REQUEST, "The request's Authorization field is malformed.");
                refused.headers_mut().insert(WWW_AUTHENTICATE, self.challenges.invalid_request.clone());
                return refused.into();
            }
        };
        match self.check.check(bearer).await {
            Ok(Some(user)) => {
                request.extensions_mut().insert(user);
                next.run(request).await.into()
            }
            Ok(None) => unauthorized(self.challenges.invalid_token.clone()).into(),
            Err(response) => Answer::from(*response),
        }
    }

    fn declare(_: &mut Needs) {}
}

fn unauthorized(challenge: HeaderValue) -> Response {
    let mut response = sentence(StatusCode::UNAUTHORIZED, "This needs credentials, or better ones.");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// RFC 9110 §11.6.1: a challenge, its realm as a quoted string.
#[track_caller]
fn challenge(scheme: &str, realm: &str, parameters: &str) -> HeaderValue {
    let is_printable = realm.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    assert!(is_printable, "the realm {realm:?} has characters beyond printable ASCII");
    let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("{scheme} realm=\"{realm}\"{parameters}")).expect("printable ASCII")
}

/// Why there are no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unusable {
    /// None, or those of another scheme.
    Missing,
    Malformed,
}

/// What follows the scheme in `Authorization` (RFC 9110 §11.4), whose name is compared without case.
fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Result<&'h str, Unusable> {
    let value = match single(headers, AUTHORIZATION) {
        Single::None => return Err(Unusable::Missing),
        Single::One(value) => value.to_str().map_err(|_| Unusable::Malformed)?,
        Single::Several => return Err(Unusable::Malformed),
    };
    let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !name.eq_ignore_ascii_case(scheme) {
        return Err(Unusable::Missing);
    }
    Ok(rest.trim_matches(' '))
}

/// RFC 7617 §2. Clients leave the padding out now and then.
fn basic(headers: &HeaderMap) -> Result<Basic, Unusable> {
    const BASE64: general_purpose::GeneralPurpose = general_purpose::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        general_purpose::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let decoded = BASE64.decode(credentials(headers, "Basic")?).map_err(|_| Unusable::Malformed)?;
    let text = String::from_utf8(decoded).map_err(|_| Unusable::Malformed)?;
    // No control characters, in neither (§2).
    if text.chars().any(char::is_control) {
        return Err(Unusable::Malformed);
    }
    let (user, password) = text.split_once(':').ok_or(Unusable::Malformed)?;
    Ok(Basic { user: user.to_owned(), password: password.to_owned() })
}

/// RFC 6750 §2.1: `b64token`.
fn bearer(headers: &HeaderMap) -> Result<Bearer, Unusable> {
    let token = credentials(headers, "Bearer")?;
    let body = token.trim_end_matches('=');
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if body.is_empty() || !body.bytes().all(is_allowed) {
        return Err(Unusable::Malformed);
    }
    Ok(Bearer { token: token.to_owned() })
}

impl<F> fmt::Debug for BasicAuth<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for BearerAuth<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuth").field("challenge", &self.challenges.plain).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorized(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap())])
    }

    #[test]
    fn names_and_passwords() {
        let pair = |user: &str, password: &str| Ok((user.to_owned(), password.to_owned()));
        let basic = |headers: &HeaderMap| basic(headers).map(|basic| (basic.user, basic.password));
        let encoded = |text: &[u8]| format!("Basic {}", general_purpose::STANDARD.encode(text));
        for (value, expected) in [
            // RFC 7617 §2 and §2.1.
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(), pair("Aladdin", "open sesame")),
            ("Basic dGVzdDoxMjPCow==".to_owned(), pair("test", "123£")),
            ("bASIC  QWxhZGRpbjpvcGVuIHNlc2FtZQ== ".to_owned(), pair("Aladdin", "open sesame")),
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ".to_owned(), pair("Aladdin", "open sesame")),
            (encoded(b"a:b:c"), pair("a", "b:c")),
            (encoded(b":"), pair("", "")),
            (encoded(b"no colon"), Err(Unusable::Malformed)),
            (encoded(b"a:\0"), Err(Unusable::Malformed)),
            (encoded(b"a\n:b"), Err(Unusable::Malformed)),
            (encoded(b"\xff:b"), Err(Unusable::Malformed)),
            ("Basic".to_owned(), Err(Unusable::Malformed)),
            ("Basic !".to_owned(), Err(Unusable::Malformed)),
            ("Basic QWxh ZGRpbjpv".to_owned(), Err(Unusable::Malformed)),
            ("BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(), Err(Unusable::Missing)),
            ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(), Err(Unusable::Missing)),
            ("".to_owned(), Err(Unusable::Missing)),
            ("Basic \u{e9}".to_owned(), Err(Unusable::Malformed)),
        ] {
            assert_eq!(basic(&authorized(&value)), expected, "{value:?}");
        }
        assert_eq!(basic(&HeaderMap::new()), Err(Unusable::Missing));
        let mut twice = authorized(&encoded(b"a:b"));
        twice.append(AUTHORIZATION, twice[AUTHORIZATION].clone());
        assert_eq!(basic(&twice), Err(Unusable::Malformed));
    }

    #[test]
    fn tokens() {
        for (value, expected) in [
            ("Bearer mF_9.B5f-4.1JqM", Ok("mF_9.B5f-4.1JqM")),
            ("bearer a+/~==", Ok("a+/~==")),
            ("Bearer ", Err(Unusable::Malformed)),
            ("Bearer ==", Err(Unusable::Malformed)),
            ("Bearer a=b", Err(Unusable::Malformed)),
            ("Bearer two words", Err(Unusable::Malformed)),
            ("Bearer a,b", Err(Unusable::Malformed)),
            ("Basic a", Err(Unusable::Missing)),
        ] {
            let taken = bearer(&authorized(value));
            assert_eq!(
                taken.as_ref().map(|bearer| &*bearer.token).map_err(|error| *error),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let basic = Basic { user: "ada".into(), password: "lovelace".into() };
        let bearer = Bearer { token: "lovelace".into() };
        assert!(!format!("{basic:?} {bearer:?}").contains("lovelace"));
        assert!(format!("{basic:?}").contains("ada"));
    }

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(challenge("Basic", r#"a "b" \c"#, ""), r#"Basic realm="a \"b\" \\c""#);
    }

    #[test]
    #[should_panic(expected = "printable")]
    fn a_realm_is_text() {
        challenge("Basic", "a\r\nb", "");
    }
}
