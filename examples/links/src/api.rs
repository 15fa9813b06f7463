//! The JSON API, under `/api`. Its errors are JSON too.

use serde::{Deserialize, Serialize};
use trijet::{IntoResponse, Json, Path, Query, Response, Router, State, StatusCode, extract::Rejection, get};

use crate::{Failure, link::Link, store::Store};

/// The most links of one answer.
const LIST_MAX: u32 = 1000;

#[derive(Deserialize)]
struct NewLink {
    url: String,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default = "hundred")]
    limit: u32,
}

fn hundred() -> u32 {
    100
}

#[derive(Serialize)]
struct ErrorBody {
    error: String,
}

/// A [`Failure`], or a body or query that could not be read, as JSON.
struct ApiError(StatusCode, String);

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        Self(failure.status(), failure.sentence().to_owned())
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self(rejection.status(), rejection.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.0, Json(ErrorBody { error: self.1 })).into_response()
    }
}

pub(crate) fn router() -> Router {
    Router::new()
        .route("/links", get(list).post(add).body_limit(16 << 10))
        .route("/links/{code}", get(find).delete(remove))
        .fallback(async || ApiError(StatusCode::NOT_FOUND, "There is no such endpoint.".to_owned()))
}

/// 201 once the link is on the disk.
fn add(State(store): State<Store>, link: Result<Json<NewLink>, Rejection>) -> Result<Response, ApiError> {
    let Json(NewLink { url, code }) = link?;
    let link = store.add(&url, code)?;
    let location = [("location", format!("/{}", link.code))];
    Ok((StatusCode::CREATED, location, Json(link)).into_response())
}

fn list(
    State(store): State<Store>,
    range: Result<Query<Range>, Rejection>,
) -> Result<Json<Vec<Link>>, ApiError> {
    Ok(Json(store.newest(range?.limit.min(LIST_MAX))?))
}

fn find(State(store): State<Store>, Path(code): Path<String>) -> Result<Json<Link>, ApiError> {
    Ok(Json(store.find(&code)?))
}

fn remove(State(store): State<Store>, Path(code): Path<String>) -> Result<StatusCode, ApiError> {
    store.remove(&code)?;
    Ok(StatusCode::NO_CONTENT)
}
