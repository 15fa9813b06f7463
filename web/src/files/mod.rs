//! Static files: [`Files`], a handler that answers with the files of a folder, or with one file.
//!
//! What is where: `path` says which names a request may ask for, `open` opens them and nothing outside the root, `find`
//! says which of them is meant; `conditions`, `ranges` and `encodings` hold the rules of RFC 9110, `send` makes the body,
//! `answer` puts it together.
//! Nothing here may run on an event loop: all of it is called where a plain `fn` may block.

mod answer;
mod cache;
mod conditions;
mod encodings;
mod find;
mod listing;
mod names;
mod open;
mod path;
mod ranges;
mod send;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use answer::Asked;
pub use cache::Cache;
use find::Wanted;
use http::HeaderMap;
use trijet_core::{
    Body, Handler, ReceivedHead, Response, Router, extract::Context, extract::Needs, get, respond::Answer,
};

/// The files of a folder, or one file, as a handler.
///
/// It knows validators (`ETag`, `Last-Modified`) with all conditional requests, ranges, and HEAD; what else it does is
/// set by its methods. It runs where a plain `fn` may block, on every backend. A large file is read as it is sent, 64 KiB at a time;
/// a small one is sent in one piece.
///
/// ```no_run
/// use trijet_core::{Router, get};
/// use trijet_web::files::{Cache, Files};
///
/// let app = Router::new()
///     // All below a prefix; `/docs` alone is redirected to `/docs/`, which is its `index.html`.
///     .nest("/docs", Files::dir("public/docs").precompressed().into_router())
///     // One capture of a route is the path in the folder.
///     .route("/assets/{*path}", get(Files::dir("public/assets").cache(Cache::immutable())))
///     // One file.
///     .route("/report", get(Files::file("report.pdf").attachment_as("Report 2026.pdf")))
///     // Whatever no route knows; pages that are no file are the app's own, made by scripts.
///     .fallback(Files::dir("public").single_page());
/// ```
///
/// # Where the path comes from
/// On a route, the path in the folder is the last capture; a route that does not end in a capture means the folder
/// itself. As fallback of an app it is the whole path. [`into_router`](Self::into_router) is for nests.
///
/// # Which files
/// The path is split at its slashes, and then each segment is percent-decoded, once. Refused with 400: `.`, `..`, an
/// encoded slash, a backslash, control characters, and what is no UTF-8. Not found (404): names that begin with a dot
/// unless [`dot_files`](Self::dot_files) is set, empty segments, names of Windows' drives and devices (`C:`, `con`,
/// `nul.txt`), and all that is neither a regular file nor a folder. A symbolic link is followed as long as it stays
/// below the root, and is not found where it leaves it, whoever changes it and when: the kernel checks that as it opens
/// the file (`openat2` with `RESOLVE_BENEATH`). Where it cannot, before Linux 5.6 or on other systems, no link below
/// the root is followed. The root itself may be a link, and is looked up for each request.
///
/// # Files that change
/// An open file is sent as long as it was when it was opened: one that grows is cut there, and if it shrinks the
/// connection is cut, so that the client can tell. One that is replaced by renaming is sent as it was. Large files hold
/// one descriptor for as long as their client takes.
///
/// # At start
/// A folder or file that is not there is one of the faults of [`Router::build`]: the app is not served. If it goes
/// later, it is a 404.
#[derive(Clone)]
pub struct Files {
    settings: Arc<Settings>,
    mount: Mount,
}

#[derive(Clone)]
struct Settings {
    source: Source,
    index: Option<Box<str>>,
    folders: Folders,
    dots: DotFiles,
    side_files: SideFiles,
    unknown: Unknown,
    cache: Cache,
    disposition: Disposition,
}

#[derive(Clone, Debug)]
enum Source {
    Folder(PathBuf),
    File(PathBuf),
}

/// What a folder without an index is answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Folders {
    NotFound,
    Listed,
}

/// What becomes of names that begin with a dot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DotFiles {
    NotFound,
    Served,
}

/// Whether precompressed files lie beside the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SideFiles {
    None,
    Offered,
}

