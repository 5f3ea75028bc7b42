//! The JSON protocol: a request from its body, an answer or an error to its body.

use super::operations::{Operation, Request, Response};
use crate::error::Error;

/// Reads a request body. Blobs are base64; anything the protocol does not allow is a SerializationException.
pub fn request(operation: Operation, body: &[u8]) -> Result<Request, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    operation.parse(&mut deserializer).map_err(|error| Error::Serialization(error.to_string()))
}

/// Writes an answer's body.
pub fn response(response: &Response) -> Vec<u8> {
    serde_json::to_vec(response).unwrap_or_default()
}

/// Writes an error's body: its type, its message, and the members that some errors carry.
pub fn error(error: &Error) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({ "__type": error.shape().qualified(), "message": error.to_string() }))
        .unwrap_or_default()
}
