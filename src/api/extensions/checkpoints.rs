//! Checkpoints: listing them, going on from one, and moving one, together with what its consumer writes.

use serde::{Deserialize, Serialize};

use super::cursor;
use super::reading::NextOutput;
use crate::api::constraints::Constraints;
use crate::api::resource::StreamName;
use crate::api::transact_write_items::{self, Joined, MAX_ACTIONS, TransactWriteItem};
use crate::api::wire::Timestamp;
use crate::error::Error;
use crate::store::{Checkpoint, Expected, Realm, Resumed, Store, StreamPlace};

/// Longest name of a checkpoint.
const MAX_NAME: usize = 255;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ListInput {
    table_name: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListOutput {
    pub checkpoints: Vec<Shown>,
}

/// A checkpoint as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Shown {
    pub table_name: String,
    pub name: String,
    pub stream_arn: String,
    pub position: String,
    pub moved: Timestamp,
}

impl Shown {
    fn new(realm: &Realm, checkpoint: Checkpoint) -> Self {
        Self {
            stream_arn: realm.stream_arn(&checkpoint.table_name, &checkpoint.place.label),
            table_name: checkpoint.table_name,
            name: checkpoint.name,
            position: checkpoint.place.cursor.done(),
            moved: Timestamp(checkpoint.moved),
        }
    }
}

pub async fn list(store: &Store, realm: &Realm, input: &ListInput) -> Result<ListOutput, Error> {
    let checkpoints = store.checkpoints(realm, input.table_name.as_deref()).await?;
    Ok(ListOutput { checkpoints: checkpoints.into_iter().map(|checkpoint| Shown::new(realm, checkpoint)).collect() })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ResumeInput {
    table_name: String,
    name: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResumeOutput {
    /// Absent if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Shown>,
    /// Where its consumer goes on.
    #[serde(flatten)]
    pub next: NextOutput,
}

pub async fn resume(store: &Store, realm: &Realm, input: &ResumeInput) -> Result<ResumeOutput, Error> {
    Ok(match store.resume(realm, &input.table_name, &input.name).await? {
        None => ResumeOutput::default(),
        Some(Resumed { checkpoint, next }) => {
            ResumeOutput { checkpoint: Some(Shown::new(realm, checkpoint)), next: NextOutput::new(next) }
        }
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MoveInput {
    table_name: String,
    name: String,
    from: From,
    /// Where it is to be; without it, it is removed.
    to: Option<Place>,
    /// What is written together with the move.
    #[serde(default)]
    transact_items: Vec<TransactWriteItem>,
}

/// What the move expects.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum From {
    #[default]
    Anywhere,
    Nowhere,
    At(Place),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Place {
    stream_arn: String,
    position: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MoveOutput {
    /// Not, and nothing has changed, if the checkpoint was elsewhere.
    pub moved: bool,
}

impl Place {
    /// The place, which must be in a stream of the checkpoint's table.
    fn read(&self, realm: &Realm, table_name: &str) -> Result<StreamPlace, Error> {
        let name = StreamName::parse(realm, &self.stream_arn)?;
        if *name.realm != *realm || name.table_name != table_name {
            return Err(Error::validation(format!("{} is no stream of table {table_name}", self.stream_arn)));
        }
        Ok(StreamPlace { label: name.label.to_owned(), cursor: cursor(&self.position)? })
    }
}

pub async fn advance(store: &Store, realm: &Realm, input: &MoveInput) -> Result<MoveOutput, Error> {
    let mut constraints = Constraints::new();
    constraints.length("name", &input.name, 1, MAX_NAME);
    let items = &input.transact_items;
    if items.len() > MAX_ACTIONS {
        constraints.size("transactItems", &format!("[{} actions]", items.len()), items.len(), 1, MAX_ACTIONS);
    }
    let read = |place: &Place| place.read(realm, &input.table_name);
    let from = match &input.from {
        From::At(place) => Some(read(place)?),
        From::Anywhere | From::Nowhere => None,
    };
    let to = input.to.as_ref().map(read).transpose()?;
    let joined = Joined {
        table_name: &input.table_name,
        name: &input.name,
        expected: if matches!(input.from, From::Anywhere) { Expected::Anything } else { Expected::At(from.as_ref()) },
        to: to.as_ref(),
    };
    let moved = transact_write_items::run_joined(store, realm, items, constraints, &joined).await?;
    Ok(MoveOutput { moved })
}
