//! Folders whose router has nests of its own.

use trijet::{Backend, Router, files::Files, get};

use super::Site;
use crate::common::server::start;

on_every_backend!(what_a_nest_within_does_not_know_is_looked_up_below_the_folder);

fn what_a_nest_within_does_not_know_is_looked_up_below_the_folder(on: Backend) {
    let site = Site::new();
    site.write("index.html", "<p>root");
    site.write("sub/index.html", "<p>sub");
    site.write("sub/style.css", "p {}");
    let within = || Router::new().route("/known", get(|| "known"));
    let app = Router::new()
        .nest("/a/{x}", Files::dir(site.root()).into_router().nest("/sub", within()))
        .merge(Files::dir(site.root()).into_router().nest("/sub", within()));
    let server = start(on, app);
    let mut client = server.connect();
    for prefix in ["", "/a/x"] {
        client.get(&format!("{prefix}/")).says("<p>root");
        client.get(&format!("{prefix}/sub/known")).says("known");
        client.get(&format!("{prefix}/sub/style.css")).says("p {}");
        client.get(&format!("{prefix}/sub/")).says("<p>sub");
        client.get(&format!("{prefix}/sub/unknown")).with_status(404);
        client.get(&format!("{prefix}/sub/../index.html")).with_status(400);
    }
}
