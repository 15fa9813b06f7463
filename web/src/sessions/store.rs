//! Where sessions are kept: [`SessionStore`], and [`BlockingSessionStore`] for clients that block.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use trijet_core::{BoxError, jobs, rt};

/// Keeps bytes under ids, each for a while. The ids are 64 characters of `0` to `9` and `a` to `f`, and say nothing about
/// those of the cookies. Its futures must not block, on any backend; a client that blocks is a [`BlockingSessionStore`].
///
/// An error is a 500 for the request, and a line in the log; a [`JobError`](jobs::JobError) is what that is as a response.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{BoxError, rt::TcpStream};
/// use trijet_web::sessions::SessionStore;
///
/// /// Speaks some protocol of lines with a server that keeps them.
/// struct Remote(std::net::SocketAddr);
///
/// impl Remote {
///     async fn ask(&self, line: String) -> Result<Vec<u8>, BoxError> {
///         let mut stream = TcpStream::connect(self.0).await?;
///         stream.write_all(line.as_bytes()).await?;
///         let mut answer = vec![0; 1024];
///         let count = stream.read(&mut answer).await?;
///         answer.truncate(count);
///         Ok(answer)
///     }
/// }
///
/// impl SessionStore for Remote {
///     async fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
///         let data = self.ask(format!("GET {id}\n")).await?;
///         Ok((!data.is_empty()).then_some(data))
///     }
///
///     async fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError> {
///         let data = String::from_utf8(data)?;
///         self.ask(format!("SET {id} {} {data}\n", keep.as_secs())).await?;
///         Ok(())
///     }
///
///     async fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError> {
///         let data = String::from_utf8(data)?;
///         Ok(self.ask(format!("REPLACE {id} {} {data}\n", keep.as_secs())).await? == b"yes")
///     }
///
///     async fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
///         Ok(self.ask(format!("KEEP {id} {}\n", keep.as_secs())).await? == b"yes")
///     }
///
///     async fn remove(&self, id: &str) -> Result<bool, BoxError> {
///         Ok(self.ask(format!("REMOVE {id}\n")).await? == b"yes")
///     }
/// }
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// What is kept under this id.
    fn load(&self, id: &str) -> impl Future<Output = Result<Option<Vec<u8>>, BoxError>> + Send;

    /// Keeps `data` under an id that is new.
    fn insert(
        &self,
        id: &str,
        data: Vec<u8>,
        keep: Duration,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Keeps `data` in place of what is there, and tells whether there was anything. Else it must keep nothing, or a session
    /// that somebody has just ended would come back.
    fn update(
        &self,
        id: &str,
        data: Vec<u8>,
        keep: Duration,
    ) -> impl Future<Output = Result<bool, BoxError>> + Send;

    /// Keeps what is there so much longer, from now on, and tells whether there is anything.
    fn touch(&self, id: &str, keep: Duration) -> impl Future<Output = Result<bool, BoxError>> + Send;

    /// Forgets what is there, and tells whether there was anything.
    fn remove(&self, id: &str) -> impl Future<Output = Result<bool, BoxError>> + Send;
}

/// As [`SessionStore`], for clients that block: a database's driver, or files. In [`Blocking`] it is one.
pub trait BlockingSessionStore: Send + Sync + 'static {
    /// As [`SessionStore::load`].
    ///
    /// # Errors
    /// Those of the store.
    fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError>;

    /// As [`SessionStore::insert`].
    ///
    /// # Errors
    /// Those of the store.
    fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError>;

    /// As [`SessionStore::update`].
    ///
    /// # Errors
    /// Those of the store.
    fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError>;

    /// As [`SessionStore::touch`].
    ///
    /// # Errors
    /// Those of the store.
    fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError>;

    /// As [`SessionStore::remove`].
    ///
    /// # Errors
    /// Those of the store.
    fn remove(&self, id: &str) -> Result<bool, BoxError>;
}

/// A store that blocks, on threads where it may: each call is a [job](jobs::run), as a plain `fn` handler is. Where too many
/// wait for a thread, a session is not loaded, and the request is answered 503 with `Retry-After` before its handler has begun.
/// A call that saves what a handler has changed [waits as long as it takes](jobs::run_behind), however many wait, and is made
/// also where the client leaves meanwhile.
///
/// In a task of [`rt::spawn`], which has no jobs, it is a call of [`rt::spawn_blocking`].
pub struct Blocking<S>(Arc<S>);

impl<S: BlockingSessionStore> Blocking<S> {
    /// Wraps `store`.
    pub fn new(store: S) -> Self {
        Self(Arc::new(store))
    }

    /// For what a handler has changed.
    async fn save<T: Send + 'static>(
        &self,
        id: &str,
        call: impl FnOnce(&S, &str) -> Result<T, BoxError> + Send + 'static,
    ) -> Result<T, BoxError> {
        let (store, id) = (self.0.clone(), id.to_owned());
        let call = move || call(&store, &id);
        if jobs::is_within_an_exchange() {
            jobs::run_behind(call).await?
        } else {
            rt::spawn_blocking(call).await?
        }
    }
}

impl<S: BlockingSessionStore> SessionStore for Blocking<S> {
    async fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        let (store, id) = (self.0.clone(), id.to_owned());
        let call = move || store.load(&id);
        if jobs::is_within_an_exchange() { jobs::run(call).await? } else { rt::spawn_blocking(call).await? }
    }

    async fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError> {
        self.save(id, move |store, id| store.insert(id, data, keep)).await
    }

    async fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError> {
        self.save(id, move |store, id| store.update(id, data, keep)).await
    }

    async fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
        self.save(id, move |store, id| store.touch(id, keep)).await
    }

    async fn remove(&self, id: &str) -> Result<bool, BoxError> {
        self.save(id, S::remove).await
    }
}

impl<S> fmt::Debug for Blocking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

/// A future of a store.
type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// A store of any type.
pub(super) trait AnyStore: Send + Sync {
    fn load<'a>(&'a self, id: &'a str) -> Asked<'a, Option<Vec<u8>>>;
    fn insert<'a>(&'a self, id: &'a str, data: Vec<u8>, keep: Duration) -> Asked<'a, ()>;
    fn update<'a>(&'a self, id: &'a str, data: Vec<u8>, keep: Duration) -> Asked<'a, bool>;
    fn touch<'a>(&'a self, id: &'a str, keep: Duration) -> Asked<'a, bool>;
    fn remove<'a>(&'a self, id: &'a str) -> Asked<'a, bool>;
}

impl<S: SessionStore> AnyStore for S {
    fn load<'a>(&'a self, id: &'a str) -> Asked<'a, Option<Vec<u8>>> {
        Box::pin(SessionStore::load(self, id))
    }

    fn insert<'a>(&'a self, id: &'a str, data: Vec<u8>, keep: Duration) -> Asked<'a, ()> {
        Box::pin(SessionStore::insert(self, id, data, keep))
    }

    fn update<'a>(&'a self, id: &'a str, data: Vec<u8>, keep: Duration) -> Asked<'a, bool> {
        Box::pin(SessionStore::update(self, id, data, keep))
    }

    fn touch<'a>(&'a self, id: &'a str, keep: Duration) -> Asked<'a, bool> {
        Box::pin(SessionStore::touch(self, id, keep))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Asked<'a, bool> {
        Box::pin(SessionStore::remove(self, id))
    }
}
