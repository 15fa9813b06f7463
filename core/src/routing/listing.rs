//! A router as text: the table of its routes. It is made from what was collected, so that it can be printed before
//! anything was checked.

use std::fmt;

use http::Method;

use super::{Child, MethodRouter, Router};

/// One route, or one fallback.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    host: String,
    pattern: String,
    methods: String,
    name: String,
    middleware: usize,
}

const HEADINGS: [&str; 5] = ["host", "path", "methods", "name", "middleware"];

/// A table of hosts, paths, methods, names and how many middlewares stand around each, sorted by host and path. A path
/// that ends in `…` is a fallback: what answers what no route matches. The columns of hosts and names are left out where
/// there are none.
///
/// ```
/// use trijet_core::{Router, get, middleware::access_log};
///
/// let api = Router::new().route("/notes/{id}", get(async || "a note").delete(async || "gone").name("note"));
/// let router = Router::new().route("/", get(async || "hello")).nest("/api", api).wrap(access_log);
/// assert_eq!(
///     router.to_string(),
///     "path             methods      name  middleware\n\
///      /                GET                1\n\
///      /api/notes/{id}  GET, DELETE  note  1\n",
/// );
/// ```
impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Vec::new();
        collect(self, "", "", 0, &mut rows);
        rows.sort();
        let mut cells = vec![HEADINGS.map(str::to_owned)];
        cells.extend(
            rows.into_iter()
                .map(|row| [row.host, row.pattern, row.methods, row.name, row.middleware.to_string()]),
        );
        let has_any = |column: usize| cells.iter().skip(1).any(|row| !row[column].is_empty());
        let is_shown = |&column: &usize| !matches!(HEADINGS[column], "host" | "name") || has_any(column);
        let columns: Vec<usize> = (0..HEADINGS.len()).filter(is_shown).collect();
        let width =
            |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths = std::array::from_fn::<usize, { HEADINGS.len() }, _>(width);
        for row in &cells {
            let mut line = String::new();
            for &column in &columns {
                line += &format!("{:<1$}  ", row[column], widths[column]);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn collect(router: &Router, host: &str, prefix: &str, around: usize, rows: &mut Vec<Row>) {
    let router = &*router.0;
    let around = around + router.wraps.len();
    for (pattern, methods, _) in &router.routes {
        let pattern = match pattern.as_str() {
            "/" if !prefix.is_empty() => prefix.to_owned(),
            pattern => format!("{prefix}{pattern}"),
        };
        rows.push(Row {
            host: host.to_owned(),
            pattern,
            methods: told(methods),
            name: methods.names.iter().map(|given| given.name.as_str()).collect::<Vec<_>>().join(", "),
            middleware: around + methods.wraps.len(),
        });
    }
    if router.fallback.is_some() {
        rows.push(Row {
            host: host.to_owned(),
            pattern: format!("{prefix}/…"),
            methods: "fallback".into(),
            name: String::new(),
            middleware: around,
        });
    }
    for child in &router.children {
        match child {
            Child::Merged(router) => collect(router, host, prefix, around, rows),
            Child::Nested(own, router, ..) => collect(router, host, &format!("{prefix}{own}"), around, rows),
            Child::Host(host, router, ..) => collect(router, host, prefix, around, rows),
        }
    }
}

fn told(methods: &MethodRouter) -> String {
    let offered = methods.handlers.iter().map(|(method, _)| method.as_ref().map_or("any", Method::as_str));
    let others = methods.fallbacks.iter().map(|_| "others");
    offered.chain(others).collect::<Vec<_>>().join(", ")
}
