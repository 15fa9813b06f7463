//! The page: whose links are on it, and what it does not let others do.

use crate::{FORM, on_each_backend};

#[test]
fn a_link_is_added_and_shown() {
    on_each_backend("page", |process, _| {
        let mut client = process.connect();
        let form = client.ask("POST", "/", FORM, b"url=http%3A%2F%2Fexample.com%2F%3Fa%3D'%26b&code=");
        assert_eq!((form.status, form.header("location")), (303, Some("/")), "{form:?}");
        let page = client.get("/");
        let shown = page.text().replace("&#x2f;", "/").replace("&#x27;", "&#39;");
        assert!(shown.contains("http://example.com/?a=&#39;&amp;b"), "{page:?}");
        assert_eq!(process.connect().get("/").text().matches("class=\"code\"").count(), 0, "others'");
        assert_eq!(client.get("/static/style.css").status, 200);
    });
}