/// What a path that is no file is answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    NotFound,
    /// To navigation, the index of the root.
    Index,
}

/// RFC 6266.
#[derive(Clone)]
enum Disposition {
    /// No word about it: shown, where the client can.
    Inline,
    Attachment,
    AttachmentAs(Box<str>),
}

/// Where in the folder a request points.
#[derive(Clone, Copy)]
enum Mount {
    /// At what the route captured last.
    Captured,
    /// At the root: the prefix of a nest itself.
    Root,
}

impl Files {
    /// The files of the folder at `path`, and of those in it. A relative path begins at the current directory.
    pub fn dir(path: impl AsRef<Path>) -> Self {
        Self::new(Source::Folder(absolute(path.as_ref())))
    }

    /// The file at `path`, whatever the request's path is. A relative path begins at the current directory. The
    /// path is the app's own: links in it are followed wherever they lead.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::new(Source::File(absolute(path.as_ref())))
    }

    fn new(source: Source) -> Self {
        let settings = Settings {
            source,
            index: Some("index.html".into()),
            folders: Folders::NotFound,
            dots: DotFiles::NotFound,
            side_files: SideFiles::None,
            unknown: Unknown::NotFound,
            cache: Cache::default(),
            disposition: Disposition::Inline,
        };
        Self { settings: Arc::new(settings), mount: Mount::Captured }
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// The name of the file that a folder is answered with: `index.html` unless set.
    #[must_use]
    pub fn index(self, name: &str) -> Self {
        self.set(|settings| settings.index = Some(name.into()))
    }

    /// A folder is not answered with a file in it.
    #[must_use]
    pub fn without_index(self) -> Self {
        self.set(|settings| settings.index = None)
    }

    /// A folder without an index is answered with a page that lists what it holds: what this would serve, in
    /// order, at most 10,000 names.
    #[must_use]
    pub fn listing(self) -> Self {
        self.set(|settings| settings.folders = Folders::Listed)
    }

    /// Serves names that begin with a dot too. Think of `.git` and `.env` before.
    #[must_use]
    pub fn dot_files(self) -> Self {
        self.set(|settings| settings.dots = DotFiles::Served)
    }

    /// Where `app.js.br`, `app.js.zst` or `app.js.gz` lies beside `app.js`, it is sent instead to clients that
    /// take it, by `Accept-Encoding` (RFC 9110 §12.5.3); of those that a client likes as well, the first in this order.
    /// Each must be made anew when its original changes.
    #[must_use]
    pub fn precompressed(self) -> Self {
        self.set(|settings| settings.side_files = SideFiles::Offered)
    }

    /// For apps whose pages are made by scripts: a browser that navigates to a path that is no file gets the index
    /// of the root, with 200. Other requests (of scripts, styles, images, data) get their 404: navigation is told
    /// by `Sec-Fetch-Mode`, or, from who does not send it, by `text/html` in `Accept`.
    #[must_use]
    pub fn single_page(self) -> Self {
        self.set(|settings| settings.unknown = Unknown::Index)
    }

    /// How long caches may use the files without asking: [`Cache`]. Unless set, they ask each time.
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        self.set(|settings| settings.cache = cache)
    }

    /// The files are for saving, under their own names: `Content-Disposition: attachment` (RFC 6266).
    #[must_use]
    pub fn attachment(self) -> Self {
        self.set(|settings| settings.disposition = Disposition::Attachment)
    }

    /// The files are for saving, under this name. It may hold any characters; control characters are left out.
    #[must_use]
    pub fn attachment_as(self, name: &str) -> Self {
        self.set(|settings| settings.disposition = Disposition::AttachmentAs(name.into()))
    }

    /// A router for [`nest`](Router::nest): it answers for the prefix with and without a slash at the end, and for all below.
    ///
    /// ```no_run
    /// # use trijet_core::Router;
    /// # use trijet_web::files::Files;
    /// let app = Router::new().nest("/assets", Files::dir("assets").listing().into_router());
    /// ```
    pub fn into_router(self) -> Router {
        // A fallback answers for the prefix itself, with a slash and without: no pattern of a nest can name both.
        let root = Self { mount: Mount::Root, ..self.clone() };
        Router::new().route("/{*path}", get(self)).fallback(root)
    }

    /// The answer for a path that the app has found itself, under all the rules above: `path` is decoded, and
    /// relative to the folder. To be called where it may block: in a plain `fn`.
    ///
    /// It is made for GET; that it is one for HEAD is seen to where it is sent.
    ///
    /// ```no_run
    /// use trijet_core::{HeaderMap, Path, Response, Router, State, StatusCode, IntoResponse, get};
    /// use trijet_web::files::Files;
    ///
    /// fn invoice(Path(id): Path<u64>, State(files): State<Files>, headers: HeaderMap) -> Response {
    ///     // …whether this user may see it…
    ///     files.attachment_as(&format!("Invoice {id}.pdf")).answer(&format!("invoices/{id}.pdf"), &headers)
    /// }
    ///
    /// let app = Router::new().route("/invoices/{id}", get(invoice)).state(Files::dir("data"));
    /// ```
    pub fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        let wanted = path::decoded(path, self.settings.dots).map(Wanted::Path);
        answer::answer(&self.settings, &Asked::get(headers), wanted)
    }

    fn handle(&self, request: &Request) -> Response {
        let raw = match (self.mount, &request.captured) {
            (Mount::Root, _) => "",
            (Mount::Captured, Captured::Path(raw)) => raw,
            (Mount::Captured, Captured::Nothing) => "",
            (Mount::Captured, Captured::NoRoute) => request.target.path().get(1..).unwrap_or_default(),
        };
        let wanted = match &self.settings.source {
            Source::File(_) => Ok(Wanted::TheFile),
            Source::Folder(_) => path::raw(raw, self.settings.dots).map(|mut path| {
                // Of the root, it is the prefix that tells.
                path.is_folder |= path.name.is_empty() && request.target.path().ends_with('/');
                Wanted::Path(path)
            }),
        };
        let asked =
            Asked { method: &request.method, target: Some(&request.target), headers: &request.headers };
        answer::answer(&self.settings, &asked, wanted)
    }
}

