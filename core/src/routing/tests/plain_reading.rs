//! Every short path, against a matcher that is too plain to be wrong.

use super::super::pattern::is_below;
use crate::{
    Next, Path, Request, Response, Router,
    exercise::{app, get as fetch},
    get, inline,
};

/// Whether `path` matches `pattern`, one segment after the other; captures are whole segments here.
fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match segments.next() {
            Some(segment) if wanted.starts_with("{*") => {
                return !segment.is_empty() || segments.next().is_some();
            }
            Some(segment) if wanted.starts_with('{') && !segment.is_empty() => {}
            Some(segment) if segment == wanted => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

#[test]
fn every_path_goes_where_a_plain_reading_of_the_patterns_says() {
    async fn tell(Path(all): Path<Vec<(String, String)>>, request: Request) -> String {
        let pattern = request.extensions().get::<String>().unwrap();
        // What was captured, put back into the pattern, is the path.
        let path = all.iter().fold(pattern.clone(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value).replace(&format!("{{*{name}}}"), value)
        });
        assert_eq!(path, request.uri().path(), "{pattern}");
        pattern.clone()
    }
    async fn note(mut request: Request, next: Next) -> Response {
        if let Some(route) = next.route() {
            request.extensions_mut().insert(route.to_owned());
        }
        next.run(request).await
    }
    let nests: &[(&str, &[&str])] = &[
        ("", &["/", "/a", "/a/{x}", "/{x}", "/{x}/b", "/{x}/b/{y}", "/a/b/{*r}", "/{x}/{y}/c", "/b/b/c"]),
        ("/b", &["/", "/a", "/{x}/c", "/c/{x}"]),
        ("/{t}/a", &["/b", "/{x}/{y}"]),
        ("/a/a", &["/c/{x}"]),
    ];
    let fill =
        |patterns: &[&str]| patterns.iter().fold(Router::new(), |router, p| router.route(p, get(tell)));
    let mut router = fill(nests[0].1);
    for &(prefix, patterns) in &nests[1..] {
        let text = format!("below {prefix}");
        router = router.nest(prefix, fill(patterns).fallback(inline(move || text.clone())));
    }
    let app = app(router.fallback(inline(|| "nowhere")).wrap(note));

    let patterns: Vec<String> = nests
        .iter()
        .flat_map(|(prefix, patterns)| {
            patterns.iter().map(move |p| match (*prefix, *p) {
                ("", p) => p.to_owned(),
                (prefix, "/") => prefix.to_owned(),
                (prefix, p) => format!("{prefix}{p}"),
            })
        })
        .collect();
    let mut paths = vec![String::new()];
    for _ in 0..5 {
        let longer: Vec<String> = paths
            .iter()
            .flat_map(|path| ["a", "b", "c", ""].map(|segment| format!("{path}/{segment}")))
            .collect();
        for path in &longer {
            let told = fetch(&app, path).text;
            let candidates: Vec<&String> = patterns.iter().filter(|pattern| matches(pattern, path)).collect();
            let closest = nests[1..]
                .iter()
                .map(|(prefix, _)| *prefix)
                .filter(|prefix| {
                    matches(prefix, path) || matches(&format!("{prefix}/{{*r}}"), path) || {
                        path.strip_suffix('/').is_some_and(|path| matches(prefix, path))
                    }
                })
                // Text wins, from the left; then the longer.
                .min_by_key(|prefix| prefix.replace('{', "~") + "~~");
            let allowed = |pattern: &&&String| {
                !pattern.contains('{') || closest.is_none_or(|prefix| is_below(pattern, prefix))
            };
            match candidates.iter().filter(allowed).count() {
                0 => assert_eq!(
                    told,
                    closest.map_or("nowhere".into(), |prefix| format!("below {prefix}")),
                    "{path}"
                ),
                _ => assert!(
                    candidates.iter().filter(allowed).any(|pattern| **pattern == told),
                    "{path}: {told}"
                ),
            }
        }
        paths = longer;
    }
}
