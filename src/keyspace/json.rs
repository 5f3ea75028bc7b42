//! Metadata values: one byte of version, then JSON. For what is small, rarely written and likely to grow members.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bytes::{Reader, corrupt};
use crate::kv;

/// Encodes `value` as `version`'s form.
pub fn encode_versioned_json<T: Serialize>(version: u8, value: &T) -> kv::Result<Vec<u8>> {
    let mut out = vec![version];
    serde_json::to_writer(&mut out, value).map_err(|error| corrupt(&format!("cannot be written as JSON: {error}")))?;
    Ok(out)
}

/// Decodes a value that must have `version`'s form.
pub fn decode_versioned_json<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> kv::Result<T> {
    let mut reader = Reader::new(bytes);
    let found = reader.byte()?;
    if found != version {
        return Err(corrupt(&format!("metadata of version {found}, expected {version}")));
    }
    serde_json::from_slice(reader.rest()).map_err(|error| corrupt(&format!("metadata is not its JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_survives_and_damage_is_seen() -> kv::Result<()> {
        let value = vec![("a".to_owned(), 1_u64)];
        let bytes = encode_versioned_json(2, &value)?;
        assert_eq!(bytes, b"\x02[[\"a\",1]]");
        assert_eq!(decode_versioned_json::<Vec<(String, u64)>>(2, &bytes)?, value);
        assert!(decode_versioned_json::<Vec<(String, u64)>>(1, &bytes).is_err());
        for damaged in [&b""[..], b"\x02", b"\x02[", b"\x02{}"] {
            assert!(decode_versioned_json::<Vec<(String, u64)>>(2, damaged).is_err());
        }
        Ok(())
    }
}
