//! Addresses of named routes: whatever is given leads to its route and is captured there as it was given, or is an
//! error.

use crate::{
    Path, Router,
    exercise::{app, get as fetch, logged},
    extract::{MatchedPath, Urls},
    get,
    routing::{RouteName, UrlError},
};

type Captured = Path<Vec<(String, String)>>;

async fn tell(path: MatchedPath, Path(all): Captured) -> String {
    all.into_iter().fold(path.to_string(), |told, (_, value)| format!("{told}\n{value}"))
}

const ONE: RouteName<(&str,)> = RouteName::new("one");
const TWO: RouteName<(&str, &str)> = RouteName::new("two");
const ROOT: RouteName<()> = RouteName::new("root");
const REST: RouteName<(&str,)> = RouteName::new("rest");
const PART: RouteName<(&str,)> = RouteName::new("part");
const ALL: RouteName<(&str,)> = RouteName::new("all");
const ABOVE: RouteName<(&str,)> = RouteName::new("above");

fn routes() -> Router {
    Router::new()
        .route("/", get(tell).name(ROOT))
        .route("/one/{x}", get(tell).name(ONE))
        .route("/one/me", get(|| "me"))
        .nest(
            "/n/{x}",
            Router::new().route("/two/{y}/é".replace('é', "%C3%A9").as_str(), get(tell).name(TWO)),
        )
        .route("/rest/{*all}", get(tell).name(REST))
        .route("/{{part}}/{x}.png", get(tell).name(PART))
        .route("/{*all}", get(tell).name(ALL))
        .route("/n/{a}", get(tell).name(ABOVE))
}

/// The extractor of `app`, as a handler has it.
fn urls_of(router: Router) -> (crate::App, Urls) {
    let (sender, urls) = std::sync::mpsc::channel();
    let app = app(router.route("/urls!", get(move |urls: Urls| sender.send(urls).unwrap())));
    assert_eq!(fetch(&app, "/urls!").status, 200);
    (app, urls.recv().unwrap())
}

const VALUES: [&str; 30] = [
    "a",
    "7",
    "me",
    "ME",
    "a b",
    "a/b",
    "/",
    "//",
    "a//b",
    "a/",
    "/a",
    ".",
    "..",
    "...",
    "./a",
    "a/..",
    "a/../b",
    "..a",
    "%",
    "%2F",
    "%2e",
    "?a",
    "#a",
    "é",
    "日本",
    "\u{0}\r\n",
    "a;b=c",
    "{x}",
    "\\",
    "~-._!$&'()*+,;=:@",
];

#[test]
fn an_address_leads_to_its_route_with_the_values_that_were_given() {
    let (app, urls) = urls_of(routes());
    let mut given = 0;
    let mut check = |pattern: &str, values: &[&str], url: Result<String, UrlError>| {
        let Ok(url) = url else { return };
        given += 1;
        assert!(url.starts_with('/') && !url.starts_with("//"), "{url}");
        assert!(url.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\<>\"".contains(&byte)), "{url}");
        let told = values.iter().fold(pattern.to_owned(), |told, value| format!("{told}\n{value}"));
        assert_eq!(fetch(&app, &url).text, told, "{url}");
        // Nothing is left for a client to resolve.
        assert!(!url.split('/').any(|segment| {
            matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
        }));
    };
    for x in VALUES {
        check("/one/{x}", &[x], urls.to(ONE, (x,)));
        check("/rest/{*all}", &[x], urls.to(REST, (x,)));
        check("/{{part}}/{x}.png", &[x], urls.to(PART, (x,)));
        check("/{*all}", &[x], urls.to(ALL, (x,)));
        for y in VALUES {
            check("/n/{x}/two/{y}/%C3%A9", &[x, y], urls.to(TWO, (x, y)));
        }
    }
    check("/", &[], urls.to(ROOT, ()));
    // `.` and `..` cannot be said, and `me` is another's: the rest of each can.
    assert!(given > 28 + 20 + 28 + 20 + 28 * 28, "{given}");
}

