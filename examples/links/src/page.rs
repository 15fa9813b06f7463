//! The page, and the redirects that it is all for. A browser's session remembers whose links these are, and what has just
//! been done. Templates escape what users gave wherever it stands.

use minijinja::{Environment, Value, context, value::Serde};
use serde::{Deserialize, Serialize};
use trijet::{Form, Html, IntoResponse, Path, Redirect, Response, State, respond, sessions::Session};

use crate::{
    Failure,
    link::{self, Link},
    session::KEPT_DAYS,
    store::Store,
};

/// Links on the page.
const SHOWN: u32 = 50;
/// In a session: to whom the links belong that are made in this browser.
const OWNER: &str = "owner";
/// In a session: what the next page tells, once.
const NEWS: &str = "news";

/// The templates, which are part of the program.
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    pub(crate) fn new() -> Result<Self, minijinja::Error> {
        let mut pages = Environment::new();
        pages.add_global("days", KEPT_DAYS);
        pages.add_template("base.html", include_str!("../templates/base.html"))?;
        pages.add_template("index.html", include_str!("../templates/index.html"))?;
        pages.add_template("error.html", include_str!("../templates/error.html"))?;
        Ok(Self(pages))
    }

    fn render(&self, name: &str, values: Value) -> Result<Html<String>, Failure> {
        Ok(Html(self.0.get_template(name)?.render(values)?))
    }

    /// A page for what no handler has worded: 404, 405, what extractors refuse, a panic. Plain text for who wants no page.
    pub(crate) fn error(&self, failure: respond::Failure) -> Response {
        if failure.preferred(&["text/plain", "text/html"]) != Some("text/html") {
            return failure.into_response();
        }
        let values = context! { status => failure.status().to_string(), sentence => failure.detail() };
        self.render("error.html", values)
            .map_or_else(IntoResponse::into_response, IntoResponse::into_response)
    }
}

pub(crate) type SharedPages = std::sync::Arc<Pages>;

#[derive(Default, Deserialize)]
pub(crate) struct NewLink {
    url: String,
    #[serde(default)]
    code: String,
}

#[derive(Deserialize, Serialize)]
enum News {
    Added(String),
    Removed(String),
}

/// What the form shows: nothing, or what was sent and what is wrong with it.
fn index(
    store: &Store,
    pages: &Pages,
    session: &Session,
    form: &NewLink,
    error: Option<&str>,
) -> Result<Html<String>, Failure> {
    let links = match session.get::<String>(OWNER)? {
        Some(owner) => store.newest_of(&owner, SHOWN)?,
        None => Vec::new(),
    };
    let news = session.get::<News>(NEWS)?;
    session.remove(NEWS);
    let (added, removed) = match &news {
        Some(News::Added(code)) => (Some(code), None),
        Some(News::Removed(code)) => (None, Some(code)),
        None => (None, None),
    };
    pages
        .render("index.html", context! { links => Value::from(Serde(&links)), added, removed, error, url => &form.url, code => &form.code })
}

pub(crate) fn show(
    State(store): State<Store>,
    State(pages): State<SharedPages>,
    session: Session,
) -> Result<Html<String>, Failure> {
    index(&store, &pages, &session, &NewLink::default(), None)
}

/// Adds a link and shows the page anew, so that a reload sends nothing twice; or the form again, with what is wrong.
pub(crate) fn add(
    State(store): State<Store>,
    State(pages): State<SharedPages>,
    session: Session,
    Form(form): Form<NewLink>,
) -> Result<Response, Failure> {
    let owner = match session.get::<String>(OWNER)? {
        Some(owner) => owner,
        None => {
            let owner = link::new_code() + &link::new_code() + &link::new_code();
            session.insert(OWNER, &owner)?;
            owner
        }
    };
    let code = Some(form.code.clone()).filter(|code| !code.is_empty());
    match store.add(&form.url, code, Some(&owner)) {
        Ok(Link { code, .. }) => {
            session.insert(NEWS, &News::Added(code))?;
            Ok(Redirect::to("/").into_response())
        }
        Err(failure @ (Failure::Invalid(_) | Failure::Taken)) => {
            let page = index(&store, &pages, &session, &form, Some(failure.sentence()))?;
            Ok((failure.status(), page).into_response())
        }
        Err(failure) => Err(failure),
    }
}

/// Removes a link of one's own.
pub(crate) fn remove(
    State(store): State<Store>,
    session: Session,
    Path(code): Path<String>,
) -> Result<Redirect, Failure> {
    let owner = session.get::<String>(OWNER)?.ok_or(Failure::NotFound)?;
    store.remove(&code, Some(&owner))?;
    session.insert(NEWS, &News::Removed(code))?;
    Ok(Redirect::to("/"))
}

/// Leads to the link's URL, which was checked when it was stored. Temporary, since a link can be removed.
pub(crate) fn follow(State(store): State<Store>, Path(code): Path<String>) -> Result<Response, Failure> {
    Ok(Redirect::temporary(store.find(&code)?.url).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        let links = vec![Link { code: "a".into(), url: "http://h/?<b>'\"&".into() }];
        let page = Pages::new()
            .unwrap()
            .render("index.html", context! { links => Value::from(Serde(&links)), error => "<i>" });
        let Ok(Html(page)) = page else { panic!("it is rendered") };
        assert!(page.contains("&lt;b&gt;") && page.contains("&lt;i&gt;"), "{page}");
        assert!(!page.contains("<b>") && !page.contains("<i>"), "{page}");
    }
}
