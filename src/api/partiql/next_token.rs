//! NextToken: where the next page of a SELECT starts.
//!
//! A sealed token (`api::sealed`) of a version, a digest of the statement, its parameters and its table, and the place. So one of
//! another statement is not accepted either.

use serde::{Deserialize, Serialize};

use super::super::json;
use super::super::sealed::{self, HASH_BYTES};
use super::super::wire::Attributes;
use super::Given;
use crate::error::Error;
use crate::item::Item;
use crate::store::Table;

const VERSION: u8 = 1;
const KEY_CONTEXT: &str = "fdyno 2026 partiql next token";
/// Longest token. Source: the service model.
pub const MAX_TOKEN: usize = 32_768;

/// What a token belongs to.
pub type Binding = [u8; HASH_BYTES];

/// Where a page starts.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Place {
    /// The range of keys that is read next.
    pub range: usize,
    /// The key behind which it goes on there.
    pub key: Option<Attributes>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PlaceOut<'a> {
    range: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Item>,
}

/// The digest of a statement on a table.
pub fn binding(given: &Given<'_>, table: &Table) -> Result<Binding, Error> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&table.id.to_be_bytes());
    hasher.update(&(given.statement.len() as u64).to_be_bytes());
    hasher.update(given.statement.as_bytes());
    hasher.update(&json::encode(&given.values()?)?);
    Ok(sealed::short(&hasher.finalize()))
}

pub fn encode(binding: &Binding, range: usize, key: Option<&Item>, database_id: &[u8; 16]) -> Result<String, Error> {
    let mut bytes = vec![VERSION];
    bytes.extend(binding);
    bytes.extend(json::encode(&PlaceOut { range, key })?);
    Ok(sealed::seal(bytes, KEY_CONTEXT, database_id))
}

/// The place of a token that was given for the same statement. "NextToken does not match request" is DynamoDB's (issue 4424 of
/// aws/aws-sdk-js-v3); of a text that is no token, the wording is ours.
pub fn decode(token: &str, binding: &Binding, database_id: &[u8; 16]) -> Result<Place, Error> {
    let content =
        sealed::open(token, KEY_CONTEXT, database_id).ok_or_else(|| Error::validation("Invalid NextToken"))?;
    let place = content.strip_prefix(&[VERSION]).and_then(|rest| rest.strip_prefix(binding.as_slice()));
    json::decode(place.ok_or_else(|| Error::validation("NextToken does not match request"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::AttributeValue;

    const DATABASE: [u8; 16] = [7; 16];
    const BINDING: Binding = [3; HASH_BYTES];

    fn key() -> Item {
        [("b".into(), AttributeValue::B(vec![0, 255])), ("n".into(), AttributeValue::N(5.into()))].into_iter().collect()
    }

    #[test]
    fn a_token_comes_back_as_the_place_it_was_made_of() -> Result<(), Error> {
        let token = encode(&BINDING, 4, Some(&key()), &DATABASE)?;
        let place = decode(&token, &BINDING, &DATABASE)?;
        assert_eq!(place.range, 4);
        assert_eq!(place.key.as_ref().map(Attributes::item), Some(Ok(&key())));
        assert!(decode(&encode(&BINDING, 0, None, &DATABASE)?, &BINDING, &DATABASE)?.key.is_none());
        Ok(())
    }

    #[test]
    fn a_token_is_good_for_its_statement_and_its_database_only() -> Result<(), Error> {
        let token = encode(&BINDING, 4, Some(&key()), &DATABASE)?;
        let other = decode(&token, &[4; HASH_BYTES], &DATABASE);
        assert_eq!(other.err(), Some(Error::validation("NextToken does not match request")));
        assert_eq!(decode(&token, &BINDING, &[8; 16]).err(), Some(Error::validation("Invalid NextToken")));
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            if let Some(byte) = changed.get_mut(at) {
                *byte = if *byte == b'A' { b'B' } else { b'A' };
            }
            let changed = String::from_utf8_lossy(&changed).into_owned();
            assert!(decode(&changed, &BINDING, &DATABASE).is_err(), "byte {at}");
        }
        for text in ["", "A", "!!", &"A".repeat(40)] {
            assert!(decode(text, &BINDING, &DATABASE).is_err(), "{text}");
        }
        Ok(())
    }
}
