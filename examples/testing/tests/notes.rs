//! The tests of the notes, to be copied: most in memory, where time is virtual, and what waits for the network on every
//! backend that is compiled in.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use trijet::testing::{MultipartForm, TestClient, on_each_backend};
use trijet_notes::app;

/// A browser in which somebody has logged in.
fn browser_of(name: &str, client: &TestClient) -> TestClient {
    let browser = client.clone().with_cookies();
    browser.post("/log-in").form(&BTreeMap::from([("name", name)])).send().assert_redirect("/notes");
    browser
}

#[test]
fn who_is_logged_in_writes_notes() {
    let client = TestClient::new(app());
    let note = json!({ "text": "Buy milk." });
    client.post("/notes").json(&note).send().assert_status(401).assert_text("Log in first.\n");

    let ada = browser_of("Ada", &client);
    let added = json!({ "author": "Ada", "text": "Buy milk." });
    ada.post("/notes").json(&note).send().assert_status(201).assert_json(&added);
    client.get("/notes").send().assert_json(&json!([added]));

    ada.post("/log-out").send().assert_redirect("/notes");
    assert_eq!(ada.cookie("name"), None);
    ada.post("/notes").json(&note).send().assert_status(401);
}

#[test]
fn a_login_lasts_for_an_hour() {
    let client = TestClient::new(app());
    let ada = browser_of("Ada", &client);
    ada.advance(Duration::from_secs(3599));
    assert_eq!(ada.cookie("name").as_deref(), Some("Ada"));
    ada.advance(Duration::from_secs(1));
    ada.post("/notes").json(&json!({ "text": "Too late." })).send().assert_status(401);
}

#[test]
fn what_is_no_note_is_refused() {
    let ada = browser_of("Ada", &TestClient::new(app()));
    let refused = ada.post("/notes").json(&json!({ "text": 7 })).send();
    refused.assert_status(422).assert_text_contains("`text`: invalid type: integer `7`, expected a string");
    ada.put("/notes").send().assert_status(405).assert_header("allow", "GET, HEAD, POST, OPTIONS");
}

#[test]
fn notes_are_imported_from_files() {
    on_each_backend(app, |client| {
        let form =
            MultipartForm::new().text("author", "Bob").file("notes", "notes.txt", "text/plain", "One\nTwo\n");
        client.post("/import").multipart(&form).send().assert_status(200).assert_text("2 notes\n");
        let notes = json!([{ "author": "Bob", "text": "One" }, { "author": "Bob", "text": "Two" }]);
        client.get("/notes").send().assert_json(&notes);
        client
            .post("/import")
            .multipart(&form.file("more", "a", "text/plain", vec![b'x'; 1 << 20]))
            .send()
            .assert_status(413);
    });
}

#[test]
fn the_count_comes_every_five_seconds() {
    let client = TestClient::new(app());
    let ada = browser_of("Ada", &client);
    let mut events = client.get("/count").open();
    events.head().assert_status(200).assert_header("content-type", "text/event-stream");
    assert_eq!(events.read().unwrap(), "data: 0\n\n");

    ada.post("/notes").json(&json!({ "text": "Buy milk." })).send().assert_status(201);
    client.advance(Duration::from_millis(4_999));
    // None yet, and it has not ended either.
    assert_eq!((events.read_now(), events.is_over()), (None, false));
    client.advance(Duration::from_millis(1));
    assert_eq!(events.read_now().unwrap(), "data: 1\n\n");
}

/// An upload that comes too slowly is given up after 5 s, and the quarter of a second that its bytes earn: a limit of the
/// server's, by default.
#[test]
fn an_import_that_stalls_is_given_up() {
    let client = TestClient::new(app());
    let mut import = client.post("/import").header("content-type", "multipart/form-data; boundary=b").open();
    import.write("--b\r\nContent-Disposition: form-data; name=\"author\"\r\n\r\nA");
    import.pause(Duration::from_secs(60)).write("da\r\n--b--\r\n");
    import.finish().assert_status(408);
    assert_eq!(client.elapsed().as_secs(), 5);
}
