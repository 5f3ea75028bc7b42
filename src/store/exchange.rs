//! Exchanges: imports, exports and bulk operations as they are kept. A record each, a mark while it is not finished, the client
//! token that began it, and notes of when these may go.
//!
//! A step of an exchange moves its record in the transaction of what the step did, so that whoever goes on knows how far it
//! came; where processes share the database, one of them at a time does the steps. What the records say, and what a step does,
//! is the business of who writes them.

use std::future::Future;

use futures_util::future::try_join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lease::Duty;
use super::maintenance::minute;
use super::{Key, Realm, Store, Transaction};
use crate::bucket::Buckets;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::keyspace;
use crate::kv::{Isolation, RangeRead};

const FORMAT: u8 = 1;
/// Marks that are read at once.
const MARKS: usize = 100;
/// Notes of expiry that one step looks at.
const NOTES: usize = 200;
/// How long a finished exchange is told of.
const EXCHANGE_RETENTION_MILLIS: i64 = 90 * 24 * 60 * 60 * 1000;

/// Which exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    pub realm: Realm,
    /// "import", "export" …
    pub kind: String,
    /// The table's name, by which exchanges of a kind are ordered first; it may be empty.
    pub table: String,
    /// Begins with the time.
    pub id: String,
}

impl Exchange {
    fn name(&self) -> keyspace::ExchangeName {
        keyspace::ExchangeName {
            account: self.realm.account.clone(),
            region: self.realm.region.clone(),
            kind: self.kind.clone(),
            table: self.table.clone(),
            id: self.id.clone(),
        }
    }
}

impl From<keyspace::ExchangeName> for Exchange {
    fn from(name: keyspace::ExchangeName) -> Self {
        let keyspace::ExchangeName { account, region, kind, table, id } = name;
        Self { realm: Realm { account, region }, kind, table, id }
    }
}

impl Transaction {
    pub async fn exchange<T: DeserializeOwned>(&self, exchange: &Exchange) -> Result<Option<T>, Error> {
        let key = self.store().keyspace().exchange(&exchange.name());
        let found = self.kv().get(&key, Isolation::Serializable).await?;
        Ok(found.map(|found| keyspace::decode_versioned_json(FORMAT, &found)).transpose()?)
    }

    /// Writes an exchange that is not finished.
    pub fn put_running_exchange<T: Serialize>(&self, exchange: &Exchange, value: &T) -> Result<(), Error> {
        let (keys, name) = (self.store().keyspace(), exchange.name());
        self.kv().set(&keys.running_exchange(&name), &[][..])?;
        Ok(self.kv().set(&keys.exchange(&name), keyspace::encode_versioned_json(FORMAT, value)?)?)
    }

    /// Writes an exchange that has ended just now.
    pub fn put_ended_exchange<T: Serialize>(&self, exchange: &Exchange, value: &T) -> Result<(), Error> {
        let (keys, name) = (self.store().keyspace(), exchange.name());
        let key = keys.exchange(&name);
        self.kv().clear(&keys.running_exchange(&name))?;
        self.kv().set(&key, keyspace::encode_versioned_json(FORMAT, value)?)?;
        self.note_expiry(&key, self.now().plus_millis(EXCHANGE_RETENTION_MILLIS))
    }

    /// What the database's clock shows.
    pub fn now(&self) -> Timestamp {
        self.store().clock().now()
    }

    fn note_expiry(&self, key: &[u8], at: Timestamp) -> Result<(), Error> {
        Ok(self.kv().set(&self.store().keyspace().exchange_expiry(minute(at), key)?, &[][..])?)
    }

    /// What the first request with this token left.
    pub async fn exchange_token<T: DeserializeOwned>(
        &self,
        realm: &Realm,
        kind: &str,
        token: &str,
    ) -> Result<Option<T>, Error> {
        let key = self.store().keyspace().exchange_token(realm.names(), kind, token);
        let found = self.kv().get(&key, Isolation::Serializable).await?;
        Ok(found.map(|found| keyspace::decode_versioned_json(FORMAT, &found)).transpose()?)
    }

    /// Leaves something for later requests with this token.
    pub fn put_exchange_token<T: Serialize>(
        &self,
        realm: &Realm,
        kind: &str,
        token: &str,
        value: &T,
    ) -> Result<(), Error> {
        let key = self.store().keyspace().exchange_token(realm.names(), kind, token);
        self.kv().set(&key, keyspace::encode_versioned_json(FORMAT, value)?)?;
        self.note_expiry(&key, self.now().plus_millis(EXCHANGE_RETENTION_MILLIS))
    }
}

