//! Pages from templates beside static files: a guest book. `cargo run --example pages --features static-files`.
//!
//! The templates are [minijinja]'s, which escapes what it puts into `.html`; any other engine is used in the same way: it
//! renders a `String`, and that is an answer as `Html`. The files come from the folder `examples/pages/static`.
//! `PORT` sets the port: 8080 if unset, any free one if 0.
//!
//! [minijinja]: https://docs.rs/minijinja

use std::{
    collections::VecDeque,
    env,
    error::Error,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use minijinja::{Environment, Value, context};
use serde::Deserialize;
use trijet::{
    Form, Html, IntoResponse, Redirect, Response, Router, State, StatusCode,
    files::{Cache, Files},
    get,
};

/// The templates, compiled once.
#[derive(Clone)]
struct Templates(Arc<Environment<'static>>);

impl Templates {
    fn load() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.add_template("base.html", include_str!("pages/templates/base.html"))?;
        environment.add_template("guests.html", include_str!("pages/templates/guests.html"))?;
        Ok(Self(Arc::new(environment)))
    }

    /// A page, or a 500 whose cause is in the log.
    fn page(&self, name: &str, values: Value) -> Response {
        match self.0.get_template(name).and_then(|template| template.render(values)) {
            Ok(page) => Html(page).into_response(),
            Err(error) => {
                log::error!("{name}: {error:#}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

#[derive(Clone, Deserialize)]
struct Guest {
    name: String,
    #[serde(default)]
    words: String,
}

/// The most guests that are kept, and the most bytes of each: anybody may sign, and memory is not to grow for ever.
const GUESTS_MAX: usize = 100;
const GUEST_BYTES_MAX: usize = 1_000;

#[derive(Clone, Default)]
struct Book(Arc<Mutex<VecDeque<Guest>>>);

impl Book {
    fn guests(&self) -> Vec<Guest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The oldest makes room.
    fn add(&self, guest: Guest) {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guests.len() == GUESTS_MAX {
            guests.pop_front();
        }
        guests.push_back(guest);
    }
}

/// Rendering waits for nothing, but a full book takes a millisecond of the processor: as a plain `fn` it is off the
/// event loop for that time.
fn show(State(templates): State<Templates>, State(book): State<Book>) -> Response {
    let guests = book.guests().into_iter().map(|guest| context! { name => guest.name, words => guest.words });
    templates.page("guests.html", context! { guests => guests.collect::<Vec<Value>>() })
}

async fn sign(
    State(book): State<Book>,
    Form(guest): Form<Guest>,
) -> Result<Redirect, (StatusCode, &'static str)> {
    if guest.name.is_empty() {
        return Err((StatusCode::UNPROCESSABLE_ENTITY, "Who are you?\n"));
    }
    if guest.name.len() + guest.words.len() > GUEST_BYTES_MAX {
        return Err((StatusCode::UNPROCESSABLE_ENTITY, "That is too much for one page.\n"));
    }
    book.add(guest);
    // A page that is loaded again does not sign again.
    Ok(Redirect::to("/"))
}

/// What is made for the occasion is saved as a file too, by its name.
async fn export(State(book): State<Book>) -> ([(&'static str, &'static str); 1], String) {
    let lines = book.guests().into_iter().map(|guest| format!("{}: {}\n", guest.name, guest.words));
    ([("content-disposition", "attachment; filename=\"guests.txt\"")], lines.collect())
}

fn app() -> Result<Router, minijinja::Error> {
    let files = Files::dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pages/static"));
    Ok(Router::new()
        .route("/", get(show).post(sign))
        .route("/guests.txt", get(export))
        // Names with a hash in them are kept for good, others asked for each time.
        .nest("/static", files.clone().precompressed().cache(Cache::hashed()).into_router())
        // Whatever else is asked for: `/robots.txt`.
        .fallback(files)
        .state(Templates::load()?)
        .state(Book::default()))
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    trijet::serve(("127.0.0.1", port), app()?)?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pages: {error}");
            ExitCode::FAILURE
        }
    }
}
