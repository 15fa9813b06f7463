//! What the middleware does around a handler: it hands the session in, loads it when it is asked for, and saves it with the
//! response. Ids are made and hashed here, and nowhere else.

use std::{fmt::Write, time::Duration};

use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, VARY},
};
use sha2::{Digest, Sha256};
use trijet_core::{
    BoxError, IntoResponse, Next, Request, Response,
    extract::{Needs, Rejection},
    jobs::JobError,
    middleware::Middleware,
    respond::{Answer, IntoResponseParts},
};

use super::{
    Place, Session, Sessions, Settings,
    data::Data,
    session::{State, Unasked},
};
use crate::cookies::{self, CookieJar};

/// Marks [`Sessions`] as a middleware.
#[derive(Debug)]
pub enum Remembered {}

impl Middleware<Remembered> for Sessions {
    fn call(self, mut request: Request, next: Next) -> impl Future<Output = Answer> + Send + 'static {
        let token = cookies::find(request.headers(), self.0.cookie.name()).map(str::to_owned);
        let session = Session::new(self.0, token);
        request.extensions_mut().insert(Unasked(session.clone()));
        let answer = next.run(request);
        async move {
            let mut response = answer.await;
            if response.status() != StatusCode::INTERNAL_SERVER_ERROR {
                if let Err(error) = session.save(&mut response).await {
                    return refused(error, "saved").into_response().into();
                }
            }
            response.into()
        }
    }

    fn declare(_: &mut Needs) {}
}

/// Of a store that gave an error. One that had no thread answers as all do that have none.
pub(super) fn refused(error: BoxError, what: &str) -> Rejection {
    match error.downcast::<JobError>() {
        Ok(error) => (*error).into(),
        Err(error) => Rejection::internal(format!("a session could not be {what}: {error}").into()),
    }
}

impl Session {
    /// Loads it, unless that was done before.
    pub(super) async fn load(&self) -> Result<(), BoxError> {
        if self.state().data.is_some() {
            return Ok(());
        }
        let known = match &self.0.token {
            Some(token) => self.0.settings.find(token).await?,
            None => None,
        };
        let now = self.0.settings.now();
        let mut state = self.state();
        if state.data.is_none() {
            state.is_known = known.is_some();
            state.data = Some(known.unwrap_or_else(|| Data::new(now)));
        }
        Ok(())
    }

    /// Does in the store, and with the cookie, what has become of it.
    async fn save(&self, response: &mut Response) -> Result<(), BoxError> {
        let settings = &self.0.settings;
        let now = settings.now();
        let (data, change) = {
            let state = self.state();
            let Some(data) = state.data.clone() else { return Ok(()) };
            (data, Change::of(&state, settings))
        };
        response.headers_mut().append(VARY, HeaderValue::from_static("cookie"));
        let old = self.0.token.as_deref();
        let jar = match change {
            Change::None => return Ok(()),
            Change::Seen => settings.touch(old, &data, now).await?,
            Change::Destroyed if old.is_none() => return Ok(()),
            Change::Destroyed => {
                settings.forget(old).await?;
                CookieJar::new().remove(settings.cookie.clone())
            }
            Change::Changed => settings.update(old, data, now).await?,
            Change::New => settings.insert(data, now).await?.jar,
            Change::Replaced => {
                settings.forget(old).await?;
                settings.insert(data, now).await?.jar
            }
            Change::Moved => {
                // In this order, a store that fails between the two takes nothing from the user.
                let moved = settings.insert(data, now).await?;
                if !settings.forget(old).await? {
                    settings.take_back(moved).await?;
                    ended();
                    return Ok(());
                }
                moved.jar
            }
        };
        if jar.is_empty() {
            return Ok(());
        }
        jar.apply(response)?;
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
        Ok(())
    }
}

/// What is to be done.
enum Change {
    None,
    /// It was looked at.
    Seen,
    Destroyed,
    Changed,
    New,
    /// It was destroyed, and another begun.
    Replaced,
    /// It gets another id.
    Moved,
}

impl Change {
    fn of(state: &State, settings: &Settings) -> Self {
        let has_values = state.data.as_ref().is_some_and(|data| !data.values.is_empty());
        let is_written = state.is_changed && has_values;
        match (state.is_known, state.is_destroyed) {
            (_, true) if is_written => Self::Replaced,
            (_, true) => Self::Destroyed,
            (true, false) if state.is_renewed => Self::Moved,
            (true, false) if state.is_changed => Self::Changed,
            (true, false) => Self::seen(settings),
            (false, false) if is_written => Self::New,
            (false, false) => Self::None,
        }
    }

    /// A store counts idle time by itself, from when it was told last. A cookie is all that there is of its session: set anew for
    /// a request that has only read, it would bring back what another one has changed or ended meanwhile.
    fn seen(settings: &Settings) -> Self {
        match settings.place {
            Place::Store(_) => Self::Seen,
            Place::Cookie(_) => Self::None,
        }
    }
}

/// A session that was begun: the cookie for it, and under what it is in the store.
struct Inserted {
    jar: CookieJar,
    id: Option<String>,
}

