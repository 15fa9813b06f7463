//! Which fields can be no trailers, in either direction. The fields themselves are read in `decode` and
//! written in `encode`.

use http::{HeaderName, header};

/// RFC 9110 §6.5.1: fields for framing, routing, authentication, modifiers and content are not allowed as
/// trailers. They are left out of what is received and of what is sent: a peer that merges trailers into the
/// header fields would read the message in another way.
pub(super) const FORBIDDEN: [HeaderName; 18] = [
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::RANGE,
    header::CACHE_CONTROL,
    header::MAX_FORWARDS,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
];
