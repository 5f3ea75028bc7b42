//! What lies beside a table's definition: its tags, its resource policies, and what other services keep of it.
//!
//! No write of an item needs to know any of it, so a change leaves the definition's version alone and disturbs no writer.
//! Each change is one transaction that reads the definition with conflict: it cannot outlive the table, whose deletion
//! clears all of it with the definition. It must not know what the settings mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::schema::{no_such_table, read_table};
use super::{Realm, Services, Store, Table, Transaction};
use crate::error::Error;
use crate::keyspace::{self, TableSpace};
use crate::kv::{self, Isolation, RangeRead};

/// The form of policies and of what other services keep.
const FORMAT: u8 = 1;

/// Tags by their keys.
pub type Tags = BTreeMap<String, String>;

/// The resource policy of a table or a stream, or what is left of one that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Policy {
    /// As it is shown, and whether its version was given: nothing once it is deleted.
    pub document: Option<PolicyDocument>,
    /// When it was put or deleted; of two changes the later has the higher one.
    pub revision: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PolicyDocument {
    pub text: String,
    /// A document without a version is shown with one, but is not the same as a document that gave it.
    pub gave_version: bool,
}

impl Store {
    /// The tags of a table.
    ///
    /// Errors: `ResourceNotFound`.
    pub async fn tags(&self, realm: &Realm, name: &str) -> Result<Tags, Error> {
        self.snapshot(|transaction| async move {
            let table = self.definition(&transaction, realm, name, Isolation::Snapshot).await?;
            read_tags(&transaction, &table.space(self), Isolation::Snapshot).await
        })
        .await
    }

    /// Changes the tags of a table as `change` does.
    ///
    /// Errors: `ResourceNotFound`, and those of `change`.
    pub async fn change_tags(
        &self,
        realm: &Realm,
        name: &str,
        change: impl Fn(&mut Tags) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let change = &change;
        self.transact(|transaction| async move {
            let table = self.definition(transaction.kv(), realm, name, Isolation::Serializable).await?;
            let space = table.space(self);
            let before = read_tags(transaction.kv(), &space, Isolation::Serializable).await?;
            let mut after = before.clone();
            change(&mut after)?;
            for gone in before.keys().filter(|key| !after.contains_key(*key)) {
                transaction.kv().clear(&space.tag(gone))?;
            }
            after.retain(|key, value| before.get(key) != Some(value));
            transaction.put_tags(&space, &after)
        })
        .await
    }

    /// The policy of a table, or of its stream called `label`.
    ///
    /// Errors: `ResourceNotFound`.
    pub async fn policy(&self, realm: &Realm, name: &str, label: Option<&str>) -> Result<Option<Policy>, Error> {
        self.snapshot(|transaction| async move {
            let table = self.definition(&transaction, realm, name, Isolation::Snapshot).await?;
            let policy = transaction.get(&table.space(self).policy(label), Isolation::Snapshot).await?;
            Ok(policy.map(|policy| keyspace::decode_versioned_json(FORMAT, &policy)).transpose()?)
        })
        .await
    }

    /// Changes a policy: `change` is given the one there is and says which to write, if any, and what to answer.
    ///
    /// Errors: `ResourceNotFound`, and those of `change`.
    pub async fn change_policy<T: Send>(
        &self,
        realm: &Realm,
        name: &str,
        label: Option<&str>,
        change: impl Fn(Option<Policy>) -> Result<(Option<Policy>, T), Error> + Sync,
    ) -> Result<T, Error> {
        let change = &change;
        self.transact(|transaction| async move {
            let table = self.definition(transaction.kv(), realm, name, Isolation::Serializable).await?;
            let key = table.space(self).policy(label);
            let found = transaction.kv().get(&key, Isolation::Serializable).await?;
            let found = found.map(|policy| keyspace::decode_versioned_json(FORMAT, &policy)).transpose()?;
            let (written, answer) = change(found)?;
            if let Some(policy) = written {
                transaction.put_policy(&table.space(self), label, &policy)?;
            }
            Ok(answer)
        })
        .await
    }

    /// A table, and what other services keep of it.
    ///
    /// Errors: `ResourceNotFound`.
    pub async fn services(&self, realm: &Realm, name: &str) -> Result<(Arc<Table>, Services), Error> {
        self.snapshot(|transaction| async move {
            let table = self.definition(&transaction, realm, name, Isolation::Snapshot).await?;
            let services = read_services(&transaction, &table.space(self), Isolation::Snapshot).await?;
            Ok((Arc::new(table), services))
        })
        .await
    }

    /// Changes what other services keep of a table as `change` does; what that answers.
    ///
    /// Errors: `ResourceNotFound`, and those of `change`.
    pub async fn change_services<T: Send>(
        &self,
        realm: &Realm,
        name: &str,
        change: impl Fn(&Table, &mut Services) -> Result<T, Error> + Sync,
    ) -> Result<T, Error> {
        let change = &change;
        self.transact(|transaction| async move {
            let table = self.definition(transaction.kv(), realm, name, Isolation::Serializable).await?;
            let space = table.space(self);
            let before = read_services(transaction.kv(), &space, Isolation::Serializable).await?;
            let mut after = before.clone();
            let answer = change(&table, &mut after)?;
            after.forget_removed_indexes(&table);
            if after != before {
                let value = keyspace::encode_versioned_json(FORMAT, &after)?;
                transaction.kv().set(&space.services(), value)?;
            }
            Ok(answer)
        })
        .await
    }

    async fn definition(
        &self,
        transaction: &kv::Transaction,
        realm: &Realm,
        name: &str,
        isolation: Isolation,
    ) -> Result<Table, Error> {
        read_table(self.keyspace(), transaction, realm, name, isolation).await?.ok_or_else(no_such_table)
    }
}

impl Transaction {
    pub(super) fn put_tags(&self, space: &TableSpace, tags: &Tags) -> Result<(), Error> {
        for (key, value) in tags {
            self.kv().set(&space.tag(key), value.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn put_policy(&self, space: &TableSpace, label: Option<&str>, policy: &Policy) -> Result<(), Error> {
        Ok(self.kv().set(&space.policy(label), keyspace::encode_versioned_json(FORMAT, policy)?)?)
    }
}

async fn read_tags(transaction: &kv::Transaction, space: &TableSpace, isolation: Isolation) -> Result<Tags, Error> {
    let range = space.tags();
    let read = RangeRead::new(range.begin, range.end);
    let read = if isolation == Isolation::Snapshot { read.snapshot() } else { read };
    let page = transaction.range(&read).await?;
    let decode = |pair: &kv::KeyValue| {
        let value = String::from_utf8(pair.value.to_vec());
        let value = value.map_err(|_| kv::Error::Corrupt("a tag's value is not UTF-8".to_owned()))?;
        Ok((space.parse_tag(&pair.key)?, value))
    };
    page.pairs.iter().map(decode).collect()
}

async fn read_services(
    transaction: &kv::Transaction,
    space: &TableSpace,
    isolation: Isolation,
) -> Result<Services, Error> {
    let found = transaction.get(&space.services(), isolation).await?;
    Ok(found.map_or_else(|| Ok(Services::default()), |found| keyspace::decode_versioned_json(FORMAT, &found))?)
}