impl Settings {
    /// The session with this token, if there is one and its time is not over.
    async fn find(&self, token: &str) -> Result<Option<Data>, BoxError> {
        let now = self.now();
        let data = match &self.place {
            Place::Store(store) => {
                let Some(id) = id_of(token) else { return Ok(None) };
                let Some(bytes) = store.load(&id).await? else { return Ok(None) };
                let data = Data::from_bytes(&bytes);
                if data.is_none() {
                    log::warn!("the store of sessions has an entry that is none");
                }
                data.filter(|data| self.left(data, now).is_some())
            }
            Place::Cookie(keys) => {
                let data = keys.decrypt(&self.sealed_as(), token);
                let data = data.and_then(|data| Data::from_bytes(data.as_bytes()));
                let is_fresh = |data: &Data| now.saturating_sub(data.written) < self.idle_timeout.as_secs();
                data.filter(|data| is_fresh(data) && self.left(data, now).is_some())
            }
        };
        Ok(data)
    }

    /// How long it is to be kept, unless it is over.
    fn left(&self, data: &Data, now: u64) -> Option<Duration> {
        let age = Duration::from_secs(now.saturating_sub(data.created));
        let left = self.lifetime.checked_sub(age).filter(|left| !left.is_zero())?;
        Some(left.min(self.idle_timeout))
    }

    async fn insert(&self, mut data: Data, now: u64) -> Result<Inserted, BoxError> {
        data.written = now;
        let Place::Store(store) = &self.place else {
            return Ok(Inserted { jar: self.seal(data, now)?, id: None });
        };
        let token = new_token()?;
        let id = id_of(&token).ok_or("a new id is none")?;
        let Some(left) = self.left(&data, now) else {
            return Ok(Inserted { jar: CookieJar::new(), id: None });
        };
        store.insert(&id, data.to_bytes(), left).await?;
        Ok(Inserted { jar: self.set(token), id: Some(id) })
    }

    /// Nobody has been told of it.
    async fn take_back(&self, inserted: Inserted) -> Result<(), BoxError> {
        if let (Place::Store(store), Some(id)) = (&self.place, inserted.id) {
            store.remove(&id).await?;
        }
        Ok(())
    }

    async fn update(&self, token: Option<&str>, mut data: Data, now: u64) -> Result<CookieJar, BoxError> {
        data.written = now;
        let (Place::Store(store), Some((token, id))) = (&self.place, known(token)) else {
            return self.seal(data, now);
        };
        let is_kept = match self.left(&data, now) {
            Some(left) => store.update(&id, data.to_bytes(), left).await?,
            None => false,
        };
        if !is_kept {
            ended();
            return Ok(CookieJar::new());
        }
        Ok(self.set_again(token))
    }

    async fn touch(&self, token: Option<&str>, data: &Data, now: u64) -> Result<CookieJar, BoxError> {
        let (Place::Store(store), Some((token, id))) = (&self.place, known(token)) else {
            return Ok(CookieJar::new());
        };
        if !self.seen.is_due(&id, data.written, now, self.unseen_max()) {
            return Ok(CookieJar::new());
        }
        // Without the data: another request may have changed it meanwhile.
        let is_kept = match self.left(data, now) {
            Some(left) => store.touch(&id, left).await?,
            None => false,
        };
        Ok(if is_kept { self.set_again(token) } else { CookieJar::new() })
    }

    /// Tells whether there was anything.
    async fn forget(&self, token: Option<&str>) -> Result<bool, BoxError> {
        match (&self.place, known(token)) {
            (Place::Store(store), Some((_, id))) => store.remove(&id).await,
            (Place::Store(_), None) => Ok(false),
            (Place::Cookie(_), _) => Ok(true),
        }
    }

    fn set(&self, token: String) -> CookieJar {
        CookieJar::new().set(self.cookie.clone().with_value(token))
    }

    /// The browser has it already; it forgets it in time, unless that begins anew.
    fn set_again(&self, token: &str) -> CookieJar {
        if self.cookie.lasts().is_some() { self.set(token.to_owned()) } else { CookieJar::new() }
    }

    /// A cookie that holds it all.
    fn seal(&self, data: Data, now: u64) -> Result<CookieJar, BoxError> {
        let Place::Cookie(keys) = &self.place else { return Err("a session of a store has no id".into()) };
        if self.left(&data, now).is_none() {
            return Ok(CookieJar::new().remove(self.cookie.clone()));
        }
        let json = String::from_utf8(data.to_bytes())?;
        let cookie = self.cookie.clone().with_value(json);
        Ok(CookieJar::new().set_private_as(&self.sealed_as(), cookie, keys))
    }

    /// What its cookie is sealed with: with the name alone, a private cookie of that name and the same keys would be a session,
    /// and what an app puts there may be a user's. No cookie's name has an `=` in it.
    fn sealed_as(&self) -> String {
        format!("session={}", self.cookie.name())
    }
}

/// It was destroyed, renewed or over since it was loaded: it must not come back. The cookie is left alone, as it may be that
/// of the renewed one by now.
fn ended() {
    log::debug!("a session has ended while a request was changing it");
}

/// Bytes of an id: twice what OWASP asks for (128 bits), as it costs nothing.
const TOKEN_BYTES: usize = 32;

fn new_token() -> Result<String, BoxError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::getrandom(&mut bytes).map_err(|error| format!("the system has no random numbers: {error}"))?;
    Ok(hex(&bytes))
}

/// Under what a store keeps the session of this token; `None` for what was never one of ours.
fn id_of(token: &str) -> Option<String> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_one = token.len() == 2 * TOKEN_BYTES && token.bytes().all(is_hex);
    is_one.then(|| hex(&Sha256::digest(token)))
}

fn known(token: Option<&str>) -> Option<(&str, String)> {
    token.and_then(|token| Some((token, id_of(token)?)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}
