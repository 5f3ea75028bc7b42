//! Where a cluster's data is, for whoever asks: in this process, or behind a connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codes::Code;
use crate::connection::Connection;
use crate::data::{Data, Open};
use crate::message::{Ask, Outcome, Request};

pub(crate) enum Home {
    Here(Arc<Data>),
    There(Arc<Connection>),
}

/// A transaction at its home. Dropping it ends it.
pub(crate) enum Stored {
    Here { data: Arc<Data>, open: Mutex<Open> },
    There { connection: Arc<Connection>, transaction: u64 },
}

impl Home {
    pub(crate) fn begin(&self) -> Stored {
        match self {
            Self::Here(data) => Stored::Here { data: Arc::clone(data), open: Mutex::new(data.begin()) },
            Self::There(connection) => {
                Stored::There { connection: Arc::clone(connection), transaction: connection.number() }
            }
        }
    }

    /// Has all that was held back commit.
    pub(crate) fn land_all(&self) {
        match self {
            Self::Here(data) => data.land_all(),
            Self::There(connection) => connection.send(&Request::LandAll),
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::There(connection) if connection.is_lost())
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stored {
    /// Tells it what is not answered; an error that is known at once.
    pub(crate) fn tell(&self, ask: Ask) -> Result<(), Code> {
        match self {
            Self::Here { data, open } => data.perform(&mut lock(open), &ask).map(|_| ()),
            Self::There { connection, transaction } => {
                connection.tell(*transaction, ask);
                Ok(())
            }
        }
    }

    /// `then` gets the answer, on another thread or at once.
    pub(crate) fn ask(&self, ask: Ask, then: impl FnOnce(Outcome) + Send + 'static) {
        match self {
            Self::Here { data, open } => {
                let outcome = data.perform(&mut lock(open), &ask);
                then(outcome);
            }
            Self::There { connection, transaction } => connection.ask(*transaction, ask, then),
        }
    }

    /// Has it commit at some other time.
    pub(crate) fn hold(&self) {
        match self {
            Self::Here { data, open } => data.hold(lock(open).clone()),
            Self::There { connection, transaction } => connection.send(&Request::Hold { transaction: *transaction }),
        }
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Self::There { connection, transaction } = self {
            connection.send(&Request::End { transaction: *transaction });
        }
    }
}
