//! Named routes: [`RouteName`], and [`Urls`], which builds addresses of them. It gives the right one or an error: a path
//! that is made here must lead to the route that was named, with the values that were given.

use std::{
    fmt::{self, Display},
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Numbers,
    build::{Builder, Naming},
    check::at,
    pattern::{self, Part},
    table::{Table, Tables},
};
use crate::{
    FromRequestParts, IntoResponse, Response,
    extract::{Context, Rejection},
    kept::Kept,
    respond,
};

/// The name of a route and the kinds of its captures, as a constant that the route and those who link to it share.
///
/// `C` is a tuple of what the captures are filled with, of any type that is [`Display`]; those of the nests' prefixes
/// come first. That a link gives as many values is checked by the compiler, and that the route has as many captures
/// by [`Router::build`](crate::Router::build).
///
/// ```
/// use trijet_core::{Path, Redirect, Router, extract::Urls, get, routing::{RouteName, UrlError}};
///
/// const REPORT: RouteName<(&str, u32)> = RouteName::new("report");
///
/// async fn report(Path((team, id)): Path<(String, u32)>) -> String { format!("report {id} of {team}") }
///
/// async fn latest(urls: Urls) -> Result<Redirect, UrlError> {
///     Ok(Redirect::to(urls.to(REPORT, ("R & D", 7))?))
/// }
///
/// let router = Router::new()
///     .nest("/teams/{team}", Router::new().route("/reports/{id}", get(report).name(REPORT)))
///     .route("/latest", get(latest));
/// # #[cfg(feature = "testing")]
/// assert_eq!(
///     trijet_core::sim::TestClient::new(router).get("/latest").send().header("location"),
///     Some("/teams/R%20%26%20D/reports/7"),
/// );
/// ```
///
/// A link with too few values is no program:
///
/// ```compile_fail
/// # use trijet_core::{extract::Urls, routing::{RouteName, UrlError}};
/// # const REPORT: RouteName<(&str, u32)> = RouteName::new("report");
/// fn link(urls: Urls) -> Result<String, UrlError> {
///     urls.to(REPORT, ("R & D",))
/// }
/// ```
pub struct RouteName<C> {
    pub(super) name: &'static str,
    /// None where nothing is said of them.
    pub(super) captures: Option<usize>,
    values: PhantomData<fn() -> C>,
}

impl<C: UrlValues> RouteName<C> {
    /// This name, of a route with the captures `C`: `()` for one without.
    pub const fn new(name: &'static str) -> Self {
        Self { name, captures: Some(C::COUNT), values: PhantomData }
    }
}

impl<C> RouteName<C> {
    /// The name.
    pub const fn as_str(&self) -> &'static str {
        self.name
    }

    pub(super) fn untyped(self) -> RouteName<()> {
        RouteName { name: self.name, captures: self.captures, values: PhantomData }
    }
}

/// A name of which nothing is said of the captures.
impl From<&'static str> for RouteName<()> {
    fn from(name: &'static str) -> Self {
        Self { name, captures: None, values: PhantomData }
    }
}

impl<C> Clone for RouteName<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for RouteName<C> {}

impl<C> fmt::Debug for RouteName<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteName").field(&self.name).finish()
    }
}

/// What the captures of a route are filled with: a tuple of up to 8 values that are [`Display`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot fill the captures of a route",
    label = "not a tuple of values",
    note = "the values of captures are a tuple of up to 8 that are `Display`: `(id,)` for one, `()` for none"
)]
pub trait UrlValues {
    /// How many they are.
    const COUNT: usize;

    /// Their texts, in the order of the pattern.
    fn texts(&self) -> Vec<String>;
}

macro_rules! url_values {
    ($count:literal $($part:ident)*) => {
        impl<$($part: Display),*> UrlValues for ($($part,)*) {
            const COUNT: usize = $count;

            #[expect(non_snake_case, reason = "each value is named after its type parameter")]
            fn texts(&self) -> Vec<String> {
                let ($($part,)*) = self;
                vec![$($part.to_string()),*]
            }
        }
    };
}
url_values!(1 A);
url_values!(2 A B);
url_values!(3 A B C);
url_values!(4 A B C D);
url_values!(5 A B C D E);
url_values!(6 A B C D E F);
url_values!(7 A B C D E F G);
url_values!(8 A B C D E F G H);

