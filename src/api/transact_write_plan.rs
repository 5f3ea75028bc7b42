//! The actions of a TransactWriteItems request, validated and made ready, and what each decides on the item it finds.

use std::sync::Arc;

use super::constraints::{Constraints, values};
use super::expressions::{Expressions, Texts};
use super::keys;
use super::resource::TableName;
use super::single_write::{ITEM_TOO_LARGE, check_item_size};
use super::transact_write_items::{
    SAME_ITEM_TWICE, TransactAction, TransactWriteItem, cancelled, condition_reason, validation_reason,
};
use super::update_item::{check_touches_no_key, updated};
use super::wire::Attributes;
use crate::error::{CancellationReason, Error};
use crate::item::Item;
use crate::store::{Change, Key, Realm, Store, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Check,
    Put,
    Delete,
    Update,
}

/// One action as the request gives it, whatever its verb.
struct Action<'a> {
    verb: Verb,
    /// The key, or the item to put.
    attributes: Option<&'a Attributes>,
    table_name: Option<&'a str>,
    texts: Texts<'a>,
    return_item: bool,
}

/// One action, ready to be done.
pub struct Planned<'a> {
    pub given_name: &'a str,
    pub table: Arc<Table>,
    /// An error is this action's reason for the cancellation.
    pub key: Result<Key, Error>,
    verb: Verb,
    attributes: &'a Item,
    expressions: Expressions,
    return_item: bool,
}

impl TransactAction for Planned<'_> {
    fn given_name(&self) -> &str {
        self.given_name
    }

    fn table(&self) -> &Arc<Table> {
        &self.table
    }

    fn key(&self) -> Result<&Key, &Error> {
        self.key.as_ref()
    }

    fn decide(&self, item: Option<&Item>) -> Result<Change, CancellationReason> {
        if self.expressions.condition.as_ref().is_some_and(|condition| !condition.matches(item)) {
            return Err(condition_reason(item.filter(|_| self.return_item)));
        }
        match self.verb {
            Verb::Check => Ok(Change::Keep),
            Verb::Delete => Ok(Change::Delete),
            Verb::Put => Ok(Change::Put(self.attributes.clone())),
            Verb::Update => updated(&self.table, self.attributes, self.expressions.update.as_ref(), item)
                .map_err(|error| validation_reason(Some(&error))),
        }
    }
}

/// Checks all actions, with the constraints the caller has begun to collect, and looks up their tables.
pub async fn plan<'a>(
    store: &Store,
    realm: &Realm,
    items: &'a [TransactWriteItem],
    mut constraints: Constraints,
) -> Result<Vec<Planned<'a>>, Error> {
    let actions: Vec<Option<Action<'a>>> =
        items.iter().enumerate().map(|(at, item)| action(&mut constraints, at, item)).collect();
    constraints.finish(())?;

    // Every action is read before any table is looked up.
    let mut read = Vec::with_capacity(actions.len());
    for action in actions {
        read.push(action.ok_or_else(one_action)?.read()?);
    }
    let mut planned = Vec::with_capacity(read.len());
    for read in read {
        planned.push(read.plan(store, realm).await?);
    }
    let keys = planned.iter().filter_map(|planned| Some((planned.table.id, planned.key.as_ref().ok()?)));
    if keys::any_twice(keys) {
        return Err(Error::validation(SAME_ITEM_TWICE));
    }
    cancelled(planned.iter().map(|planned| validation_reason(planned.key.as_ref().err())).collect())?;
    Ok(planned)
}

/// The one action of `item`; `None` when there is not exactly one.
fn action<'a>(constraints: &mut Constraints, at: usize, item: &'a TransactWriteItem) -> Option<Action<'a>> {
    let path = |verb: &str| format!("transactItems.{}.member.{verb}", at + 1);
    macro_rules! action {
        ($verb:expr, $name:literal, $given:expr, $attributes:ident, $update:expr) => {{
            let (path, given) = (path($name), $given);
            let failure = given.return_values_on_condition_check_failure.as_deref();
            let attributes = constraints.required(&format!("{path}.{}", stringify!($attributes)), &given.$attributes);
            let table_name = constraints.table(&format!("{path}.tableName"), &given.table_name);
            let failure_path = format!("{path}.returnValuesOnConditionCheckFailure");
            constraints.one_of(&failure_path, failure, values::RETURN_ON_FAILURE);
            let texts = Texts {
                names: given.expression_attribute_names.as_ref(),
                values: given.expression_attribute_values.as_ref(),
                condition: given.condition_expression.as_deref(),
                update: $update,
                ..Texts::default()
            };
            Action { verb: $verb, attributes, table_name, texts, return_item: failure == Some("ALL_OLD") }
        }};
    }
    match (&item.condition_check, &item.put, &item.delete, &item.update) {
        (Some(check), None, None, None) => {
            let path = path("conditionCheck.conditionExpression");
            constraints.required(&path, &check.condition_expression);
            Some(action!(Verb::Check, "conditionCheck", check, key, None))
        }
        (None, Some(put), None, None) => Some(action!(Verb::Put, "put", put, item, None)),
        (None, None, Some(delete), None) => Some(action!(Verb::Delete, "delete", delete, key, None)),
        (None, None, None, Some(update)) => {
            constraints.required(&path("update.updateExpression"), &update.update_expression);
            Some(action!(Verb::Update, "update", update, key, update.update_expression.as_deref()))
        }
        _ => None,
    }
}

fn one_action() -> Error {
    Error::validation("TransactItems can only contain one of Check, Put, Update or Delete")
}

/// One action whose values and expressions are understood.
struct ReadAction<'a> {
    verb: Verb,
    given_name: &'a str,
    attributes: &'a Item,
    expressions: Expressions,
    return_item: bool,
}

impl<'a> Action<'a> {
    fn read(self) -> Result<ReadAction<'a>, Error> {
        // Constraints have made sure of both.
        let (Some(given_name), Some(attributes)) = (self.table_name, self.attributes) else { return Err(one_action()) };
        let attributes = attributes.item()?;
        let possible: &[&str] = match self.verb {
            Verb::Update => &["UpdateExpression", "ConditionExpression"],
            Verb::Check | Verb::Put | Verb::Delete => &["ConditionExpression"],
        };
        let expressions = self.texts.parse(possible)?;
        if self.verb == Verb::Put {
            check_item_size(attributes, ITEM_TOO_LARGE)?;
        }
        Ok(ReadAction { verb: self.verb, given_name, attributes, expressions, return_item: self.return_item })
    }
}

impl<'a> ReadAction<'a> {
    async fn plan(self, store: &Store, realm: &Realm) -> Result<Planned<'a>, Error> {
        let Self { verb, given_name, attributes, expressions, return_item } = self;
        let name = TableName::parse(realm, given_name)?;
        let table = store.table(&name.realm, name.name).await?;
        keys::check_none_empty(&table, attributes)?;
        let key = match verb {
            Verb::Put => keys::from_item(&table, attributes),
            Verb::Check | Verb::Delete | Verb::Update => keys::from_parameter(&table, attributes),
        };
        let key = key.and_then(|key| check_touches_no_key(&table, expressions.update.as_ref()).map(|()| key));
        Ok(Planned { given_name, table, key, verb, attributes, expressions, return_item })
    }
}
