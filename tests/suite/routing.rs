//! Which route answers, through real sockets: by host, with a slash more or less, for a method that is not offered; and
//! addresses that lead back.

use trijet::{
    Backend, Bytes, Limits, Method, Next, Path, Redirect, Request, Response, Router, StatusCode,
    extract::{MatchedPath, Urls},
    get, post,
    routing::{RouteName, TrailingSlash, UrlError},
};

use crate::common::{
    client::Client,
    server::{start, start_with},
};

on_every_backend!(
    hosts_have_routes_of_their_own,
    a_slash_at_the_end_is_strict_redirected_or_ignored,
    a_policy_of_slashes_takes_no_guarded_path_away,
    a_nest_guards_its_prefix_as_it_is_spelled,
    an_upload_is_redirected_whatever_its_length,
    methods_that_are_not_offered_may_have_a_fallback,
    addresses_of_named_routes_lead_to_them,
    the_pattern_that_matched_is_told,
);

fn ask(client: &mut Client, line: &str, host: &str) -> crate::common::response::Response {
    client.send(format!("{line}\r\nhost: {host}\r\n\r\n")).response()
}

fn hosts_have_routes_of_their_own(on: Backend) {
    async fn mark(request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-site", "api".parse().unwrap());
        response
    }
    let api = Router::new()
        .route("/", get(|| "api"))
        .route("/users/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .wrap(mark);
    let app = Router::new()
        .route("/", get(|| "all"))
        .route("/only", get(async || "all only"))
        .host("api.example.org", api)
        .host("*.example.org", Router::new().route("/", get(async || "tenant")));
    let server = start(on, app);
    let mut client = server.connect();
    for (host, answer) in [
        ("example.org", "all"),
        ("api.example.org", "api"),
        ("API.Example.ORG:8080", "api"),
        ("api.example.org.", "api"),
        ("acme.example.org:1", "tenant"),
        ("a.b.example.org", "tenant"),
        ("[::1]:80", "all"),
        ("localhost", "all"),
    ] {
        ask(&mut client, "GET / HTTP/1.1", host).says(answer);
        // RFC 9112 §3.2.2: what the target names comes before the Host field.
        ask(&mut client, &format!("GET http://{host}/ HTTP/1.1"), "other").says(answer);
        ask(&mut client, "GET http://api.example.org HTTP/1.1", host).says("api");
    }
    ask(&mut client, "GET /users/7 HTTP/1.1", "api.example.org").says("7");
    ask(&mut client, "GET /only HTTP/1.1", "localhost").says("all only");
    let missing = ask(&mut client, "GET /only HTTP/1.1", "api.example.org").with_status(404);
    assert_eq!(missing.header("x-site"), Some("api"));
    ask(&mut client, "GET /only HTTP/1.1", "acme.example.org").with_status(404);
    // The Host field may stand anywhere.
    let late = "GET / HTTP/1.1\r\naccept: */*\r\nx-host: a\r\nhOsT:\t acme.example.org \r\nx: y\r\n\r\n";
    client.send(late).response().says("tenant");
    server.connect().send("GET / HTTP/1.0\r\n\r\n").response().says("all");
    server.connect().send("GET / HTTP/1.0\r\nhost: api.example.org\r\n\r\n").response().says("api");
}

fn a_slash_at_the_end_is_strict_redirected_or_ignored(on: Backend) {
    let routes = || {
        Router::new()
            .route("/a", get(|| "got").post(|| "posted"))
            .route("/dir/", get(async || "dir"))
            .route("/users/{id}", get(async |Path(id): Path<String>| id))
    };
    let app = Router::new()
        .nest("/strict", routes())
        .nest("/redirect", routes().trailing_slash(TrailingSlash::Redirect))
        .nest("/ignore", routes().trailing_slash(TrailingSlash::Ignore));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, other, answer) in
        [("/a", "/a/", "got"), ("/dir/", "/dir", "dir"), ("/users/x%2F", "/users/x%2F/", "x/")]
    {
        for site in ["/strict", "/redirect", "/ignore"] {
            client.get(&format!("{site}{path}?q=1")).says(answer);
        }
        client.get(&format!("/strict{other}")).with_status(404);
        client.get(&format!("/ignore{other}?q=1")).says(answer);
        let moved = client.get(&format!("/redirect{other}?q=/&r")).with_status(308);
        assert_eq!(moved.header("location"), Some(&*format!("/redirect{path}?q=/&r")));
    }
    client
        .send("POST /ignore/a/ HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi")
        .response()
        .says("posted");
    let moved =
        client.send("POST /redirect/a/ HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi").response();
    assert_eq!(moved.with_status(308).header("location"), Some("/redirect/a"));
    let moved = ask(&mut client, "GET http://example.org/redirect/a/?q HTTP/1.1", "t").with_status(308);
    assert_eq!(moved.header("location"), Some("/redirect/a?q"));
}

fn a_policy_of_slashes_takes_no_guarded_path_away(on: Backend) {
    async fn guard(_: Request, _: Next) -> StatusCode {
        StatusCode::UNAUTHORIZED
    }
    let routes = |policy| {
        Router::new()
            .route("/{file}.txt", get(|| "a file"))
            .route("/files-{*rest}", get(|| "public"))
            .merge(Router::new().route("/{user}/{repo}", get(|| "secret")).wrap(guard))
            .nest("/files-private/x", Router::new().wrap(guard))
            .fallback(|| "the fallback")
            .trailing_slash(policy)
    };
    for policy in [TrailingSlash::Strict, TrailingSlash::Redirect, TrailingSlash::Ignore] {
        let server = start(on, routes(policy));
        let mut client = server.connect();
        client.get("/notes.txt").says("a file");
        client.get("/notes.txt/x").with_status(401);
        client.get("/files-a/x").says("public");
        client.get("/files-private/x/nope").with_status(401);
        client.get("/").says("the fallback");
    }
}

