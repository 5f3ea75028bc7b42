//! Idempotency tokens of TransactWriteItems, kept in the very transaction they stand for.

use serde::{Deserialize, Serialize};

use super::maintenance::minute;
use super::{Realm, TOKEN_WINDOW_MILLIS, Transaction};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::keyspace;
use crate::kv::Isolation;

pub(super) const FORMAT: u8 = 1;

/// What a token remembers of its first request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    pub request_digest: [u8; 32],
    pub at_millis: i64,
    /// What `api` wants to answer a repetition with.
    pub response: Vec<u8>,
}

impl ClientToken {
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        now.millis().saturating_sub(self.at_millis) >= TOKEN_WINDOW_MILLIS
    }
}

impl Transaction {
    /// The token's first request, when it is younger than 10 minutes.
    pub async fn client_token(&self, realm: &Realm, token: &str) -> Result<Option<ClientToken>, Error> {
        let key = self.store().keyspace().token(realm.names(), token);
        let Some(value) = self.kv().get(&key, Isolation::Serializable).await? else { return Ok(None) };
        let stored: ClientToken = keyspace::decode_versioned_json(FORMAT, &value)?;
        Ok((!stored.is_expired(self.store().clock().now())).then_some(stored))
    }

    pub fn put_client_token(&self, realm: &Realm, token: &str, value: &ClientToken) -> Result<(), Error> {
        let keys = self.store().keyspace();
        self.kv().set(&keys.token(realm.names(), token), keyspace::encode_versioned_json(FORMAT, value)?)?;
        // Found by the time it may go, so that nothing has to look through all the others.
        let expires = Timestamp(value.at_millis).plus_millis(TOKEN_WINDOW_MILLIS);
        Ok(self.kv().set(&keys.token_expiry(minute(expires), realm.names(), token)?, &[][..])?)
    }
}