impl UrlValues for () {
    const COUNT: usize = 0;

    fn texts(&self) -> Vec<String> {
        Vec::new()
    }
}

/// An extractor that builds the addresses of named routes ([`MethodRouter::name`](crate::MethodRouter::name)).
///
/// Each value is percent-encoded for its place: a slash in it stays part of its segment, but for `{*rest}`, which takes
/// as many segments as there are. What no path can say is an error: an empty value, a segment `.` or `..`, which clients
/// resolve before they ask; and a value that leads to another route, such as `me` where `/users/me` stands beside
/// `/users/{id}`. So whatever address this gives leads to the route, and captures what was given.
///
/// It is a path, also for a route of a [`host`](crate::Router::host).
#[derive(Clone)]
pub struct Urls(Arc<OnceLock<Kept<Map>>>);

impl Urls {
    /// Without routes yet.
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// The path of the route of this name.
    ///
    /// # Errors
    /// Where no route has the name, or a value cannot stand in the path.
    pub fn to<C: UrlValues>(&self, route: RouteName<C>, values: C) -> Result<String, UrlError> {
        let (map, named) = self.named(route.name)?;
        map.path(route.name, named, &values.texts())
    }

    /// The path of the route whose name is a text, with its captures by their names: for templates.
    ///
    /// # Errors
    /// As [`to`](Self::to), and where a capture has no value or a value no capture.
    pub fn by_name(&self, name: &str, values: &[(&str, &str)]) -> Result<String, UrlError> {
        let (map, named) = self.named(name)?;
        let mut texts = Vec::new();
        for capture in &named.captures {
            match values.iter().find(|(name, _)| **name == **capture) {
                Some((_, text)) => texts.push((*text).to_owned()),
                None => return Err(UrlError::new(name, format_args!("`{capture}` has no value"))),
            }
        }
        match values.iter().find(|(name, _)| !named.captures.iter().any(|capture| **capture == **name)) {
            Some((surplus, _)) => {
                Err(UrlError::new(name, format_args!("`{}` does not capture `{surplus}`", named.pattern)))
            }
            None if values.len() > texts.len() => {
                Err(UrlError::new(name, format_args!("a value is given twice")))
            }
            None => map.path(name, named, &texts),
        }
    }

    fn named(&self, name: &str) -> Result<(&Map, &Named), UrlError> {
        self.0
            .get()
            .map(|map| &**map)
            .and_then(|map| Some((map, &map.named[*map.numbers.get(name)?])))
            .ok_or_else(|| UrlError::new(name, format_args!("no route has this name")))
    }
}

impl fmt::Debug for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.get().into_iter().flat_map(|map| map.numbers.keys())).finish()
    }
}

impl FromRequestParts for Urls {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        // Each app's outermost router has them as a state.
        context.state::<Self>().cloned().ok_or_else(|| Rejection::internal("Urls: there are none".into()))
    }
}

/// The name of a route, as [`MethodRouter::name`](crate::MethodRouter::name) gives it.
pub(super) struct Given {
    pub(super) name: RouteName<()>,
    /// What maps all names of an app: a program without names has none of this.
    pub(super) map: MapNames,
}

