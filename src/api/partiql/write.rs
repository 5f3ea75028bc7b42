//! INSERT, UPDATE, DELETE, and EXISTS in a transaction: the one item each is about, and what becomes of it.
//!
//! An INSERT needs that there is no such item, an UPDATE and an EXISTS that there is one; a DELETE of nothing does nothing, whatever
//! else its condition asks. Source: Developer Guide, "PartiQL update statements", and the suite's captures.

use std::sync::Arc;

use super::super::capacity::Consumed;
use super::super::keys;
use super::super::resource::TableName;
use super::super::single_write::{ITEM_TOO_LARGE, check_item_size};
use super::super::update_item::{check_touches_no_key, updated};
use super::keyed::{self, NO_KEY};
use super::refuse_index;
use crate::error::Error;
use crate::expression::{Condition, Update};
use crate::item::Item;
use crate::partiql::{Select, Write, WriteKind};
use crate::store::{Actor, Change, Key, Realm, Store, Table, Written};

enum Verb<'a> {
    Insert(&'a Item),
    Update(&'a Update),
    Delete,
    /// EXISTS
    Check,
}

/// A write that has met its table.
pub struct Planned<'a> {
    pub given_name: &'a str,
    pub table: Arc<Table>,
    /// An error in the key itself: in a transaction, a reason of its cancellation.
    pub key: Result<Key, Error>,
    key_item: Item,
    verb: Verb<'a>,
    condition: Option<&'a Condition>,
    /// Whether the item is told when the condition does not hold.
    pub return_item: bool,
}

impl<'a> Planned<'a> {
    pub async fn plan(store: &Store, realm: &Realm, write: &'a Write, return_item: bool) -> Result<Self, Error> {
        refuse_index(write.source.index.as_deref())?;
        let given_name = write.source.table.as_str();
        if let WriteKind::Insert(item) = &write.kind {
            check_item_size(item, ITEM_TOO_LARGE)?;
        }
        let name = TableName::parse(realm, given_name)?;
        let table = store.table(&name.realm, name.name).await?;
        let condition = write.condition.as_ref();
        let (key, key_item) = if let WriteKind::Insert(item) = &write.kind {
            (keys::from_item(&table, item), Item::new())
        } else {
            let named = keyed::named(&table, condition).ok_or_else(|| Error::validation(NO_KEY))?;
            (keyed::key(&table, &named), named.key)
        };
        let (key, verb) = match &write.kind {
            WriteKind::Insert(item) => (key, Verb::Insert(item)),
            WriteKind::Update(update) => {
                let touches = check_touches_no_key(&table, Some(update));
                (key.and_then(|key| touches.map(|()| key)), Verb::Update(update))
            }
            WriteKind::Delete => (key, Verb::Delete),
        };
        let condition = condition.map(|condition| &condition.whole);
        Ok(Self { given_name, table, key, key_item, verb, condition, return_item })
    }

    /// `EXISTS(SELECT …)`, which must ask for one item and for something more of it.
    pub async fn check(store: &Store, realm: &Realm, select: &'a Select, return_item: bool) -> Result<Self, Error> {
        super::select::refuse_index_in_transaction(select)?;
        let given_name = select.source.table.as_str();
        let name = TableName::parse(realm, given_name)?;
        let table = store.table(&name.realm, name.name).await?;
        let condition = select.condition.as_ref();
        let named = keyed::named(&table, condition)
            .filter(|named| named.others > 0)
            .ok_or_else(|| Error::validation("EXISTS() must contain a single item read with additional condition"))?;
        let key = keyed::key(&table, &named);
        let condition = condition.map(|condition| &condition.whole);
        Ok(Self { given_name, table, key, key_item: named.key, verb: Verb::Check, condition, return_item })
    }

    /// What becomes of the item.
    pub fn decide(&self, item: Option<&Item>) -> Result<Change, Error> {
        let failed = || {
            let item = item.filter(|_| self.return_item).cloned().map(Box::new);
            Error::ConditionalCheckFailed { item }
        };
        let holds = self.condition.is_none_or(|condition| condition.matches(item));
        match (&self.verb, item) {
            (Verb::Insert(_), Some(_)) => Err(Error::DuplicateItem),
            (Verb::Insert(new), None) => Ok(Change::Put((*new).clone())),
            (Verb::Delete, None) => Ok(Change::Keep),
            (Verb::Update(_) | Verb::Check, None) => Err(failed()),
            (_, Some(_)) if !holds => Err(failed()),
            (Verb::Delete, Some(_)) => Ok(Change::Delete),
            (Verb::Check, Some(_)) => Ok(Change::Keep),
            (Verb::Update(update), Some(_)) => updated(&self.table, &self.key_item, Some(update), item),
        }
    }

    /// Writes in a transaction of its own.
    pub async fn run(&self, store: &Store) -> Result<Written, Error> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        store
            .transact(move |transaction| async move {
                let row = transaction.row(&self.table, key).await?;
                let change = self.decide(row.item())?;
                transaction.write(&self.table, row, change, Actor::User)
            })
            .await
    }

    pub fn consumed(&self, written: &Written) -> Consumed {
        Consumed::write(&self.table, written)
    }
}

/// What RETURNING asks for; nothing where it would be empty.
pub fn returned(write: &Write, written: Written) -> Option<Item> {
    let returning = write.returning?;
    let Written { old, new, .. } = written;
    match (&write.kind, returning.modified, returning.new) {
        (_, false, false) => old,
        (_, false, true) => new,
        (WriteKind::Update(update), true, false) => Some(update.updated_old(old.as_ref())),
        (WriteKind::Update(update), true, true) => new.map(|new| update.updated_new(&new)),
        _ => None,
    }
    .filter(|item| !item.is_empty())
}
