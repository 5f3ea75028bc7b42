//! Shard iterators: tokens that say which stream, where in it, and when they were issued.
//!
//! A token is sealed (`api::sealed`) and holds version, table id, position, time of issue, and the stream's account, region, table
//! name and label. Tokens expire a quarter of an hour after they were issued, by the database's clock.

use crate::api::sealed;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{Cursor, Realm, Stream};

/// How long an iterator may be used.
pub const LIFETIME_MILLIS: i64 = 15 * 60 * 1000;

const VERSION: u8 = 1;
const KEY_CONTEXT: &str = "fdyno 2026 shard iterator";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iterator {
    pub realm: Realm,
    pub table_name: String,
    pub label: String,
    /// Tells a stream from one of the same name in another life of the table.
    pub table_id: u64,
    pub cursor: Cursor,
    pub issued: Timestamp,
}

impl Iterator {
    pub fn new(stream: &Stream, cursor: Cursor, issued: Timestamp) -> Self {
        Self {
            realm: stream.realm.clone(),
            table_name: stream.table_name.clone(),
            label: stream.label.clone(),
            table_id: stream.table_id,
            cursor,
            issued,
        }
    }

    pub fn to_token(&self, database_id: &[u8; 16]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.table_id.to_be_bytes());
        bytes.extend(self.cursor.0);
        bytes.extend(self.issued.millis().to_be_bytes());
        for text in [&self.realm.account, &self.realm.region, &self.table_name, &self.label] {
            bytes.extend(text.as_bytes());
            // No name holds a NUL, so it can end each.
            bytes.push(0);
        }
        sealed::seal(bytes, KEY_CONTEXT, database_id)
    }

    /// The iterator of a token that this database issued and that is not older than it may be.
    pub fn from_token(token: &str, database_id: &[u8; 16], now: Timestamp) -> Result<Self, Error> {
        let iterator = Self::decode(token, database_id).ok_or_else(|| Error::validation("Invalid ShardIterator"))?;
        let age = now.millis().saturating_sub(iterator.issued.millis());
        if age > LIFETIME_MILLIS {
            // The words of botocore's model.
            return Err(Error::ExpiredIterator("The provided iterator exceeds the maximum age allowed.".to_owned()));
        }
        Ok(iterator)
    }

    fn decode(token: &str, database_id: &[u8; 16]) -> Option<Self> {
        let content = sealed::open(token, KEY_CONTEXT, database_id)?;
        let (version, rest) = content.split_first()?;
        let (table_id, rest) = rest.split_first_chunk::<8>()?;
        let (cursor, rest) = rest.split_first_chunk::<14>()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let mut texts = std::str::from_utf8(rest).ok()?.split('\0').map(str::to_owned);
        let (account, region) = (texts.next()?, texts.next()?);
        (*version == VERSION).then_some(Self {
            realm: Realm { account, region },
            table_name: texts.next()?,
            label: texts.next()?,
            table_id: u64::from_be_bytes(*table_id),
            cursor: Cursor(*cursor),
            issued: Timestamp(i64::from_be_bytes(*issued)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: [u8; 16] = [7; 16];

    fn iterator() -> Iterator {
        Iterator {
            realm: Realm { account: "123456789012".to_owned(), region: "us-east-1".to_owned() },
            table_name: "orders".to_owned(),
            label: "2026-01-01T00:00:00.000".to_owned(),
            table_id: 42,
            cursor: Cursor([9; 14]),
            issued: Timestamp(1_000_000),
        }
    }

    #[test]
    fn a_token_comes_back_as_the_iterator_it_was_made_of() {
        let token = iterator().to_token(&DATABASE);
        assert!(token.len() <= 2048);
        assert_eq!(Iterator::from_token(&token, &DATABASE, Timestamp(1_000_001)), Ok(iterator()));
    }

    #[test]
    fn the_longest_names_stay_within_the_limit() {
        let long = Iterator { table_name: "t".repeat(255), ..iterator() };
        assert!(long.to_token(&DATABASE).len() <= 2048);
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_invalid() {
        let token = iterator().to_token(&DATABASE);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            if let Some(byte) = changed.get_mut(at) {
                *byte = if *byte == b'A' { b'B' } else { b'A' };
            }
            let changed = String::from_utf8_lossy(&changed).into_owned();
            let found = Iterator::from_token(&changed, &DATABASE, Timestamp(1_000_000));
            assert_eq!(found, Err(Error::validation("Invalid ShardIterator")), "byte {at}");
        }
        for text in ["", "A", "!!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(Iterator::from_token(text, &DATABASE, Timestamp(0)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_of_another_database_is_invalid() {
        let token = iterator().to_token(&DATABASE);
        assert!(Iterator::from_token(&token, &[8; 16], Timestamp(1_000_000)).is_err());
    }

    #[test]
    fn a_token_is_good_for_a_quarter_of_an_hour_and_no_longer() {
        let token = iterator().to_token(&DATABASE);
        let last = Timestamp(1_000_000 + LIFETIME_MILLIS);
        assert!(Iterator::from_token(&token, &DATABASE, last).is_ok());
        let late = Iterator::from_token(&token, &DATABASE, last.plus_millis(1));
        assert_eq!(late.err().map(|error| error.shape().code), Some("ExpiredIteratorException"));
    }
}
