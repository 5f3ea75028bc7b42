//! Answers: status, body, and the headers that AWS gives each.
//!
//! The checksum is of the body as sent, so of the compressed one where it was compressed (the Go SDK's documentation of its
//! DynamoDB client says so). It must not know what was asked.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SERVER,
};
use hyper::{Response, StatusCode};

use crate::api::json;
use crate::error::Error;

/// Bodies of fewer bytes are sent as they are. AWS does not say where it draws the line; below this there is little to win.
const SMALLEST_COMPRESSED: usize = 2 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");

/// The content type of the protocol, in requests and answers.
pub const JSON: &str = "application/x-amz-json-1.0";
/// What DynamoDB takes as well, and then answers with.
pub const PLAIN_JSON: &str = "application/json";

/// An answer before it goes out.
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// Whether the connection cannot be used again: something of the request was left unread.
    pub closes: bool,
}

impl Answer {
    pub const fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, body, closes: false }
    }

    pub fn error(error: &Error, content_type: &'static str) -> Self {
        let closes = matches!(error, Error::RequestTimeout | Error::RequestTooLarge);
        Self { status: error.shape().status, content_type, body: json::error(error), closes }
    }

    /// What DynamoDB answers to what is no call of its protocol.
    pub fn no_call() -> Self {
        Self::new(404, "text/xml", b"<UnknownOperationException/>\n".to_vec())
    }

    /// The response, compressed if the request asked for it and it is worth it.
    pub fn into_response(self, request_id: &str, accepts_gzip: bool) -> Response<Full<Bytes>> {
        let compressed = if accepts_gzip && self.body.len() >= SMALLEST_COMPRESSED { gzip(&self.body) } else { None };
        let is_compressed = compressed.is_some();
        let body = compressed.unwrap_or(self.body);
        let checksum = crc32fast::hash(&body);
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("fdyno"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CHECKSUM, HeaderValue::from(checksum));
        if let Ok(request_id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        if is_compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// Whether a request asks for gzip.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts
            .filter_map(|parameter| parameter.strip_prefix("q="))
            .any(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0));
        is_gzip && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_asked_for_by_name_and_may_be_refused() {
        let asks = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            accepts_gzip(&headers)
        };
        assert!(asks("gzip"));
        assert!(asks("deflate, GZIP;q=0.5"));
        assert!(!asks("identity"));
        assert!(!asks("gzip;q=0, deflate"));
        assert!(!asks("xgzip"));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
