//! Which file a request means: the one at its path, the index of a folder, or what lies compressed beside it; or
//! what is answered in its place. It decides nothing about what is sent of it.

use std::{fs::File, fs::Metadata, path::Path};

use http::{
    HeaderValue, StatusCode, Uri,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION},
};
use rustix::fd::OwnedFd;
use trijet_core::{Html, IntoResponse, Response};

use super::{
    Folders, Settings, SideFiles, Source,
    answer::{Asked, missing},
    encodings::{self, Coding},
    listing,
    open::{self, Fault, Opened, Root},
    path::Relative,
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
    pub(super) metadata: Metadata,
    /// Where it lies in the folder, or its own name.
    pub(super) path: String,
    pub(super) coding: Option<Coding>,
}

/// Why there is none.
pub(super) enum Missing {
    NotFound,
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
                Opened::File(file, metadata) => {
                    Ok(best_form(settings, asked, (file, metadata), &path.name, |name| root.look_up(name)))
                }
                Opened::Folder(folder) => in_folder(settings, asked, &root, &folder, path),
            }
        }
    }
}

fn one_file(settings: &Settings, asked: &Asked<'_>, path: &Path) -> Result<Found, Missing> {
    let Opened::File(file, metadata) = open::open(path)? else { return Err(Missing::NotFound) };
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let beside = |name: &str| open::open(&path.with_file_name(name));
    Ok(best_form(settings, asked, (file, metadata), &name, beside))
}

/// The index of a folder, or what else it is answered with.
fn in_folder(
    settings: &Settings,
    asked: &Asked<'_>,
    root: &Root,
    folder: &OwnedFd,
    path: &Relative,
) -> Result<Found, Missing> {
    let index = settings.index.as_deref().map(|index| match path.name.as_str() {
        "" => index.to_owned(),
        folder => format!("{folder}/{index}"),
    });
    let index = match &index {
        Some(name) => match root.look_up(name) {
            Ok(Opened::File(file, metadata)) => Some(((file, metadata), name)),
            Ok(Opened::Folder(_)) | Err(Fault::NotFound) => None,
            Err(fault) => return Err(fault.into()),
        },
        None => None,
    };
    if index.is_none() && settings.folders == Folders::NotFound {
        return Err(Missing::NotFound);
    }
    // Links in its page are relative: without the slash they would lead beside it.
    if let (Some(target), false) = (asked.target, path.is_folder) {
        return Err(Missing::Answered(Box::new(to_folder(target))));
    }
    match index {
        Some((opened, name)) => Ok(best_form(settings, asked, opened, name, |name| root.look_up(name))),
        None => {
            let page = listing::page(root, folder, &path.name, settings.dots);
            Err(match page {
                Ok(page) => Missing::Answered(Box::new(list(page))),
                Err(error) => Missing::Fault(Fault::Failed(error)),
            })
        }
    }
}

fn list(page: String) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-cache"),
        // It has nothing but text and links, whatever the names are.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'"),
    ];
    (headers, Html(page)).into_response()
}

/// The file, or what lies compressed beside it, where the client takes that.
fn best_form(
    settings: &Settings,
    asked: &Asked<'_>,
    (file, metadata): (File, Metadata),
    path: &str,
    look_up: impl Fn(&str) -> Result<Opened, Fault>,
) -> Found {
    if settings.side_files == SideFiles::Offered {
        for coding in encodings::accepted(asked.headers) {
            if let Ok(Opened::File(file, metadata)) = look_up(&format!("{path}{}", coding.suffix())) {
                return Found { file, metadata, path: path.to_owned(), coding: Some(coding) };
            }
        }
    }
    Found { file, metadata, path: path.to_owned(), coding: None }
}

/// To the same path with a slash. Not for ever: what is a folder today may be none tomorrow.
fn to_folder(target: &Uri) -> Response {
    let (path, query) = (target.path(), target.query());
    // `//host` would be another server (RFC 3986 §4.2).
    if path.starts_with("//") {
        return missing();
    }
    let mark = if query.is_some() { "?" } else { "" };
    match HeaderValue::try_from(format!("{path}/{mark}{}", query.unwrap_or_default())) {
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
        for (target, expected) in [
            ("/a", Some("/a/")),
            ("/a?b=c", Some("/a/?b=c")),
            ("/a%20b", Some("/a%20b/")),
            // Whatever the route that leads here.
            ("//evil.example/a", None),
        ] {
            let response = to_folder(&Uri::from_static(target));
            assert_eq!(response.headers().get(LOCATION).map(|value| value.to_str().unwrap()), expected);
            assert_eq!(response.status(), if expected.is_some() { 307 } else { 404 }, "{target}");
        }
    }
}
