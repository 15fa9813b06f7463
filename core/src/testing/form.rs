//! Forms with files, as browsers send them (HTML, "multipart/form-data encoding algorithm"; RFC 7578). What a server must
//! refuse is not made here: a body of bytes is for that.

use std::fmt::Display;

use http::HeaderValue;

/// A form with files, for [`TestRequest::multipart`](super::TestRequest::multipart): its parts are sent in their order.
///
/// ```
/// use trijet_core::{Router, post, sim::{MultipartForm, TestClient}};
///
/// let client = TestClient::new(Router::new().route("/", post(|form: String| form)));
/// let form = MultipartForm::new().text("title", "A picture").file("image", "a\"b.png", "image/png", b"\x01\x02");
/// let sent = client.post("/").multipart(&form).send();
/// sent.assert_text_contains("form-data; name=\"image\"; filename=\"a%22b.png\"\r\nContent-Type: image/png\r\n\r\n\x01\x02\r\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct MultipartForm {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    head: String,
    content: Vec<u8>,
}

impl MultipartForm {
    /// A form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. Line ends of its name and value become CRLF, as in every browser.
    #[must_use]
    pub fn text(mut self, name: &str, value: impl Display) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n", escaped(&with_crlf(name)));
        self.parts.push(Part { head, content: with_crlf(&value.to_string()).into_bytes() });
        self
    }

    /// Adds a file.
    ///
    /// # Panics
    /// If the type cannot stand in a header field.
    #[must_use]
    #[track_caller]
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        if let Err(error) = HeaderValue::from_str(content_type) {
            panic!("the type of the file {file_name:?}, {content_type:?}: {error}");
        }
        let (name, file_name) = (escaped(&with_crlf(name)), escaped(file_name));
        let head = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: {content_type}\r\n"
        );
        self.parts.push(Part { head, content: content.as_ref().to_vec() });
        self
    }

    /// The type of the body, and the body.
    pub(super) fn encode(&self) -> (String, Vec<u8>) {
        let boundary = self.boundary();
        let mut body = Vec::new();
        for Part { head, content } in &self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// One that is in no part (RFC 2046 §5.1.1). It is the same for the same form.
    fn boundary(&self) -> String {
        let is_in = |boundary: &str, part: &Part| {
            [part.head.as_bytes(), &part.content]
                .into_iter()
                .any(|bytes| super::find(bytes, boundary.as_bytes()).is_some())
        };
        (0_u32..)
            .map(|number| format!("----TrijetFormBoundary{number:04}"))
            .find(|boundary| !self.parts.iter().any(|part| is_in(boundary, part)))
            .unwrap_or_default()
    }
}

/// A line end of any kind is CRLF.
fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

/// As browsers escape what stands between quotes, and nothing else.
fn escaped(text: &str) -> String {
    text.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_sent_as_browsers_do() {
        let form = MultipartForm::new().text("a\n\"b\"%22", "1\n2\r3\r\n4").file(
            "f",
            "x\ny\r\"z\\.txt",
            "text/plain",
            "\n",
        );
        let (content_type, body) = form.encode();
        assert_eq!(content_type, "multipart/form-data; boundary=----TrijetFormBoundary0000");
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "------TrijetFormBoundary0000\r\n\
             Content-Disposition: form-data; name=\"a%0D%0A%22b%22%22\"\r\n\r\n\
             1\r\n2\r\n3\r\n4\r\n\
             ------TrijetFormBoundary0000\r\n\
             Content-Disposition: form-data; name=\"f\"; filename=\"x%0Ay%0D%22z\\.txt\"\r\n\
             Content-Type: text/plain\r\n\r\n\
             \n\r\n\
             ------TrijetFormBoundary0000--\r\n"
        );
        assert_eq!(MultipartForm::new().encode().1, b"------TrijetFormBoundary0000--\r\n");
    }

    #[test]
    fn a_boundary_is_in_no_part() {
        let form = MultipartForm::new()
            .text("a", "----TrijetFormBoundary0000")
            .text("----TrijetFormBoundary0001", "")
            .file("f", "----TrijetFormBoundary0002", "text/plain", "")
            .file("f", "", "text/plain; x=----TrijetFormBoundary0003", "----TrijetFormBoundary0005");
        assert!(form.encode().0.ends_with("----TrijetFormBoundary0004"));
    }

    #[test]
    #[should_panic(expected = "the type of the file \"a\", \"a\\r\\nb\": failed to parse header value")]
    fn a_type_that_cannot_be_sent_is_told() {
        drop(MultipartForm::new().file("f", "a", "a\r\nb", ""));
    }
}
