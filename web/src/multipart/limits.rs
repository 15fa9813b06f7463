//! What a form may hold: [`MultipartLimits`].

/// The limits of a form. They are a state of the router: `Router::state(MultipartLimits { … })` sets them for its routes;
/// without it the defaults hold. The body limit of the route bounds the whole form.
///
/// ```
/// use trijet_core::{Router, post};
/// use trijet_web::multipart::{Multipart, MultipartLimits};
///
/// async fn upload(_: Multipart) {}
///
/// let router = Router::new()
///     .route("/photos", post(upload).body_limit(64 << 20))
///     .state(MultipartLimits { part_bytes_max: 16 << 20, ..MultipartLimits::default() });
/// assert!(router.build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartLimits {
    /// Parts in a form. 256: more than a form that somebody fills in has; each costs a parsed head, and an app does
    /// something for each.
    pub parts_max: usize,
    /// Bytes of one part. Unbounded, as the route's body limit, 2 MiB unless said otherwise, holds for all of them.
    pub part_bytes_max: u64,
    /// Bytes of a part that is collected in memory, by `text` or `bytes`. 1 MiB: a text, not a film.
    pub collected_bytes_max: u64,
    /// Bytes of a part's head, from behind the boundary to the end of the blank line, and of what stands before the first part,
    /// to the end of its boundary. 8 KiB: two fields of some hundred bytes are usual.
    pub head_bytes_max: usize,
    /// Bytes of a field's name. 256: names are the form's own.
    pub name_bytes_max: usize,
    /// Bytes of a file's name. 1,024: 255 characters, the most of most file systems, in UTF-8.
    pub file_name_bytes_max: usize,
}

impl Default for MultipartLimits {
    fn default() -> Self {
        Self {
            parts_max: 256,
            part_bytes_max: u64::MAX,
            collected_bytes_max: 1 << 20,
            head_bytes_max: 8 << 10,
            name_bytes_max: 256,
            file_name_bytes_max: 1024,
        }
    }
}
