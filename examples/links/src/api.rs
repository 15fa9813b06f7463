//! The JSON API, under `/api`, for whoever runs the app: it lists and removes the links of everybody, so it must never
//! answer without the token. Its errors are problems of RFC 9457 (`main.rs`).

use serde::Deserialize;
use trijet::{
    IntoResponse, Json, Path, Query, Response, Router, State, StatusCode, get,
    middleware::{BearerAuth, RateLimit},
    post,
};

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

/// For those who have `token`; `adding` is how often one client may add.
pub(crate) fn router(token: &str, adding: RateLimit) -> Router {
    Router::new()
        .route("/links", get(list))
        .route("/links", post(add).body_limit(16 << 10).wrap(adding))
        .route("/links/{code}", get(find).delete(remove))
        .wrap(BearerAuth::token("links", token))
}

/// 201 once the link is on the disk.
fn add(State(store): State<Store>, Json(NewLink { url, code }): Json<NewLink>) -> Result<Response, Failure> {
    let link = store.add(&url, code, None)?;
    let location = [("location", format!("/{}", link.code))];
    Ok((StatusCode::CREATED, location, Json(link)).into_response())
}

fn list(State(store): State<Store>, Query(range): Query<Range>) -> Result<Json<Vec<Link>>, Failure> {
    Ok(Json(store.newest(range.limit.min(LIST_MAX))?))
}

fn find(State(store): State<Store>, Path(code): Path<String>) -> Result<Json<Link>, Failure> {
    Ok(Json(store.find(&code)?))
}

fn remove(State(store): State<Store>, Path(code): Path<String>) -> Result<StatusCode, Failure> {
    store.remove(&code, None)?;
    Ok(StatusCode::NO_CONTENT)
}
