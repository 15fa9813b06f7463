//! Static files: [`Files`], a handler that answers with the files of a folder, or with one file.
//!
//! What is where: `path` says which names a request may ask for, `open` opens them and nothing outside the root, `find`
//! says which of them is meant; `state` tells whether a file has changed; `conditions`, `ranges` and `encodings` hold
//! the rules of RFC 9110, `send` makes the body, `answer` puts it together.
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
mod state;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use answer::{Asked, Slash};
pub use cache::Cache;
use find::Wanted;
use http::{HeaderMap, Method};
use path::Refused;
use trijet_core::{
    Body, Handler, ReceivedHead, Response, Router,
    extract::{Context, ContextRef, Needs},
    get,
    respond::Answer,
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
/// On a route, the path in the folder is the last capture, to the end of the path; a route whose last segment captures
/// nothing means the folder itself. As fallback of an app it is the whole path. [`into_router`](Self::into_router) is
/// for nests.
///
/// A folder's own path ends with a slash; without it, it is redirected to there, since links in its page are
/// relative. On a route that cannot match that slash (`/docs`, `/docs/{name}`), the index is sent in place.
///
/// # Which files
/// The path is split at its slashes, and then each segment is percent-decoded, once. Refused with 400: `.`, `..`, an
/// encoded slash, a backslash, control characters, and what is no UTF-8. Not found (404): names that begin with a dot
/// unless [`dot_files`](Self::dot_files) is set, empty segments, names of Windows' drives and devices (`C:`, `con`,
/// `nul.txt`), and all that is neither a regular file nor a folder. A relative symbolic link that never leaves the root
/// on its way is followed, to whatever name, one that begins with a dot too; one that is absolute, or leaves the root, be
/// it to come back, is not found, whoever changes it and when: the kernel checks that as it opens
/// the file (`openat2` with `RESOLVE_BENEATH`). Where it cannot, before Linux 5.6 or on other systems, no link below
/// the root is followed. The root itself may be a link, and is looked up for each request.
///
/// # Beside other routes
/// Routes match a path as it was sent, percent-encoded. So that there is no way around a route or nest that guards some
/// of the files, each file is served at one spelling of its path, and others are redirected to it (307), there to
/// meet whatever route there is. In this spelling, letters, digits and `- . _ ~ ! $ & ' ( ) * + , ; = : @` stand as they
/// are, and all else is escaped with capital digits (RFC 3986 §3.3, §6.2.2): write such routes in it.
///
/// ```no_run
/// # use trijet_core::{Router, StatusCode, get};
/// # use trijet_web::files::Files;
/// # use trijet_core::{Next, Request, Response};
/// # async fn members_only(request: Request, next: Next) -> Response { next.run(request).await }
/// let app = Router::new()
///     .nest("/private", Files::dir("public/private").into_router().wrap(members_only))
///     .fallback(Files::dir("public"));
/// ```
///
/// A route guards its own path, and no other by which the file can be reached: a link, or the folder that the file is
/// the index of; or, where the file system does not tell cases apart, `/PRIVATE`. Guard folders, by nests; best is to
/// keep what is guarded in another folder.
///
/// # Files that change
/// What was changed within the last two seconds is sent without `ETag` and `Last-Modified`, for another change might not
/// show, and to be asked for each time, whatever [`cache`](Self::cache) says: it may be half of a file that is still being
/// copied. (One whose writer rests for longer passes for done. Copy to another name and rename.) Both validators count the
/// time of change, which the system notes, and not only the one that builds may forge. An open file
/// is sent as long as it was when it was opened. If it changes meanwhile in length or time, the connection is cut, so
/// that the client can tell: no part of one content passes for the rest of another.
///
/// There is one exception, a file that was being written to already in the two seconds before. If that has become longer, it
/// is taken for a log, and sent as far as it went when it was opened. Nothing tells an append from an overwrite by more:
/// **one that is overwritten in place, again within two seconds, may arrive as a mixture**, as it may where the second
/// change falls into the same tick of the file's clock (10 ms at most on Linux) and leaves its length. It has no tag
/// then, and caches ask for it each time. One that is replaced by renaming is sent as it was: that is how to replace
/// files. (A time of modification that is forged in the middle of an answer is believed.) A log that is written to now and
/// then may have to be asked for again. Large files hold one descriptor for as long as their client takes.
///
/// # At start
/// A folder or file that is not there, or may not be opened, is one of the faults of [`Router::build`], as is a route
/// whose capture is not the end of the path, and an index that is no name: the app is not served. If the folder goes
/// later, it is a 404. A `Files` in the app's [state](Router::state) is not looked at.
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
    /// At what is below the nest: the root, for the prefix itself.
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

    /// The name of the file that a folder is answered with: `index.html` unless set. It is a name, and no path.
    #[must_use]
    pub fn index(self, name: &str) -> Self {
        self.set(|settings| settings.index = Some(name.into()))
    }

    /// A folder is not answered with a file in it.
    #[must_use]
    pub fn without_index(self) -> Self {
        self.set(|settings| settings.index = None)
    }

    /// A folder without an index is answered with a page that lists the names of the files and folders in it, but for
    /// those that are not served for their name or kind. Whether a file may be read is not looked at. It has at most
    /// 1,000 names, about 128 KiB, of the first 10,000 entries, each kind in order.
    #[must_use]
    pub fn listing(self) -> Self {
        self.set(|settings| settings.folders = Folders::Listed)
    }

    /// Serves names that begin with a dot too. Think of `.git` and `.env` before. (A link of another name that leads to
    /// such a file is followed in any case: whoever makes one means it.)
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
    /// by `Sec-Fetch-Mode`, or, from who does not send it, by `text/html` in `Accept`. Such an answer is `no-cache`,
    /// whatever [`cache`](Self::cache) says of the files: one of that name may come.
    ///
    /// Paths that no file can have are such paths too: `/users/con`, `/tags/C:x`, `/a//b`, `/a%5Cb`, `/a%2Fb`. What stays
    /// refused is named [above](#which-files): `.` and `..`, also behind an encoded slash or a backslash; names that begin with a
    /// dot; control characters, and what is no UTF-8.
    #[must_use]
    pub fn single_page(self) -> Self {
        self.set(|settings| settings.unknown = Unknown::Index)
    }

    /// How long caches may use the files without asking: [`Cache`]. Unless set, they ask each time; so they do for two
    /// seconds after a file was changed. For what not everybody may see there is [`Cache::private`].
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        self.set(|settings| settings.cache = cache)
    }

    /// The files are for saving, under their own names: `Content-Disposition: attachment` (RFC 6266).
    #[must_use]
    pub fn attachment(self) -> Self {
        self.set(|settings| settings.disposition = Disposition::Attachment)
    }

    /// The files are for saving, under this name. It may hold any characters; controls are left out,
    /// and so are marks that change the direction in which text is shown.
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
    #[track_caller]
    pub fn into_router(self) -> Router {
        // A fallback answers for the prefix itself, with a slash and without: no pattern of a nest can name both. So it
        // answers for what nests of that router do not know.
        let root = Self { mount: Mount::Root, ..self.clone() };
        Router::new().route("/{*path}", get(self)).fallback(root)
    }

    /// The answer for a path that the app has found itself, under all the rules above: `path` is decoded, and
    /// relative to the folder. To be called where it may block: in a plain `fn`.
    ///
    /// `method` and `headers` are the request's: conditions and ranges mean something else for each method. What is
    /// neither GET nor HEAD is refused as on a route; a handler of POST that answers with a file gives
    /// `&Method::GET` and no headers.
    ///
    /// ```no_run
    /// use trijet_core::{HeaderMap, Method, Path, Response, Router, State, StatusCode, IntoResponse, get};
    /// use trijet_web::files::Files;
    ///
    /// fn invoice(Path(id): Path<u64>, State(files): State<Files>, method: Method, headers: HeaderMap) -> Response {
    ///     // …whether this user may see it…
    ///     let file = format!("invoices/{id}.pdf");
    ///     files.attachment_as(&format!("Invoice {id}.pdf")).answer(&file, &method, &headers)
    /// }
    ///
    /// let app = Router::new().route("/invoices/{id}", get(invoice)).state(Files::dir("data"));
    /// ```
    pub fn answer(&self, path: &str, method: &Method, headers: &HeaderMap) -> Response {
        let wanted = path::decoded(path, self.settings.dots).map(Wanted::Path);
        let asked = Asked { method, target: None, slash: Slash::Elsewhere, headers };
        answer::answer(&self.settings, &asked, wanted)
    }

    fn handle(&self, request: &Request) -> Response {
        let whole = request.target.path();
        let (raw, slash) = match (self.mount, &request.captured) {
            (Mount::Root, _) => (below(whole, request.nests), Slash::Routed),
            (Mount::Captured, Captured::Path(raw, slash)) => (raw.as_str(), *slash),
            (Mount::Captured, Captured::Nothing) => ("", Slash::Elsewhere),
            (Mount::Captured, Captured::NoRoute) => (whole.get(1..).unwrap_or_default(), Slash::Routed),
        };
        let wanted = match &self.settings.source {
            Source::File(_) => Ok(Wanted::TheFile),
            Source::Folder(_) => match path::raw(raw, self.settings.dots) {
                Ok(mut path) => {
                    // Of the root, it is the prefix that tells.
                    path.is_folder |= path.name.is_empty() && whole.ends_with('/');
                    Ok(Wanted::Path(path))
                }
                // What a middleware has written into the target is no part of what was captured.
                Err(Refused::Respelled(own)) => Err(match whole.strip_suffix(raw) {
                    Some(before) => Refused::Respelled(format!("{before}{own}")),
                    None => Refused::NotFound,
                }),
                Err(refused) => Err(refused),
            },
        };
        let (target, headers) = (Some(&request.target), &request.headers);
        answer::answer(&self.settings, &Asked { method: &request.method, target, slash, headers }, wanted)
    }

    /// What is wrong with this on its route.
    fn faults(&self, route: Option<&str>) -> Vec<String> {
        let mut faults = Vec::from_iter(open::is_there(&self.settings.source).err());
        if let Source::File(_) = self.settings.source {
            return faults;
        }
        if let Some(index) = &self.settings.index {
            if path::check(index, self.settings.dots).is_err() {
                faults.push(format!(
                    "the index `{}` is no name of a file that is served",
                    index.escape_debug()
                ));
            }
        }
        if let Some(Last::Within) = route.map(last_segment) {
            faults
                .push("a folder takes the end of the path: its last segment is no whole `{capture}`".into());
        }
        faults
    }
}