impl Store {
    /// The folder whose folders stand for buckets, if one was named.
    pub fn buckets(&self) -> Option<&Buckets> {
        self.0.options.buckets.as_ref()
    }

    pub async fn exchange<T: DeserializeOwned + Send>(&self, exchange: &Exchange) -> Result<Option<T>, Error> {
        let key = &self.keyspace().exchange(&exchange.name());
        self.snapshot(|transaction| async move {
            let found = transaction.get(key, Isolation::Snapshot).await?;
            Ok(found.map(|found| keyspace::decode_versioned_json(FORMAT, &found)).transpose()?)
        })
        .await
    }

    /// The first exchanges that are not finished, of every account and region.
    pub async fn running_exchanges(&self) -> Result<Vec<Exchange>, Error> {
        let range = &self.keyspace().running_exchanges();
        self.snapshot(|transaction| async move {
            let page = transaction.range(&range.clone().into_read().snapshot().limited(MARKS)).await?;
            let name = |pair: &crate::kv::KeyValue| Ok(self.keyspace().parse_running_exchange(&pair.key)?.into());
            page.pairs.iter().map(name).collect()
        })
        .await
    }

    /// Up to `limit` exchanges of a kind, or those of one table, from the last to the first in the order of table and id, and
    /// whether there are more. Those before `before`, table and id, if it is given.
    pub async fn list_exchanges<T: DeserializeOwned + Send>(
        &self,
        realm: &Realm,
        kind: &str,
        table: Option<&str>,
        before: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<(Vec<(Exchange, T)>, bool), Error> {
        let range = &self.keyspace().exchanges(realm.names(), kind, table, before);
        if range.is_empty() {
            return Ok((Vec::new(), false));
        }
        self.snapshot(|transaction| async move {
            let page = transaction.range(&range.clone().into_read().snapshot().reversed().limited(limit)).await?;
            let read = |pair: &crate::kv::KeyValue| {
                let name = self.keyspace().parse_exchange(&pair.key)?;
                Ok((name.into(), keyspace::decode_versioned_json(FORMAT, &pair.value)?))
            };
            Ok((page.pairs.iter().map(read).collect::<Result<Vec<_>, Error>>()?, page.more))
        })
        .await
    }

    /// One transaction of an exchange; `None`, and nothing done, if another process is at it.
    pub async fn exchange_step<T, F, Fut>(&self, body: F) -> Result<Option<T>, Error>
    where
        F: Fn(Transaction) -> Fut + Sync,
        Fut: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        self.step_of(Duty::Exchanges, body).await
    }

    /// Whether this handle's database, and no copy of it, is the one that `owner` named.
    pub fn is_owner(&self, owner: &ExchangeOwner) -> bool {
        *owner == self.exchange_owner()
    }

    /// Who begins an exchange here: a twin or a copy of the database is somebody else, and so is a forked child, if the
    /// database lies in its memory.
    pub fn exchange_owner(&self) -> ExchangeOwner {
        let in_memory = self.database().path().is_none() && !self.database().is_shared();
        ExchangeOwner { database: self.0.id, generation: in_memory.then(crate::fork::generation) }
    }

    /// Removes exchanges and tokens whose time is over.
    pub(super) async fn drop_expired_exchanges(&self) -> Result<(), Error> {
        let now = self.clock().now();
        let step = |transaction: Transaction| async move {
            let range = self.keyspace().exchange_expiries_before(minute(now));
            let page = transaction.kv().range(&RangeRead::new(range.begin.clone(), range.end).limited(NOTES)).await?;
            let Some(last) = page.pairs.last() else { return Ok(false) };
            for pair in &page.pairs {
                transaction.kv().clear(&self.keyspace().key_of_exchange_expiry(&pair.key)?)?;
            }
            transaction.kv().clear_range(&range.begin, &keyspace::successor(&last.key))?;
            Ok(page.more)
        };
        while self.step(step).await? == Some(true) {}
        Ok(())
    }
}

/// Which database, in which process, does an exchange's steps: its files are nobody else's.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExchangeOwner {
    database: [u8; 16],
    generation: Option<u64>,
}

impl Transaction {
    /// The rows of keys, none of which comes twice.
    pub async fn rows(&self, table: &super::Table, keys: &[Key]) -> Result<Vec<super::Row>, Error> {
        let mut rows = Vec::with_capacity(keys.len());
        for keys in keys.chunks(super::READS_AT_ONCE) {
            rows.extend(try_join_all(keys.iter().map(|key| self.row(table, key))).await?);
        }
        Ok(rows)
    }
}
