//! Keys of exchanges: imports, exports and bulk operations, which of them run, their client tokens, and when they may go.
//!
//! ```text
//! <prefix> 13 00 <account> <region> <kind> <table> <id>   →   the exchange, JSON
//! <prefix> 13 01 <account> <region> <kind> <table> <id>   →   empty: it is not finished
//! <prefix> 13 02 <account> <region> <kind> <token>        →   what the token's first request began, JSON
//! <prefix> 13 03 <minute u64> <what follows 13 above>     →   empty: in this minute that key may go
//! ```
//!
//! Ids begin with a time, so a table's exchanges lie in the order in which they began. It must not know what exchanges do.

use super::bytes::Reader;
use super::range::KeyRange;
use super::tuple::{put_text, read_text};
use super::{Family, Keyspace, Realm};
use crate::kv;

const EXCHANGE: u8 = 0;
const RUNNING: u8 = 1;
const TOKEN: u8 = 2;
const EXPIRY: u8 = 3;

/// A exchange's full name, read back from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeName {
    pub account: String,
    pub region: String,
    pub kind: String,
    pub table: String,
    pub id: String,
}

impl ExchangeName {
    fn names(&self) -> [&str; 5] {
        [&self.account, &self.region, &self.kind, &self.table, &self.id]
    }

    fn read(reader: &mut Reader<'_>) -> kv::Result<Self> {
        let mut names = [const { String::new() }; 5];
        for name in &mut names {
            *name = read_text(reader)?;
        }
        let [account, region, kind, table, id] = names;
        Ok(Self { account, region, kind, table, id })
    }
}

impl Keyspace {
    fn exchange_key(&self, which: u8, names: &[&str]) -> Vec<u8> {
        let mut key = self.family(Family::Exchanges);
        key.push(which);
        for name in names {
            put_text(&mut key, name);
        }
        key
    }

    pub fn exchange(&self, name: &ExchangeName) -> Vec<u8> {
        self.exchange_key(EXCHANGE, &name.names())
    }

    pub fn running_exchange(&self, name: &ExchangeName) -> Vec<u8> {
        self.exchange_key(RUNNING, &name.names())
    }

    /// The marks of all that is not finished, of every account and region.
    pub fn running_exchanges(&self) -> KeyRange {
        KeyRange::prefix(self.exchange_key(RUNNING, &[]))
    }

    /// The exchanges of a kind, or those of a table, in the order of table and id; those before `before`, table and id, if it
    /// is given.
    pub fn exchanges(
        &self,
        realm: Realm<'_>,
        kind: &str,
        table: Option<&str>,
        before: Option<(&str, &str)>,
    ) -> KeyRange {
        let names = [realm.account, realm.region, kind, table.unwrap_or_default()];
        let stem = if table.is_some() { &names[..] } else { &names[..3] };
        let all = KeyRange::components_under(self.exchange_key(EXCHANGE, stem));
        match before {
            None => all,
            Some((table, id)) => {
                all.before(&self.exchange_key(EXCHANGE, &[realm.account, realm.region, kind, table, id]))
            }
        }
    }

    pub fn parse_exchange(&self, key: &[u8]) -> kv::Result<ExchangeName> {
        self.parse_name(EXCHANGE, key)
    }

    pub fn parse_running_exchange(&self, key: &[u8]) -> kv::Result<ExchangeName> {
        self.parse_name(RUNNING, key)
    }

    fn parse_name(&self, which: u8, key: &[u8]) -> kv::Result<ExchangeName> {
        let mut reader = self.open(Family::Exchanges, key)?;
        reader.expect(&[which], "key of another kind of exchange's")?;
        let name = ExchangeName::read(&mut reader)?;
        reader.finish()?;
        Ok(name)
    }

    pub fn exchange_token(&self, realm: Realm<'_>, kind: &str, token: &str) -> Vec<u8> {
        self.exchange_key(TOKEN, &[realm.account, realm.region, kind, token])
    }

    /// Where it is noted that `key`, an exchange's or a token's, may go in this minute.
    pub fn exchange_expiry(&self, minute: u64, key: &[u8]) -> kv::Result<Vec<u8>> {
        let behind = self.open(Family::Exchanges, key)?.rest();
        let mut note = self.exchange_key(EXPIRY, &[]);
        note.extend_from_slice(&minute.to_be_bytes());
        note.extend_from_slice(behind);
        Ok(note)
    }

    /// The notes of all minutes before `minute`.
    pub fn exchange_expiries_before(&self, minute: u64) -> KeyRange {
        let begin = self.exchange_key(EXPIRY, &[]);
        let mut end = begin.clone();
        end.extend_from_slice(&minute.to_be_bytes());
        KeyRange::new(begin, end)
    }

    /// The key that a note is about.
    pub fn key_of_exchange_expiry(&self, note: &[u8]) -> kv::Result<Vec<u8>> {
        let mut reader = self.open(Family::Exchanges, note)?;
        reader.expect(&[EXPIRY], "no note of an exchange's expiry")?;
        reader.u64()?;
        let mut key = self.family(Family::Exchanges);
        key.extend_from_slice(reader.rest());
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::arbitrary::{any_bytes, any_text};

    proptest! {
        #[test]
        fn names_survive_and_lie_where_they_are_looked_for(
            prefix in any_bytes(), names in [any_text(), any_text(), any_text(), any_text(), any_text()], minute in 0..u64::MAX, noise in any_bytes(),
        ) {
            let keyspace = Keyspace::new(prefix);
            let [account, region, kind, table, id] = names;
            let name = ExchangeName { account, region, kind, table, id };
            let realm = Realm { account: &name.account, region: &name.region };
            let (key, running) = (keyspace.exchange(&name), keyspace.running_exchange(&name));
            prop_assert_eq!(keyspace.parse_exchange(&key), Ok(name.clone()));
            prop_assert_eq!(keyspace.parse_running_exchange(&running), Ok(name.clone()));
            prop_assert!(keyspace.parse_exchange(&running).is_err());
            prop_assert!(keyspace.running_exchanges().contains(&running) && !keyspace.running_exchanges().contains(&key));
            let (table, id) = (name.table.as_str(), name.id.as_str());
            prop_assert!(keyspace.exchanges(realm, &name.kind, None, None).contains(&key));
            prop_assert!(keyspace.exchanges(realm, &name.kind, Some(table), None).contains(&key));
            prop_assert!(!keyspace.exchanges(realm, &name.kind, Some(table), Some((table, id))).contains(&key));
            let later = format!("{id}1");
            prop_assert!(keyspace.exchanges(realm, &name.kind, None, Some((table, &later))).contains(&key));
            let token = keyspace.exchange_token(realm, &name.kind, table);
            for key in [key, token] {
                let note = keyspace.exchange_expiry(minute, &key)?;
                prop_assert_eq!(keyspace.key_of_exchange_expiry(&note)?, key);
                prop_assert!(keyspace.exchange_expiries_before(minute + 1).contains(&note));
                prop_assert!(!keyspace.exchange_expiries_before(minute).contains(&note));
            }
            let _ = (keyspace.parse_exchange(&noise), keyspace.key_of_exchange_expiry(&noise));
        }
    }
}
