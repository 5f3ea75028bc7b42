//! What can go wrong at or below the key-value contract. The only error enum besides `crate::error::Error`.

use std::any::Any;

use super::foundationdb::ClusterError;

/// An error of an engine or of the contract's own rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another transaction committed a write to something this one read (FoundationDB 1020). Not committed.
    #[error("transaction not committed due to conflict with another transaction")]
    Conflict,
    /// The commit may or may not have happened, and will not happen later (FoundationDB 1021).
    #[error("transaction may or may not have committed")]
    MaybeCommitted,
    /// The commit may have happened, or may still happen later (FoundationDB 1031, 1039).
    #[error("transaction may or may not have committed, or may still commit")]
    MaybeCommitsLater,
    /// The read version is older than the engine keeps (FoundationDB 1007), the five-second limit included.
    #[error("transaction is too old to perform reads or be committed")]
    TooOld,
    /// The read version lies ahead of what the engine has seen (FoundationDB 1009).
    #[error("request for future version")]
    FutureVersion,
    /// A range was read into which an uncommitted versionstamped key of the same transaction may fall (FoundationDB 1036).
    #[error("read or wrote an unreadable key")]
    AccessedUnreadable,
    /// The cluster asks to be tried again later: it is behind, busy or throttling (FoundationDB 1037, 1042, 1213, …). Nothing
    /// was committed.
    #[error("the cluster is busy (FoundationDB {0})")]
    Busy(i32),
    #[error("key of {0} bytes exceeds the limit of 10,000")]
    KeyTooLarge(usize),
    #[error("value of {0} bytes exceeds the limit of 100,000")]
    ValueTooLarge(usize),
    /// Keys, values and conflict ranges together exceed 10,000,000 bytes (FoundationDB 2101).
    #[error("transaction exceeds the byte limit")]
    TransactionTooLarge,
    #[error("range begin key larger than end key")]
    InvertedRange,
    /// A key from 0xFF on, which belongs to FoundationDB itself (FoundationDB 2004).
    #[error("key outside the legal range")]
    KeyOutsideLegalRange,
    /// The ten bytes of a versionstamp do not fit where they should go (FoundationDB 2000).
    #[error("versionstamp offset lies outside the key or value")]
    VersionstampOffset,
    /// The transaction was committed or cancelled before.
    #[error("transaction was used after its commit")]
    UsedAfterCommit,
    /// The retry loop gave up after so many attempts. None of them was committed, nor will be.
    #[error("gave up after {attempts} attempts, none of which had any effect; the last one ended in: {last}")]
    RetryLimit { attempts: u32, last: Box<Self> },
    #[error("storage: {0}")]
    Io(String),
    /// The cluster or its client cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What is stored does not decode: never silently skipped.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// Another process, or another handle in this one, has the database open.
    #[error("{0}")]
    Locked(String),
    /// The process was forked from the one that opened the database.
    #[error("the database was opened before this process was forked: open it again, in one of the two")]
    Forked,
    #[error("the database is closed")]
    Closed,
    /// The engine cannot do this (for example: fork a database on disk).
    #[error("not supported by this engine: {0}")]
    Unsupported(&'static str),
}

impl Error {
    /// Whether the retry loop runs the body again after this error.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict
                | Self::MaybeCommitted
                | Self::MaybeCommitsLater
                | Self::TooOld
                | Self::FutureVersion
                | Self::Busy(_)
        )
    }

    /// Whether other transactions kept this one from committing until the retry loop gave up.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::RetryLimit { last, .. } if **last == Self::Conflict)
    }

    /// What happened, without the kind of error that stands before it in the full text.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Io(reason) | Self::Corrupt(reason) => reason.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the commit that gave this error may nevertheless have happened.
    pub const fn is_maybe_committed(&self) -> bool {
        matches!(self, Self::MaybeCommitted | Self::MaybeCommitsLater)
    }
}

/// What a panic said.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}
