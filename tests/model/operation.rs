//! The writing operations of a run, and the requests they become.

use fdyno::api;
use serde_json::{Value as Json, json};

use super::expression::{Action, Condition, Writer};
use super::schema::Table;
use super::value::{Item, item_to_json};

#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    Put(Item),
    Update {
        key: Item,
        actions: Vec<Action>,
    },
    Delete {
        key: Item,
    },
    /// Only in transactions.
    Check {
        key: Item,
    },
}

/// One write and the condition under which it happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Guarded {
    /// The table's number.
    pub table: usize,
    pub write: Write,
    pub condition: Option<Condition>,
    /// Whether a failed condition shows the item.
    pub show_on_failure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    Nothing,
    AllOld,
    AllNew,
    UpdatedOld,
    UpdatedNew,
}

impl Returns {
    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "NONE",
            Self::AllOld => "ALL_OLD",
            Self::AllNew => "ALL_NEW",
            Self::UpdatedOld => "UPDATED_OLD",
            Self::UpdatedNew => "UPDATED_NEW",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Operation {
    Single(Guarded, Returns),
    Batch(Vec<Guarded>),
    Transact(Vec<Guarded>, Option<String>),
}

impl Guarded {
    pub fn key(&self, table: &Table) -> Item {
        match &self.write {
            Write::Put(item) => table.key.of(item),
            Write::Update { key, .. } | Write::Delete { key } | Write::Check { key } => key.clone(),
        }
    }

    const fn operation(&self) -> api::Operation {
        match self.write {
            Write::Put(_) => api::Operation::PutItem,
            Write::Update { .. } => api::Operation::UpdateItem,
            Write::Delete { .. } | Write::Check { .. } => api::Operation::DeleteItem,
        }
    }

    fn request(&self, tables: &[&Table], random: &mut fastrand::Rng) -> Json {
        let mut request = json!({ "TableName": tables[self.table].name });
        match &self.write {
            Write::Put(item) => request["Item"] = item_to_json(item, random),
            Write::Update { key, .. } | Write::Delete { key } | Write::Check { key } => {
                request["Key"] = item_to_json(key, random);
            }
        }
        let mut writer = Writer::new(random);
        if let Write::Update { actions, .. } = &self.write
            && !actions.is_empty()
        {
            request["UpdateExpression"] = writer.update(actions).into();
        }
        if let Some(condition) = &self.condition {
            request["ConditionExpression"] = writer.condition(condition).into();
            if self.show_on_failure {
                request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD".into();
            }
        }
        writer.finish(&mut request);
        request
    }
}

impl Operation {
    /// Which operation of the API it is, and its request.
    pub fn request(&self, tables: &[&Table], random: &mut fastrand::Rng) -> (api::Operation, Json) {
        match self {
            Self::Single(guarded, returns) => {
                let mut request = guarded.request(tables, random);
                if *returns != Returns::Nothing {
                    request["ReturnValues"] = returns.name().into();
                }
                (guarded.operation(), request)
            }
            Self::Batch(writes) => {
                let mut request = json!({});
                for guarded in writes {
                    let write = match &guarded.write {
                        Write::Put(item) => json!({ "PutRequest": { "Item": item_to_json(item, random) } }),
                        write => {
                            let (Write::Update { key, .. } | Write::Delete { key } | Write::Check { key }) = write
                            else {
                                continue;
                            };
                            json!({ "DeleteRequest": { "Key": item_to_json(key, random) } })
                        }
                    };
                    let of_table = &mut request[tables[guarded.table].name];
                    if of_table.is_null() {
                        *of_table = json!([]);
                    }
                    of_table.as_array_mut().expect("a list of writes").push(write);
                }
                (api::Operation::BatchWriteItem, json!({ "RequestItems": request }))
            }
            Self::Transact(actions, token) => {
                let items: Vec<Json> = actions
                    .iter()
                    .map(|guarded| {
                        let verb = match guarded.write {
                            Write::Put(_) => "Put",
                            Write::Update { .. } => "Update",
                            Write::Delete { .. } => "Delete",
                            Write::Check { .. } => "ConditionCheck",
                        };
                        json!({ verb: guarded.request(tables, random) })
                    })
                    .collect();
                let mut request = json!({ "TransactItems": items });
                if let Some(token) = token {
                    request["ClientRequestToken"] = token.as_str().into();
                }
                (api::Operation::TransactWriteItems, request)
            }
        }
    }
}