/// What the docs of `Router::nest` say: another spelling is another path, whose capture is decoded.
fn a_nest_guards_its_prefix_as_it_is_spelled(on: Backend) {
    async fn closed(_: Request, _: Next) -> StatusCode {
        StatusCode::UNAUTHORIZED
    }
    let app = Router::new()
        .nest("/admin", Router::new().route("/", get(|| "secret")).wrap(closed))
        .route("/{page}", get(|Path(page): Path<String>| page));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, status) in [("/admin", 401), ("/admin/", 401), ("/admin/x", 401), ("/%61dmin/x", 404)] {
        client.get(path).with_status(status);
    }
    client.get("/%61dmin").says("admin");
}

fn an_upload_is_redirected_whatever_its_length(on: Backend) {
    let upload = post(async |_: Bytes| "stored").body_limit(1 << 30);
    let app = Router::new().route("/a", upload).trailing_slash(TrailingSlash::Redirect);
    let server = start_with(on, app, Limits { body_bytes_max: 4, ..Limits::default() });
    for length in [4, 5, 1 << 30, u64::MAX >> 1] {
        // It waits to be told to go on, and is told where.
        let head = format!(
            "POST /a/ HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        );
        let moved = server.connect().send(head).response().with_status(308);
        assert_eq!(moved.header("location"), Some("/a"), "{length}");
    }
}

fn methods_that_are_not_offered_may_have_a_fallback(on: Backend) {
    fn refused(method: Method) -> (StatusCode, String) {
        (StatusCode::METHOD_NOT_ALLOWED, format!("not {method}"))
    }
    let app = Router::new()
        .route("/fn", get(|| "got").fallback(refused))
        .route("/async", get(|| "got").fallback(async |method: Method| format!("{method} is fine")))
        .nest(
            "/nest",
            Router::new().route("/a", get(|| "a")).fallback(|| (StatusCode::NOT_FOUND, "not in the nest")),
        );
    let server = start(on, app);
    let mut client = server.connect();
    let mut send = |method: &str, path: &str| ask(&mut client, &format!("{method} {path} HTTP/1.1"), "t");
    send("GET", "/fn").says("got");
    for method in ["PUT", "BREW"] {
        let answer = send(method, "/fn").with_status(405);
        assert_eq!(
            (answer.text(), answer.header("allow")),
            (&*format!("not {method}"), Some("GET, HEAD, OPTIONS"))
        );
        send(method, "/async").says(&format!("{method} is fine"));
    }
    send("OPTIONS", "/fn").with_status(204);
    assert_eq!(send("GET", "/nest/b").with_status(404).text(), "not in the nest");
    send("PUT", "/nest/a").with_status(405);
}

fn addresses_of_named_routes_lead_to_them(on: Backend) {
    const FILE: RouteName<(u32, &str)> = RouteName::new("file");
    async fn upload(urls: Urls, name: String) -> Result<Redirect, UrlError> {
        Ok(Redirect::to(urls.to(FILE, (7, &*name))?))
    }
    fn upload_blocking(urls: Urls, name: String) -> Result<Redirect, UrlError> {
        Ok(Redirect::to(urls.by_name("file", &[("user", "7"), ("name", &name)])?))
    }
    let files = Router::new()
        .route(
            "/{name}",
            get(async |Path((user, name)): Path<(u32, String)>| format!("{user} {name}")).name(FILE),
        )
        .route("/index", get(|| "index"));
    let app = Router::new()
        .nest("/users/{user}/files", files)
        .route("/async", post(upload))
        .route("/fn", post(upload_blocking));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/async", "/fn"] {
        for name in ["a", "a/b", "é ?#%2F", "...", "<&>"] {
            let made = client.send(crate::common::client::post(path, name)).response().with_status(303);
            let location = made.header("location").unwrap().to_owned();
            client.get(&location).says(&format!("7 {name}"));
        }
        for name in ["", ".", "..", "index"] {
            client.send(crate::common::client::post(path, name)).response().with_status(500);
        }
    }
}

fn the_pattern_that_matched_is_told(on: Backend) {
    async fn note(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        let path = path.as_ref().map_or("none", MatchedPath::as_str);
        response.headers_mut().insert("x-path", path.parse().unwrap());
        response
    }
    let app = Router::new()
        .nest("/n/{a}", Router::new().route("/fn/{b}", get(|path: MatchedPath| path.to_string())))
        .route("/async/{*rest}", get(async |path: MatchedPath| path.to_string()))
        .wrap(note);
    let server = start(on, app);
    let mut client = server.connect();
    for (target, pattern) in [("/n/1/fn/2", "/n/{a}/fn/{b}"), ("/async/1/2", "/async/{*rest}")] {
        assert_eq!(client.get(target).says(pattern).header("x-path"), Some(pattern));
        let refused = ask(&mut client, &format!("PUT {target} HTTP/1.1"), "t").with_status(405);
        assert_eq!(refused.header("x-path"), Some(pattern));
    }
    assert_eq!(client.get("/n/1").with_status(404).header("x-path"), Some("none"));
}
