//! [`Metrics`]: figures of requests by route, and their page in the text format of Prometheus. What a client can choose must
//! never become a label: a route is the pattern that matched, a method one of those that there are.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Write},
    future::{Ready, ready},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use http::{StatusCode, header::CONTENT_TYPE};
use trijet_core::{
    IntoResponse, Next, Request, Response, extract::Needs, middleware::Middleware, respond::Answer,
};

use super::{
    Provided,
    fields::{method_name, now},
    observed::{End, Observer, observe},
};

/// Counts requests and their times by route, and shows them to Prometheus.
///
/// | name | kind | labels | what |
/// | --- | --- | --- | --- |
/// | `http_requests_total` | counter | `route`, `method`, `status` | requests that are answered |
/// | `http_request_duration_seconds` | histogram | `route`, `method` | from a request's head to its response's |
/// | `http_requests_in_flight` | gauge | `route`, `method` | requests whose response is not done |
///
/// The route is the pattern that matched, `/reports/{id}`, or empty where none did; a method that no RFC knows is
/// `other`; the status is `none` where there was no response of the app, as an `async fn` panicked or was given up. A
/// plain `fn` that panics makes a response inside, a 500. So the number of series has a bound that no client can move.
///
/// What no layer sees is not counted: what the server answers by itself to a head that is malformed, too large or too
/// slow, and to a connection over its limits.
///
/// Clones share the figures. [`collect`](Self::collect) adds others, those of the server among them:
/// `trijet::middleware` has `server_figures` for that. The page tells how the app is used: serve it where only
/// Prometheus comes.
///
/// ```
/// use trijet_core::{Router, get};
/// use trijet_web::middleware::Metrics;
///
/// let metrics = Metrics::new();
/// let app = Router::new()
///     .route("/reports/{id}", get(async || "report"))
///     .wrap(metrics.clone())
///     .route("/metrics", get(metrics.page()));
/// let client = trijet_core::sim::TestClient::new(app);
/// client.get("/reports/7").send();
/// let page = client.get("/metrics").send();
/// assert!(page.text().contains(r#"http_requests_total{route="/reports/{id}",method="GET",status="200"} 1"#));
/// ```
#[derive(Clone)]
pub struct Metrics(Arc<Shared>);

struct Shared {
    /// By route, then by method.
    routes: RwLock<HashMap<Box<str>, Methods>>,
    collectors: Mutex<Vec<Collector>>,
    buckets: Box<[Duration]>,
}

type Methods = BTreeMap<&'static str, Arc<Series>>;
type Collector = Arc<dyn Fn(&mut Exposition) + Send + Sync>;

/// The figures of one route and method.
struct Series {
    in_flight: AtomicI64,
    counts: Mutex<Counts>,
}

#[derive(Clone)]
struct Counts {
    /// By status; none: without a response.
    statuses: BTreeMap<Option<u16>, u64>,
    /// How many fell into each bucket, the last without bound.
    buckets: Box<[u64]>,
    sum: Duration,
}

impl Metrics {
    /// With buckets of 1 ms to 10 s.
    pub fn new() -> Self {
        Self::with_buckets(
            [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000].map(Duration::from_millis),
        )
    }

    /// With buckets up to these times, in rising order.
    pub fn with_buckets(bounds: impl IntoIterator<Item = Duration>) -> Self {
        let mut buckets: Vec<Duration> = bounds.into_iter().collect();
        buckets.sort_unstable();
        buckets.dedup();
        Self(Arc::new(Shared {
            routes: RwLock::default(),
            collectors: Mutex::default(),
            buckets: buckets.into(),
        }))
    }

