//! What a copy writes of itself at its destination: its state while it is made, and what it is of once it is finished.
//!
//! A finished copy's mark carries the stamp of the commit that finished it. Nothing ever removes or changes it: whether the
//! copy was written to since is asked of the database, not of the mark. It must not know how a copy is made.

use super::{CopyError, Reading, corrupt};
use crate::keyspace::{self, Keyspace};
use crate::kv::{self, Isolation, Versionstamp};

/// The form of both.
const FORMAT: u8 = 1;

/// What a copy knows of itself, in the destination, while it is not finished.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct State {
    pub(super) source_id: [u8; 16],
    pub(super) source_incarnation: u16,
    /// The source's last commit, where its versions stand still between commits.
    pub(super) source_version: Option<u64>,
    /// What comes before it has been copied; relative to the database, and none at the end.
    pub(super) cursor: Option<Vec<u8>>,
    pub(super) pairs: u64,
    pub(super) bytes: u64,
}

impl State {
    /// The state of the copy that is being made here, if there is one.
    pub(super) async fn read(keyspace: &Keyspace, transaction: &kv::Transaction) -> Result<Option<Self>, CopyError> {
        let value = transaction.get(&keyspace.copy_state(), Isolation::Serializable).await?;
        Ok(value.map(|value| keyspace::decode_versioned_json(FORMAT, &value)).transpose()?)
    }

    pub(super) fn write(&self, keyspace: &Keyspace, transaction: &kv::Transaction) -> Result<(), kv::Error> {
        transaction.set(&keyspace.copy_state(), keyspace::encode_versioned_json(FORMAT, self)?)
    }

    /// Fails unless this is the state still.
    pub(super) async fn expect(&self, keyspace: &Keyspace, transaction: &kv::Transaction) -> Result<(), CopyError> {
        if Self::read(keyspace, transaction).await?.as_ref() == Some(self) { Ok(()) } else { Err(CopyError::Overtaken) }
    }
}

/// What a database is a copy of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Finished {
    pub(super) source_id: [u8; 16],
    pub(super) source_incarnation: u16,
    /// As in [`State`].
    pub(super) source_version: Option<u64>,
    pub(super) reading: Reading,
}

impl Finished {
    /// What the database here is a copy of, if it is one, and the stamp of the commit that finished it.
    pub(super) async fn read(
        keyspace: &Keyspace,
        transaction: &kv::Transaction,
    ) -> Result<Option<(Self, Versionstamp)>, CopyError> {
        let Some(value) = transaction.get(&keyspace.finished_copy(), Isolation::Serializable).await? else {
            return Ok(None);
        };
        let parts = value.split_at_checked(Versionstamp::LENGTH);
        let (stamp, rest) = parts.ok_or_else(|| corrupt("what this is a copy of"))?;
        let stamp = Versionstamp::from_slice(stamp).ok_or_else(|| corrupt("the stamp of a copy"))?;
        Ok(Some((keyspace::decode_versioned_json(FORMAT, rest)?, stamp)))
    }

    pub(super) fn write(&self, keyspace: &Keyspace, transaction: &kv::Transaction) -> Result<(), kv::Error> {
        let mut value = Versionstamp::MIN.as_bytes().to_vec();
        value.extend(keyspace::encode_versioned_json(FORMAT, self)?);
        transaction.set_versionstamped_value(&keyspace.finished_copy(), value, 0)
    }
}
