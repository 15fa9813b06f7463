//! Which file a request means: the one at its path, the index of a folder, or what lies compressed beside it; or
//! what is answered in its place. It decides nothing about what is sent of it.

use std::{fs::File, path::Path};

use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION},
};
use rustix::fd::OwnedFd;
use trijet_core::{Html, IntoResponse, Response};

use super::{
    Folders, Settings, SideFiles, Source,
    answer::{Asked, Slash, missing},
    encodings::{self, Coding},
    listing,
    open::{self, Fault, Opened, Root},
    path::{self, Relative},
    state::State,
};

/// What is asked for.
pub(super) enum Wanted {
    Path(Relative),
    /// The one that there is.
    TheFile,
}

/// A file that was found.
pub(super) struct Found {
    pub(super) file: File,
    pub(super) state: State,
    /// Where it lies in the folder, or its own name.
    pub(super) path: String,
    pub(super) coding: Option<Coding>,
}

/// Why there is none.
pub(super) enum Missing {
    NotFound,
    /// No file can have the path: with a sentence, it is a 400.
    NoName(Option<&'static str>),
    Fault(Fault),
    /// The answer is there already.
    Answered(Box<Response>),
}

impl From<Fault> for Missing {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound => Self::NotFound,
            other => Self::Fault(other),
        }
    }
}

pub(super) fn find(settings: &Settings, asked: &Asked<'_>, wanted: &Wanted) -> Result<Found, Missing> {
    match (&settings.source, wanted) {
        (Source::File(path), _) => one_file(settings, asked, path),
        (Source::Folder(_), Wanted::TheFile) => Err(Missing::NotFound),
        (Source::Folder(root), Wanted::Path(path)) => {
            let root = Root::open(root)?;
            match root.look_up(&path.name)? {
                // A file is no folder.
                Opened::File(..) if path.is_folder => Err(Missing::NotFound),
                Opened::File(file, state) => {
                    Ok(best_form(settings, asked, (file, state), &path.name, |name| root.look_up(name)))
                }
                Opened::Folder(folder) => in_folder(settings, asked, &root, &folder, path),
            }
        }
    }
}

fn one_file(settings: &Settings, asked: &Asked<'_>, path: &Path) -> Result<Found, Missing> {
    let Opened::File(file, state) = open::open(path)? else { return Err(Missing::NotFound) };
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let beside = |name: &str| open::open(&path.with_file_name(name));
    Ok(best_form(settings, asked, (file, state), &name, beside))
}

/// The index of a folder, or what else it is answered with.
fn in_folder(
    settings: &Settings,
    asked: &Asked<'_>,
    root: &Root,
    folder: &OwnedFd,
    path: &Relative,
) -> Result<Found, Missing> {
    // One that is no name is told at start, where there is one who looks.
    let index = settings.index.as_deref().filter(|index| path::check(index, settings.dots).is_ok());
    let index = index.map(|index| match path.name.as_str() {
        "" => index.to_owned(),
        folder => format!("{folder}/{index}"),
    });
    let index = match &index {
        Some(name) => match root.look_up(name) {
            Ok(Opened::File(file, state)) => Some(((file, state), name)),
            Ok(Opened::Folder(_)) | Err(Fault::NotFound) => None,
            Err(fault) => return Err(fault.into()),
        },
        None => None,
    };
    if index.is_none() && settings.folders == Folders::NotFound {
        return Err(Missing::NotFound);
    }
    // Links in its page are relative: without the slash they would lead beside it.
    match (asked.target, asked.slash, path.is_folder) {
        (Some(target), Slash::Routed, false) => {
            return Err(Missing::Answered(Box::new(redirect(
                &format!("{}/", target.path()),
                target.query(),
            ))));
        }
        // A list is nothing but such links.
        (Some(_), Slash::Elsewhere, false) if index.is_none() => return Err(Missing::NotFound),
        _ => {}
    }
    match index {
        Some((opened, name)) => Ok(best_form(settings, asked, opened, name, |name| root.look_up(name))),
        None => {
            let page = listing::page(root, folder, &path.name, settings.dots);
            let cache = settings.cache.asked_each_time(&match path.name.as_str() {
                "" => String::new(),
                folder => format!("{folder}/"),
            });
            Err(page.map_or_else(Missing::from, |page| Missing::Answered(Box::new(list(page, cache)))))
        }
    }
}

fn list(page: String, cache: HeaderValue) -> Response {
    // It has nothing but text and links, whatever the names are.
    let policy = HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'");
    let headers = [(CACHE_CONTROL, cache), (CONTENT_SECURITY_POLICY, policy)];
    (headers, Html(page)).into_response()
}

/// The file, or what lies compressed beside it, where the client takes that.
fn best_form(
    settings: &Settings,
    asked: &Asked<'_>,
    (file, state): (File, State),
    path: &str,
    look_up: impl Fn(&str) -> Result<Opened, Fault>,
) -> Found {
    if settings.side_files == SideFiles::Offered {
        for coding in encodings::accepted(asked.headers) {
            if let Ok(Opened::File(file, state)) = look_up(&format!("{path}{}", coding.suffix())) {
                return Found { file, state, path: path.to_owned(), coding: Some(coding) };
            }
        }
    }
    Found { file, state, path: path.to_owned(), coding: None }
}

/// To another path of this server. Not for ever: what is a folder today may be none tomorrow.
pub(super) fn redirect(path: &str, query: Option<&str>) -> Response {
    // `//host` would be another server (RFC 3986 §4.2).
    if path.starts_with("//") {
        return missing();
    }
    let mark = if query.is_some() { "?" } else { "" };
    match HeaderValue::try_from(format!("{path}{mark}{}", query.unwrap_or_default())) {
        Ok(location) => {
            let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => missing(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_on_its_server() {
        for (path, query, expected) in [
            ("/a/", None, Some("/a/")),
            ("/a/", Some("b=c"), Some("/a/?b=c")),
            ("/a%20b/", Some(""), Some("/a%20b/?")),
            // Whatever the route that leads here.
            ("//evil.example/a/", None, None),
        ] {
            let response = redirect(path, query);
            assert_eq!(response.headers().get(LOCATION).map(|value| value.to_str().unwrap()), expected);
            assert_eq!(response.status(), if expected.is_some() { 307 } else { 404 }, "{path}");
        }
    }
}