    /// Has `collector` add figures each time the page is made. It must not block.
    ///
    /// ```
    /// use trijet_web::middleware::Metrics;
    /// let metrics = Metrics::new();
    /// metrics.collect(|page| page.gauge("jobs_waiting", "Jobs that wait", &[("queue", "mail")], 3.0));
    /// assert!(metrics.text().contains("jobs_waiting{queue=\"mail\"} 3\n"));
    /// ```
    pub fn collect(&self, collector: impl Fn(&mut Exposition) + Send + Sync + 'static) {
        self.0.collectors.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(collector));
    }

    /// A handler for the page, in the text format 0.0.4.
    pub fn page(&self) -> impl Fn() -> Ready<Response> + Clone + Send + Sync + 'static + use<> {
        let metrics = self.clone();
        move || {
            const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
            ready(([(CONTENT_TYPE, TYPE)], metrics.text()).into_response())
        }
    }

    /// The text of the page.
    pub fn text(&self) -> String {
        let mut page = Exposition::default();
        self.0.show(&mut page);
        // Called without the lock: they are the app's.
        let collectors = self.0.collectors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for collector in collectors {
            collector(&mut page);
        }
        page.text()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Shared {
    fn series(&self, route: &str, method: &'static str) -> Arc<Series> {
        let find = |routes: &HashMap<Box<str>, Methods>| {
            routes.get(route).and_then(|methods| methods.get(method)).cloned()
        };
        let found = find(&self.routes.read().unwrap_or_else(PoisonError::into_inner));
        found.unwrap_or_else(|| {
            let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
            let series = routes.entry(route.into()).or_default().entry(method);
            series.or_insert_with(|| Arc::new(Series::new(self.buckets.len()))).clone()
        })
    }

    fn show(&self, page: &mut Exposition) {
        let mut all: Vec<(Box<str>, &'static str, Arc<Series>)> = Vec::new();
        for (route, methods) in self.routes.read().unwrap_or_else(PoisonError::into_inner).iter() {
            all.extend(methods.iter().map(|(method, series)| (route.clone(), *method, series.clone())));
        }
        all.sort_unstable_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        for (route, method, series) in all {
            let labels = [("route", &*route), ("method", method)];
            // Small numbers.
            let in_flight = series.in_flight.load(Ordering::Relaxed) as f64;
            page.gauge("http_requests_in_flight", "Requests whose response is not done.", &labels, in_flight);
            let counts = series.lock().clone();
            for (status, count) in &counts.statuses {
                let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
                let labels = [labels[0], labels[1], ("status", &status)];
                page.counter("http_requests_total", "Requests that are answered.", &labels, *count);
            }
            page.histogram(
                "http_request_duration_seconds",
                "The time from a request's head to its response's.",
                &labels,
                &self.buckets,
                &counts,
            );
        }
    }
}

impl Series {
    fn new(bounds: usize) -> Self {
        let counts =
            Counts { statuses: BTreeMap::new(), buckets: vec![0; bounds + 1].into(), sum: Duration::ZERO };
        Self { in_flight: AtomicI64::new(0), counts: Mutex::new(counts) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // No code of others runs under this lock, so a poisoned one is still consistent.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, status: Option<StatusCode>, bounds: &[Duration], time: Duration) {
        let bucket = bounds.partition_point(|bound| *bound < time);
        let mut counts = self.lock();
        *counts.statuses.entry(status.map(|status| status.as_u16())).or_default() += 1;
        counts.buckets[bucket] += 1;
        counts.sum = counts.sum.saturating_add(time);
    }
}

/// A request in flight: counted out when it is dropped, as one without a response if it has none by then.
struct InFlight {
    shared: Arc<Shared>,
    series: Arc<Series>,
    began: std::time::Instant,
    is_counted: bool,
}

impl InFlight {
    fn count(&mut self, status: Option<StatusCode>) {
        self.is_counted = true;
        self.series.count(status, &self.shared.buckets, now().saturating_duration_since(self.began));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.is_counted {
            self.count(None);
        }
        self.series.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Observer for InFlight {
    fn ended(self, _: u64, _: End) {}
}

impl Middleware<Provided> for Metrics {
    async fn call(self, request: Request, next: Next) -> Answer {
        let series = self.0.series(next.route().unwrap_or(""), method_name(request.method()));
        series.in_flight.fetch_add(1, Ordering::Relaxed);
        let mut flight = InFlight { shared: self.0, series, began: now(), is_counted: false };
        let response = next.run(request).await;
        flight.count(Some(response.status()));
        observe(response, flight).into()
    }

    fn declare(_: &mut Needs) {}
}

/// A page of figures in the making: what [`Metrics::collect`] adds to. Label values are escaped; in names whatever
/// cannot stand there becomes `_`, in those of labels also a colon.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<String, Family>,
}

#[derive(Debug)]
struct Family {
    help: String,
    kind: &'static str,
    samples: String,
}

impl Exposition {
    /// A figure that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let samples = self.family(name, help, "gauge");
        push_sample(samples, &plain(name), labels, None, &number(value));
    }

    /// A count that only goes up. By custom its name ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        let samples = self.family(name, help, "counter");
        push_sample(samples, &plain(name), labels, None, &value.to_string());
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        bounds: &[Duration],
        counts: &Counts,
    ) {
        let samples = self.family(name, help, "histogram");
        let mut total = 0;
        for (index, count) in counts.buckets.iter().enumerate() {
            total += count;
            let bound =
                bounds.get(index).map_or_else(|| "+Inf".to_owned(), |bound| number(bound.as_secs_f64()));
            push_sample(samples, &format!("{name}_bucket"), labels, Some(("le", &bound)), &total.to_string());
        }
        push_sample(samples, &format!("{name}_sum"), labels, None, &number(counts.sum.as_secs_f64()));
        push_sample(samples, &format!("{name}_count"), labels, None, &total.to_string());
    }

    /// All samples of a name stand together, behind what is said of it once.
    fn family(&mut self, name: &str, help: &str, kind: &'static str) -> &mut String {
        let new = || Family { help: help.to_owned(), kind, samples: String::new() };
        &mut self.families.entry(plain(name)).or_insert_with(new).samples
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in &self.families {
            let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
            // A `String` takes all that is written.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {}\n{}", family.kind, family.samples);
        }
        text
    }
}

fn push_sample(
    text: &mut String,
    name: &str,
    labels: &[(&str, &str)],
    more: Option<(&str, &str)>,
    value: &str,
) {
    text.push_str(name);
    let mut separator = '{';
    for (label, value) in labels.iter().copied().chain(more) {
        text.push(separator);
        separator = ',';
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        // A `String` takes all that is written.
        // `[a-zA-Z_][a-zA-Z0-9_]*`: no colon in the name of a label.
        let _ = write!(text, "{}=\"{value}\"", plain(label).replace(':', "_"));
    }
    if separator == ',' {
        text.push('}');
    }
    let _ = writeln!(text, " {value}");
}

/// A name of the format: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
fn plain(name: &str) -> String {
    let is_plain = |(index, character): (usize, char)| {
        character.is_ascii_alphabetic()
            || matches!(character, '_' | ':')
            || (index > 0 && character.is_ascii_digit())
    };
    name.chars().enumerate().map(|each| if is_plain(each) { each.1 } else { '_' }).collect()
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_prometheus() {
        let metrics = Metrics::with_buckets([Duration::from_millis(500), Duration::from_millis(100)]);
        let series = metrics.0.series("/a/{b}", "GET");
        for (millis, status) in [(100, 200), (101, 200), (2_000, 500)] {
            let status = StatusCode::from_u16(status).ok();
            series.count(status, &metrics.0.buckets, Duration::from_millis(millis));
        }
        metrics.collect(|page| {
            page.gauge("1 odd-name", "two\nlines", &[("a-b", "\"\\\n")], f64::INFINITY);
            page.gauge("bare:rule", "", &[("a:b", "c:d")], 0.5);
        });
        let expected = [
            "# HELP __odd_name two\\nlines",
            "# TYPE __odd_name gauge",
            "__odd_name{a_b=\"\\\"\\\\\\n\"} +Inf",
            "# HELP bare:rule ",
            "# TYPE bare:rule gauge",
            "bare:rule{a_b=\"c:d\"} 0.5",
            "# HELP http_request_duration_seconds The time from a request's head to its response's.",
            "# TYPE http_request_duration_seconds histogram",
            "http_request_duration_seconds_bucket{route=\"/a/{b}\",method=\"GET\",le=\"0.1\"} 1",
            "http_request_duration_seconds_bucket{route=\"/a/{b}\",method=\"GET\",le=\"0.5\"} 2",
            "http_request_duration_seconds_bucket{route=\"/a/{b}\",method=\"GET\",le=\"+Inf\"} 3",
            "http_request_duration_seconds_sum{route=\"/a/{b}\",method=\"GET\"} 2.201",
            "http_request_duration_seconds_count{route=\"/a/{b}\",method=\"GET\"} 3",
            "# HELP http_requests_in_flight Requests whose response is not done.",
            "# TYPE http_requests_in_flight gauge",
            "http_requests_in_flight{route=\"/a/{b}\",method=\"GET\"} 0",
            "# HELP http_requests_total Requests that are answered.",
            "# TYPE http_requests_total counter",
            "http_requests_total{route=\"/a/{b}\",method=\"GET\",status=\"200\"} 2",
            "http_requests_total{route=\"/a/{b}\",method=\"GET\",status=\"500\"} 1",
        ];
        assert_eq!(metrics.text().lines().collect::<Vec<_>>(), expected);
    }
}