#[test]
fn what_cannot_be_right_is_an_error() {
    let (_, urls) = urls_of(routes());
    const NOBODY: RouteName<()> = RouteName::new("nobody");
    let named = |name, values: &[(&str, &str)]| urls.by_name(name, values);
    let rows = [
        (urls.to(NOBODY, ()), "`nobody`: no route has this name"),
        (urls.to(ONE, ("",)), "`one`: the value of `x` is empty"),
        (urls.to(ONE, (".",)), "`one`: a segment of its path would be `.` or `..`"),
        (urls.to(ONE, ("..",)), "`one`: a segment of its path would be `.` or `..`"),
        (urls.to(ONE, ("me",)), "`one`: its path would be one of `/one/me`"),
        (urls.to(REST, ("a/../b",)), "`rest`: a segment of its path would be `.` or `..`"),
        (urls.to(ALL, ("/evil.org",)), "`all`: its path would begin with two slashes"),
        (urls.to(ALL, ("one/7",)), "`all`: its path would be one of `/one/{x}`"),
        // The nest answers for what lies below its prefix.
        (urls.to(ABOVE, ("x",)), "`above`: its path would lead nowhere"),
        (named("nobody", &[]), "`nobody`: no route has this name"),
        (named("one", &[]), "`one`: `x` has no value"),
        (named("one", &[("y", "1")]), "`one`: `x` has no value"),
        (named("one", &[("x", "1"), ("y", "1")]), "`one`: `/one/{x}` does not capture `y`"),
        (named("one", &[("x", "1"), ("x", "2")]), "`one`: a value is given twice"),
        (named("root", &[("x", "1")]), "`root`: `/` does not capture `x`"),
        (named("one", &[("x", "..")]), "`one`: a segment of its path would be `.` or `..`"),
    ];
    for (url, expected) in rows {
        let error = url.unwrap_err().to_string();
        assert_eq!(error, format!("there is no address of the route {expected}"));
    }
    assert_eq!(named("two", &[("y", "b/"), ("x", "a")]).unwrap(), "/n/a/two/b%2F/%C3%A9");
}

#[test]
fn names_reach_across_nests_and_hosts_and_errors_are_a_500() {
    const HOME: RouteName<()> = RouteName::new("home");
    const USER: RouteName<(u32,)> = RouteName::new("user");
    async fn link(urls: Urls) -> Result<String, UrlError> {
        Ok(format!("{} {}", urls.to(HOME, ())?, urls.to(USER, (7,))?))
    }
    async fn wrong(urls: Urls) -> Result<String, UrlError> {
        urls.by_name("user", &[])
    }
    logged();
    let app = app(Router::new()
        .route("/home", get(|| "home").name(HOME).post(|| "").name("alias"))
        .nest("/deep", Router::new().route("/link", get(link)).state(1_u8))
        .route("/wrong", get(wrong))
        .host(
            "a.org",
            Router::new().nest("/users", Router::new().route("/{id}", get(|| "user").name(USER))),
        ));
    assert_eq!(fetch(&app, "/deep/link").text, "/home /users/7");
    let answer = fetch(&app, "/wrong");
    assert_eq!((answer.status, &*answer.text), (500, "The server could not answer this request."));
    let [line] = &logged()[..] else { panic!("one line") };
    assert!(line.contains("there is no address of the route `user`: `id` has no value"), "{line}");
}

/// Braces that stand for themselves capture nothing, and text of a pattern can be an escape.
#[test]
fn text_of_a_pattern_plays_its_part_in_an_address() {
    const BRACES: RouteName<()> = RouteName::new("braces");
    let (app, urls) = urls_of(
        Router::new()
            .route("/n/{{x}}", get(tell).name(BRACES))
            .route("/e/%2e{x}", get(tell).name(ONE))
            .nest("/n", Router::new()),
    );
    assert_eq!(urls.to(BRACES, ()).unwrap(), "/n/{x}");
    assert_eq!(fetch(&app, "/n/{x}").text, "/n/{{x}}");
    assert_eq!(fetch(&app, &urls.to(ONE, ("a",)).unwrap()).text, "/e/%2e{x}\na");
    let error = urls.to(ONE, (".",)).unwrap_err().to_string();
    assert!(error.ends_with("a segment of its path would be `.` or `..`"), "{error}");
}
