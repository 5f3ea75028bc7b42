//! Global tables of the old version: groups by account and name, kept beside the catalogue. They must not know what tables are.

use serde::{Deserialize, Serialize};

use super::{Realm, Store};
use crate::error::Error;
use crate::keyspace;
use crate::kv::{Isolation, RangeRead};

const FORMAT: u8 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalTable {
    pub created_millis: i64,
    /// In the order in which they came.
    pub regions: Vec<String>,
}

impl Store {
    pub async fn global_table(&self, account: &str, name: &str) -> Result<Option<GlobalTable>, Error> {
        let key = &self.keyspace().global_table(account, name);
        self.snapshot(|transaction| async move {
            let found = transaction.get(key, Isolation::Snapshot).await?;
            Ok(found.map(|found| keyspace::decode_versioned_json(FORMAT, &found)).transpose()?)
        })
        .await
    }

    /// Changes a global table as `change` does, which is given the one there is.
    pub async fn change_global_table(
        &self,
        realm: &Realm,
        name: &str,
        change: impl Fn(Option<GlobalTable>) -> Result<GlobalTable, Error> + Sync,
    ) -> Result<GlobalTable, Error> {
        let (change, key) = (&change, &self.keyspace().global_table(&realm.account, name));
        self.transact(|transaction| async move {
            let found = transaction.kv().get(key, Isolation::Serializable).await?;
            let found = found.map(|found| keyspace::decode_versioned_json(FORMAT, &found)).transpose()?;
            let changed = change(found)?;
            transaction.kv().set(key, keyspace::encode_versioned_json(FORMAT, &changed)?)?;
            Ok(changed)
        })
        .await
    }

    /// Up to `limit` global tables of an account after `after`, in the order of their names, and whether there are more.
    pub async fn list_global_tables(
        &self,
        account: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, GlobalTable)>, bool), Error> {
        let range = &self.keyspace().global_tables(account, after);
        self.snapshot(|transaction| async move {
            let read = RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(limit);
            let page = transaction.range(&read).await?;
            let decode = |pair: &crate::kv::KeyValue| {
                let name = self.keyspace().parse_global_table(&pair.key)?;
                Ok((name, keyspace::decode_versioned_json(FORMAT, &pair.value)?))
            };
            Ok((page.pairs.iter().map(decode).collect::<Result<Vec<_>, Error>>()?, page.more))
        })
        .await
    }
}
