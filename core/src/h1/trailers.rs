//! Which fields can be no trailers, in either direction. The fields themselves are read in `decode` and
//! written in `encode`.

use http::{HeaderName, header};

/// RFC 9110 §6.5.1: fields for framing, routing, authentication, request modifiers, response controls and the
/// format of content are not allowed as trailers. They are left out of what is received and of what is sent:
/// a peer that merges trailers into the header fields would read the message in another way.
pub(super) const FORBIDDEN: [HeaderName; 32] = [
    // Framing, and the connection.
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    // Routing.
    header::HOST,
    header::MAX_FORWARDS,
    // Authentication.
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
    header::COOKIE,
    header::SET_COOKIE,
    // Request modifiers.
    header::EXPECT,
    header::RANGE,
    header::CACHE_CONTROL,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    // Response controls.
    header::AGE,
    header::DATE,
    header::EXPIRES,
    header::LOCATION,
    header::RETRY_AFTER,
    header::VARY,
    // The format of content.
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
    header::CONTENT_LOCATION,
];