/// What the last segment of a pattern captures.
enum Last {
    Nothing,
    /// Its end, within the segment.
    Segment,
    /// All that follows, slashes included.
    Rest,
    /// Some of it, and text is behind that.
    Within,
}

fn last_segment(pattern: &str) -> Last {
    // Literal braces are written twice.
    let segment = pattern.rsplit('/').next().unwrap_or_default().replace("{{", "").replace("}}", "");
    match segment.rfind('{') {
        None => Last::Nothing,
        Some(_) if !segment.ends_with('}') => Last::Within,
        Some(open) if segment[open..].starts_with("{*") => Last::Rest,
        Some(_) => Last::Segment,
    }
}

/// What is left of a path behind so many segments.
fn below(path: &str, segments: usize) -> &str {
    path.match_indices('/').nth(segments).map_or("", |(slash, _)| &path[slash + 1..])
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
        context: ContextRef<'_>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        // As a plain `fn`, so that it runs where it may block.
        let handler = move |request: Request| self.handle(&request);
        Handler::call(handler, head, body, context)
    }

    fn declare(_: &mut Needs) {}

    fn check(&self, needs: &mut Needs) {
        // What `into_router` makes is told once.
        if let Mount::Captured = self.mount {
            let faults = self.faults(needs.route());
            faults.into_iter().for_each(|fault| needs.fault(fault));
        }
    }
}

/// What of a request is looked at.
struct Request {
    method: Method,
    target: http::Uri,
    headers: HeaderMap,
    captured: Captured,
    /// How many segments of the path belong to the nests around this.
    nests: usize,
}

enum Captured {
    /// Percent-encoded; and where it leads with a slash behind it.
    Path(String, Slash),
    /// The last segment of the route captures nothing.
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
            (Some(route), Some((_, raw))) => match last_segment(route) {
                Last::Rest => Captured::Path(raw.to_owned(), Slash::Routed),
                Last::Segment => Captured::Path(raw.to_owned(), Slash::Elsewhere),
                Last::Nothing | Last::Within => Captured::Nothing,
            },
            (Some(_), None) => Captured::Nothing,
        };
        Ok(Self {
            method: parts.method.clone(),
            target: parts.uri.clone(),
            headers: std::mem::take(&mut parts.headers),
            captured,
            nests: context.prefix().matches('/').count(),
        })
    }
}
