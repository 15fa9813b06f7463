//! The page, and the redirects that it is all for. What a user gave is escaped wherever it stands in HTML.

use std::fmt::Write;

use serde::Deserialize;
use trijet::{Form, Html, IntoResponse, Path, Redirect, Response, State};

use crate::{Failure, store::Store};

/// Links on the page.
const SHOWN: u32 = 50;

#[derive(Deserialize)]
pub(crate) struct NewLink {
    url: String,
    #[serde(default)]
    code: String,
}

pub(crate) fn show(State(store): State<Store>) -> Result<impl IntoResponse, Failure> {
    let mut page = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Links</title><h1>Links</h1>\
         <form method=post action=\"/\"><input name=url type=url required placeholder=https://example.com/> \
         <input name=code placeholder=code> <button>Shorten</button></form><ul>",
    );
    for link in store.newest(SHOWN)? {
        let (code, url) = (escape(&link.code), escape(&link.url));
        _ = write!(page, "<li><a href=\"/{code}\">{code}</a> {url}");
    }
    // Should something slip through, the browser still runs no script.
    Ok(([("content-security-policy", "default-src 'none'; form-action 'self'")], Html(page)))
}

pub(crate) fn add(State(store): State<Store>, Form(link): Form<NewLink>) -> Result<Redirect, Failure> {
    let code = Some(link.code).filter(|code| !code.is_empty());
    store.add(&link.url, code)?;
    Ok(Redirect::to("/"))
}

/// Leads to the link's URL, which was checked when it was stored. Temporary, since a link can be removed.
pub(crate) fn follow(State(store): State<Store>, Path(code): Path<String>) -> Result<Response, Failure> {
    Ok(Redirect::temporary(store.find(&code)?.url).into_response())
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, character| {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_is_escaped() {
        assert_eq!(super::escape("<a href='\"&\">"), "&lt;a href=&#39;&quot;&amp;&quot;&gt;");
    }
}