fn absolute(path: &Path) -> PathBuf {
    // It fails for an empty path alone, which is told at start.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Files").field(&self.settings.source).finish()
    }
}

/// Marks [`Files`] among the handlers.
#[derive(Debug)]
pub enum Served {}

impl Handler<Served> for Files {
    fn call(
        self,
        head: ReceivedHead<'_>,
        body: Body,
        context: Context,
    ) -> impl Future<Output = Answer> + Send + 'static {
        // As a plain `fn`, so that it runs where it may block.
        let handler = move |request: Request| self.handle(&request);
        Handler::call(handler, head, body, context)
    }

    fn declare(_: &mut Needs) {}

    fn check(&self, needs: &mut Needs) {
        // What `into_router` makes is told once.
        if let (Mount::Captured, Err(fault)) = (self.mount, open::is_there(&self.settings.source)) {
            needs.fault(fault);
        }
    }
}

/// What of a request is looked at.
struct Request {
    method: http::Method,
    target: http::Uri,
    headers: HeaderMap,
    captured: Captured,
}

enum Captured {
    /// Percent-encoded.
    Path(String),
    /// The route ends in no capture.
    Nothing,
    /// There is no route: this is a fallback.
    NoRoute,
}

impl trijet_core::FromRequestParts for Request {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        context: &Context,
    ) -> Result<Self, Self::Rejection> {
        let captured = match (context.route(), context.path_values().raw().last()) {
            (None, _) => Captured::NoRoute,
            (Some(route), Some((_, raw))) if route.ends_with('}') && !route.ends_with("}}") => {
                Captured::Path(raw.to_owned())
            }
            (Some(_), _) => Captured::Nothing,
        };
        Ok(Self {
            method: parts.method.clone(),
            target: parts.uri.clone(),
            headers: std::mem::take(&mut parts.headers),
            captured,
        })
    }
}
