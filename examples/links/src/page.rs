//! The page, and the redirects that it is all for. A browser's session remembers whose links these are, and what has just
//! been done. Templates escape what users gave wherever it stands.

use minijinja::{Environment, Value, context, value::Serde};
use serde::{Deserialize, Serialize};
use trijet::{
    Form, Html, IntoResponse, Method, Path, Query, Redirect, Response, State, respond, sessions::Session,
};

use crate::{
    Failure,
    link::{self, Link},
    session::KEPT_DAYS,
    store::Store,
};

/// Links on one page.
const SHOWN: u8 = 50;
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

#[derive(Deserialize)]
pub(crate) struct NewLink {
    url: String,
    #[serde(default)]
    code: String,
}

/// The query of the page.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// The first link of a browser, just added.
    added: Option<String>,
    /// From 1 on.
    page: Option<u32>,
}

#[derive(Deserialize, Serialize)]
enum News {
    Added(String),
    Removed(String),
}

/// The page with the links of this owner, and what else is to be on it.
fn index(
    store: &Store,
    pages: &Pages,
    owner: Option<&str>,
    number: u32,
    values: Value,
) -> Result<Html<String>, Failure> {
    let number = number.max(1);
    let mut links = match owner {
        // One more than is shown tells whether there are others.
        Some(owner) => {
            store.newest_of(owner, u64::from(number - 1) * u64::from(SHOWN), u32::from(SHOWN) + 1)?
        }
        None => Vec::new(),
    };
    let older = (links.len() > usize::from(SHOWN)).then(|| number.saturating_add(1));
    let newer = (number > 1).then(|| number - 1);
    links.truncate(usize::from(SHOWN));
    pages.render("index.html", context! { links => Value::from(Serde(&links)), older, newer, ..values })
}

pub(crate) fn show(
    State(store): State<Store>,
    State(pages): State<SharedPages>,
    session: Session,
    Query(asked): Query<Asked>,
    method: Method,
) -> Result<Response, Failure> {
    let owner = session.get::<String>(OWNER)?;
    let unkept = match (asked.added, &owner) {
        // The cookie has come back: the session has the news, and the address bar need not.
        (Some(_), Some(_)) => return Ok(Redirect::to("/").into_response()),
        // It has not, and this is the only way to tell the code. Anybody can make such an address: it says nothing but
        // what is true of the link.
        (Some(code), None) => store.find(&code).map(Some).or_else(Failure::none_if_not_found)?,
        (None, _) => None,
    };
    // An older version of this program may have left news of another kind: those are not told.
    let news = session.get::<News>(NEWS).unwrap_or_else(|error| {
        log::warn!("what a session has to tell is not told: {error}");
        None
    });
    // HEAD shows it to nobody, and is safe besides (RFC 9110 §9.2.1).
    if method == Method::GET {
        session.remove(NEWS);
    }
    let (added, removed) = match &news {
        Some(News::Added(code)) => (Some(code), None),
        Some(News::Removed(code)) => (None, Some(code)),
        None => (None, None),
    };
    let values = context! { added, removed, unkept => unkept.as_ref().map(|link| Value::from(Serde(link))) };
    let page = index(&store, &pages, owner.as_deref(), asked.page.unwrap_or(1), values)?;
    Ok(page.into_response())
}

/// Adds a link and shows the page anew, so that a reload sends nothing twice; or the form again, with what is wrong. A
/// session begins with the first link that is stored, and with nothing less.
pub(crate) fn add(
    State(store): State<Store>,
    State(pages): State<SharedPages>,
    session: Session,
    Form(form): Form<NewLink>,
) -> Result<Response, Failure> {
    let known = session.get::<String>(OWNER)?;
    let owner = known.clone().unwrap_or_else(|| link::new_code() + &link::new_code() + &link::new_code());
    let code = Some(form.code.clone()).filter(|code| !code.is_empty());
    match store.add(&form.url, code, Some(&owner)) {
        Ok(Link { code, .. }) => {
            // Whether this browser keeps cookies is known once it has sent one back.
            let target = if known.is_some() { "/".to_owned() } else { format!("/?added={code}") };
            session.insert(OWNER, &owner)?;
            session.insert(NEWS, &News::Added(code))?;
            Ok(Redirect::to(target).into_response())
        }
        Err(failure @ (Failure::Invalid(_) | Failure::Taken)) => {
            let values = context! { error => failure.sentence(), url => &form.url, code => &form.code };
            let page = index(&store, &pages, known.as_deref(), 1, values)?;
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
