//! [`Session`]: the session of one request, as handlers see it. It waits for no store: it was loaded when the handler took it,
//! and is saved after.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::request::Parts;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use trijet_core::{
    FromRequestParts,
    extract::{Context, Rejection},
};

use super::{
    SessionError, Settings,
    data::{Data, is_readable},
    layer::refused,
};

/// The session of a request: an extractor, behind the middleware [`Sessions`](super::Sessions). Without that it answers 500
/// with a log line. Where the store fails, it does so too; where that has no thread, it answers 503.
///
/// It holds values of any type that `serde` knows, by their names. Its methods do not wait, and work in both kinds of handlers;
/// clones are the same session.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    /// What the cookie of the request holds.
    pub(super) token: Option<String>,
    state: Mutex<State>,
}

/// What has become of it in this request.
pub(super) struct State {
    /// `None` as long as nobody has asked.
    pub(super) data: Option<Data>,
    /// Whether it was there before this request.
    pub(super) is_known: bool,
    pub(super) is_changed: bool,
    pub(super) is_renewed: bool,
    /// What was there is to go.
    pub(super) is_destroyed: bool,
}

impl Session {
    pub(super) fn new(settings: Arc<Settings>, token: Option<String>) -> Self {
        let state =
            State { data: None, is_known: false, is_changed: false, is_renewed: false, is_destroyed: false };
        Self(Arc::new(Shared { settings, token, state: Mutex::new(state) }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under this lock but `serde`'s code of the app, which changes nothing here.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of this name, if there is one.
    ///
    /// # Errors
    /// Where it is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        let value = self.state().data.as_ref().and_then(|data| data.values.get(name).cloned());
        value.map(serde_json::from_value).transpose().map_err(SessionError::OtherType)
    }

    /// Sets the value of this name.
    ///
    /// # Errors
    /// Where it cannot be written as JSON that can be read again, or the session would be too large: then it stays as it was.
    pub fn insert(
        &self,
        name: impl Into<String>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), SessionError> {
        let name = name.into();
        let value = serde_json::to_value(value).map_err(SessionError::Unwritable)?;
        if !is_readable(&value) {
            let error = serde::ser::Error::custom("it is nested too deep to be read again");
            return Err(SessionError::Unwritable(error));
        }
        let mut state = self.state();
        let now = self.0.settings.now();
        let data = state.data.get_or_insert_with(|| Data::new(now));
        let former = data.values.insert(name.clone(), value);
        if data.bytes() > self.0.settings.data_bytes_max {
            match former {
                Some(former) => data.values.insert(name, former),
                None => data.values.remove(&name),
            };
            return Err(SessionError::TooLarge);
        }
        state.is_changed = true;
        Ok(())
    }

    /// Removes the value of this name, and tells whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let mut state = self.state();
        let removed = state.data.as_mut().and_then(|data| data.values.remove(name));
        state.is_changed |= removed.is_some();
        removed.is_some()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.state().data.as_ref().is_none_or(|data| data.values.is_empty())
    }

    /// Goes on under another id, and the one so far is of no use to anybody: **call it whenever the rights of the user change,
    /// at the login first of all**. Else who has planted an id in a browser, or has seen it, is logged in as well.
    pub fn renew(&self) {
        self.state().is_renewed = true;
    }

    /// Ends it: what it holds is forgotten here and in the store, and the cookie is removed. What is written afterwards is a
    /// new session.
    pub fn destroy(&self) {
        let now = self.0.settings.now();
        let mut state = self.state();
        state.data = Some(Data::new(now));
        state.is_destroyed = true;
        state.is_changed = false;
    }

    /// All values, for the app's own eyes.
    pub fn values(&self) -> Vec<(String, Value)> {
        let state = self.state();
        let values = state.data.iter().flat_map(|data| &data.values);
        values.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// A session that nobody has asked for yet, in the extensions of its request.
#[derive(Clone)]
pub(super) struct Unasked(pub(super) Session);

impl FromRequestParts for Session {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        let Some(Unasked(session)) = parts.extensions.get().cloned() else {
            let route = context.route().unwrap_or("no route");
            return Err(Rejection::internal(
                format!("Session on `{route}`: there is no middleware Sessions around it").into(),
            ));
        };
        session.load().await.map_err(|error| refused(error, "loaded"))?;
        Ok(session)
    }
}

/// Nothing of what it holds.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
