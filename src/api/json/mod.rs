//! The JSON protocol: a request from its body, an answer or an error to its body.
//!
//! Blobs are base64 and timestamps are seconds. A body that the protocol does not allow is a SerializationException with
//! DynamoDB's words where they are known. Depth is bounded.

mod read;

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, Serializer};
use serde_json::ser::Formatter;

use super::operations::{Operation, Request, Response};
use crate::error::{CancellationReason, Error};
use crate::item::Item;

/// Reads a request body; an empty one counts as an empty object.
pub fn request(operation: Operation, body: &[u8]) -> Result<Request, Error> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    let node = read::parse(body)?;
    operation.parse(node).map_err(Error::from)
}

/// Writes an answer's body.
pub fn response(response: &Response) -> Vec<u8> {
    write(response).unwrap_or_else(|failure| error(&Error::InternalServerError(failure.to_string())))
}

/// Writes an error's body: its type, its message, and the members that some errors carry.
pub fn error(error: &Error) -> Vec<u8> {
    // Only text is written here, which cannot fail.
    write(&ErrorBody(error)).unwrap_or_default()
}

/// Writes anything as this protocol does, for what a later request brings back.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    write(value).map_err(|failure| Error::InternalServerError(failure.to_string()))
}

/// Reads what `encode` wrote.
pub(super) fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    Ok(T::deserialize(read::parse(text)?)?)
}

fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut body, Base64Blobs);
    value.serialize(&mut serializer)?;
    Ok(body)
}

/// Compact JSON whose byte arrays are base64 text.
struct Base64Blobs;

impl Formatter for Base64Blobs {
    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        writer.write_all(b"\"")?;
        writer.write_all(STANDARD.encode(value).as_bytes())?;
        writer.write_all(b"\"")
    }
}

struct ErrorBody<'a>(&'a Error);

impl Serialize for ErrorBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("__type", &self.0.shape().qualified())?;
        let message = if matches!(self.0, Error::TransactionCanceled { .. }) { "Message" } else { "message" };
        let words = self.0.to_string();
        if !words.is_empty() {
            members.serialize_entry(message, &words)?;
        }
        match self.0 {
            Error::ConditionalCheckFailed { item: Some(item) } => members.serialize_entry("Item", item.as_ref())?,
            Error::TransactionCanceled { reasons } => {
                let reasons: Vec<Reason<'_>> = reasons.iter().map(Reason::new).collect();
                members.serialize_entry("CancellationReasons", &reasons)?;
            }
            _ => {}
        }
        members.end()
    }
}

/// A cancellation reason on the wire.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reason<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a Item>,
}

impl<'a> Reason<'a> {
    fn new(reason: &'a CancellationReason) -> Self {
        Self { code: reason.code, message: reason.message.as_deref(), item: reason.item.as_ref() }
    }
}

#[cfg(test)]
mod tests;