/// Gives `Urls` the routes that were named, of the tables by their hosts, that of no host first.
pub(super) type MapNames = fn(&mut Builder<'_>, &Tables, &Urls);

impl Given {
    pub(super) fn new(name: RouteName<()>) -> Self {
        let map: MapNames = |builder, tables, urls| {
            let map = Map::new(builder, tables);
            // It is set once, by the build that made it.
            let _ = urls.0.set(Kept::new(map));
        };
        Self { name, map }
    }
}

/// The named routes of an app.
struct Map {
    /// The names, and the numbers of what they name.
    numbers: Numbers,
    named: Vec<Named>,
    /// Where paths lead, by host.
    tables: Vec<Places>,
}

struct Named {
    pattern: Box<str>,
    captures: Box<[Box<str>]>,
    /// Which of the tables it is in.
    table: usize,
}

/// The patterns of a host, and the prefixes of its nests, the closest first.
struct Places {
    /// By their numbers in the tree.
    patterns: Vec<Box<str>>,
    tree: Arc<matchit::Router<u32>>,
    nests: Vec<Box<str>>,
}

impl Map {
    /// A name is that of one pattern.
    fn new(builder: &mut Builder<'_>, tables: &Tables) -> Self {
        let mut numbers = Numbers::new();
        let mut first_of: Vec<Naming> = Vec::new();
        for naming in std::mem::take(&mut builder.named) {
            let number = *numbers.entry(naming.name.to_owned()).or_insert(first_of.len());
            let Some(first) = first_of.get(number) else {
                first_of.push(naming);
                continue;
            };
            if (&first.host, &first.pattern) != (&naming.host, &naming.pattern) {
                let route =
                    |naming: &Naming| format!("`{}{}` {}", naming.host, naming.pattern, at(naming.place));
                let (name, first, second) = (naming.name, route(first), route(&naming));
                builder.faults.push(format!("the name `{name}` is given to {first} and to {second}"));
            }
        }
        let named = first_of.into_iter().map(|naming| {
            let table = tables.iter().position(|(host, _)| *host == naming.host).unwrap_or_default();
            Named { pattern: naming.pattern.into(), captures: (*naming.captures).into(), table }
        });
        Self {
            numbers,
            named: named.collect(),
            tables: tables.iter().map(|(_, table)| Places::of(table)).collect(),
        }
    }

    fn path(&self, name: &str, named: &Named, values: &[String]) -> Result<String, UrlError> {
        let wrong = |what: fmt::Arguments<'_>| Err(UrlError::new(name, what));
        let mut path = String::new();
        let mut values = named.captures.iter().zip(values);
        for part in pattern::parts(&named.pattern) {
            let (is_rest, (capture, value)) = match part {
                Part::Text(text) => {
                    path.push_str(text);
                    continue;
                }
                Part::Capture | Part::Rest => match values.next() {
                    Some(value) => (matches!(part, Part::Rest), value),
                    None => return wrong(format_args!("it has more captures than there are values")),
                },
            };
            if value.is_empty() {
                return wrong(format_args!("the value of `{capture}` is empty"));
            }
            if is_rest {
                for (index, segment) in value.split('/').enumerate() {
                    path.push_str(if index > 0 { "/" } else { "" });
                    path.extend(utf8_percent_encode(segment, SEGMENT));
                }
            } else {
                path.extend(utf8_percent_encode(value, SEGMENT));
            }
        }
        // Clients take these away before they ask.
        if path.split('/').any(pattern::is_dots) {
            return wrong(format_args!("a segment of its path would be `.` or `..`"));
        }
        // RFC 3986 §4.2: this would be another host.
        if path.starts_with("//") {
            return wrong(format_args!("its path would begin with two slashes"));
        }
        match self.tables.get(named.table).and_then(|places| places.pattern_of(&path)) {
            Some(pattern) if *pattern == *named.pattern => Ok(path),
            Some(pattern) => wrong(format_args!("its path would be one of `{pattern}`")),
            None => wrong(format_args!("its path would lead nowhere")),
        }
    }
}

impl Places {
    fn of(table: &Table) -> Self {
        Self {
            patterns: table.routes.iter().map(|route| route.pattern.as_str().into()).collect(),
            tree: table.tree.clone(),
            nests: table.nests.as_ref().map(|nests| nests.prefixes()).unwrap_or_default(),
        }
    }

    fn pattern_of(&self, path: &str) -> Option<&str> {
        let pattern = &*self.patterns[*self.tree.at(path).ok()?.value as usize];
        let nest = self.nests.iter().find(|nest| pattern::captures_below(nest, path).is_some());
        match nest {
            Some(nest) if pattern::has_captures(pattern) && !pattern::is_below(pattern, nest) => None,
            _ => Some(pattern),
        }
    }
}

/// All but what RFC 3986 §2.3 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why there is no address of a named route. As a response it is a 500 with a log line.
#[derive(Clone, Debug)]
pub struct UrlError(String);

impl UrlError {
    fn new(name: &str, what: fmt::Arguments<'_>) -> Self {
        Self(format!("there is no address of the route `{name}`: {what}"))
    }
}

impl Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UrlError {}

impl IntoResponse for UrlError {
    fn into_response(self) -> Response {
        respond::unsendable(format_args!("{self}"))
    }
}
