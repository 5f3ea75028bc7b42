//! Every error that leaves the house, by AWS's codes: one variant, one row of the table below.
//!
//! `Error` is what `expression`, `keyspace`, `store` and `api` return. `SchemaChanged` is the one variant that
//! never leaves `api`: it asks dispatch to run the operation again with a fresh schema.

use crate::item::{Invalid, Item};
use crate::kv;

/// Which namespace the qualified `__type` of an error lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    DynamoDb,
    Coral,
    CoralValidation,
}

/// How an error looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub namespace: Namespace,
    /// The short code boto3 shows as `error.response["Error"]["Code"]`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
}

impl Shape {
    /// The qualified `__type`, for example `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException`.
    pub fn qualified(&self) -> String {
        let namespace = match self.namespace {
            Namespace::DynamoDb => "com.amazonaws.dynamodb.v20120810",
            Namespace::Coral => "com.amazon.coral.service",
            Namespace::CoralValidation => "com.amazon.coral.validate",
        };
        format!("{namespace}#{}", self.code)
    }
}

/// Why one item of a cancelled transaction failed, or `None` as its code where it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancellationReason {
    /// `None`, `ConditionalCheckFailed`, `TransactionConflict`, `ValidationError`, …
    pub code: &'static str,
    pub message: Option<String>,
    pub item: Option<Item>,
}

/// The one public error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Validation(String),
    /// The body is not what the protocol allows: wrong JSON types, for example.
    #[error("{0}")]
    Serialization(String),
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    TableNotFound(String),
    #[error("{0}")]
    ResourceInUse(String),
    #[error("{0}")]
    TableInUse(String),
    #[error("{0}")]
    TableAlreadyExists(String),
    #[error("{0}")]
    BackupNotFound(String),
    #[error("{0}")]
    BackupInUse(String),
    #[error("{0}")]
    InvalidRestoreTime(String),
    #[error("{0}")]
    PointInTimeRecoveryUnavailable(String),
    #[error("{0}")]
    LimitExceeded(String),
    #[error("{0}")]
    PolicyNotFound(String),
    #[error("{0}")]
    GlobalTableNotFound(String),
    #[error("{0}")]
    GlobalTableAlreadyExists(String),
    #[error("{0}")]
    ReplicaNotFound(String),
    #[error("{0}")]
    ReplicaAlreadyExists(String),
    #[error("{0}")]
    IndexNotFound(String),
    #[error("{0}")]
    ImportNotFound(String),
    #[error("{0}")]
    ImportConflict(String),
    #[error("{0}")]
    ExportNotFound(String),
    #[error("{0}")]
    ExportConflict(String),
    #[error("{0}")]
    InvalidExportTime(String),
    #[error("The conditional request failed")]
    ConditionalCheckFailed { item: Option<Box<Item>> },
    #[error("{}", cancellation_message(.reasons))]
    TransactionCanceled { reasons: Vec<CancellationReason> },
    /// An INSERT of an item that is there.
    #[error("Duplicate primary key exists in table")]
    DuplicateItem,
    #[error("Transaction is ongoing for the item")]
    TransactionConflict,
    #[error("The specified idempotency token is already in use with different parameters")]
    IdempotentParameterMismatch,
    #[error("{0}")]
    ItemCollectionSizeLimitExceeded(String),
    #[error("{0}")]
    ProvisionedThroughputExceeded(String),
    #[error("{0}")]
    Throttling(String),
    #[error("{0}")]
    ExpiredIterator(String),
    #[error("{0}")]
    TrimmedDataAccess(String),
    #[error("{0}")]
    UnknownOperation(String),
    #[error("{0}")]
    AccessDenied(String),
    /// Nothing in the request says who asks.
    #[error("Request is missing Authentication Token")]
    MissingAuthenticationToken,
    #[error("{0}")]
    IncompleteSignature(String),
    #[error("{0}")]
    InvalidSignature(String),
    #[error("The security token included in the request is invalid.")]
    UnrecognizedClient,
    #[error("The request is larger than 16777216 bytes")]
    RequestTooLarge,
    #[error("The request did not arrive in time")]
    RequestTimeout,
    #[error("{0}")]
    InternalServerError(String),
    /// The engine's error, kept whole because the retry loop decides by it. Users see an InternalServerError.
    #[error("{0}")]
    Storage(#[from] kv::Error),
    /// What was to be opened is a copy that was interrupted. No operation ever meets it.
    #[error(
        "this is an unfinished copy of a database: run the copy again, which goes on where it was, or, if its source was \
         written to since, remove this and begin anew"
    )]
    UnfinishedCopy,
    /// A cached schema was out of date. Handled by dispatch, never seen by a user.
    #[error("the table's schema changed while the request ran")]
    SchemaChanged,
}

impl Error {
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// The table of errors: AWS's code, namespace and status of each variant.
    pub const fn shape(&self) -> Shape {
        use Namespace::{Coral, CoralValidation, DynamoDb};
        let (namespace, code, status) = match self {
            Self::Validation(_) => (CoralValidation, "ValidationException", 400),
            Self::Serialization(_) => (Coral, "SerializationException", 400),
            Self::ResourceNotFound(_) => (DynamoDb, "ResourceNotFoundException", 400),
            Self::TableNotFound(_) => (DynamoDb, "TableNotFoundException", 400),
            Self::ResourceInUse(_) => (DynamoDb, "ResourceInUseException", 400),
            Self::TableInUse(_) => (DynamoDb, "TableInUseException", 400),
            Self::TableAlreadyExists(_) => (DynamoDb, "TableAlreadyExistsException", 400),
            Self::BackupNotFound(_) => (DynamoDb, "BackupNotFoundException", 400),
            Self::BackupInUse(_) => (DynamoDb, "BackupInUseException", 400),
            Self::InvalidRestoreTime(_) => (DynamoDb, "InvalidRestoreTimeException", 400),
            Self::PointInTimeRecoveryUnavailable(_) => (DynamoDb, "PointInTimeRecoveryUnavailableException", 400),
            Self::LimitExceeded(_) => (DynamoDb, "LimitExceededException", 400),
            Self::PolicyNotFound(_) => (DynamoDb, "PolicyNotFoundException", 400),
            Self::GlobalTableNotFound(_) => (DynamoDb, "GlobalTableNotFoundException", 400),
            Self::GlobalTableAlreadyExists(_) => (DynamoDb, "GlobalTableAlreadyExistsException", 400),
            Self::ReplicaNotFound(_) => (DynamoDb, "ReplicaNotFoundException", 400),
            Self::ReplicaAlreadyExists(_) => (DynamoDb, "ReplicaAlreadyExistsException", 400),
            Self::IndexNotFound(_) => (DynamoDb, "IndexNotFoundException", 400),
            Self::ImportNotFound(_) => (DynamoDb, "ImportNotFoundException", 400),
            Self::ImportConflict(_) => (DynamoDb, "ImportConflictException", 400),
            Self::ExportNotFound(_) => (DynamoDb, "ExportNotFoundException", 400),
            Self::ExportConflict(_) => (DynamoDb, "ExportConflictException", 400),
            Self::InvalidExportTime(_) => (DynamoDb, "InvalidExportTimeException", 400),
            Self::ConditionalCheckFailed { .. } => (DynamoDb, "ConditionalCheckFailedException", 400),
            Self::TransactionCanceled { .. } => (DynamoDb, "TransactionCanceledException", 400),
            Self::DuplicateItem => (DynamoDb, "DuplicateItemException", 400),
            Self::TransactionConflict => (DynamoDb, "TransactionConflictException", 400),
            Self::IdempotentParameterMismatch => (DynamoDb, "IdempotentParameterMismatchException", 400),
            Self::ItemCollectionSizeLimitExceeded(_) => (DynamoDb, "ItemCollectionSizeLimitExceededException", 400),
            Self::ProvisionedThroughputExceeded(_) => (DynamoDb, "ProvisionedThroughputExceededException", 400),
            Self::Throttling(_) => (Coral, "ThrottlingException", 400),
            Self::ExpiredIterator(_) => (DynamoDb, "ExpiredIteratorException", 400),
            Self::TrimmedDataAccess(_) => (DynamoDb, "TrimmedDataAccessException", 400),
            Self::UnknownOperation(_) => (Coral, "UnknownOperationException", 400),
            Self::AccessDenied(_) => (Coral, "AccessDeniedException", 400),
            Self::MissingAuthenticationToken => (Coral, "MissingAuthenticationTokenException", 400),
            Self::IncompleteSignature(_) => (Coral, "IncompleteSignatureException", 400),
            Self::InvalidSignature(_) => (Coral, "InvalidSignatureException", 400),
            Self::UnrecognizedClient => (Coral, "UnrecognizedClientException", 400),
            Self::RequestTooLarge => (Coral, "RequestEntityTooLargeException", 413),
            Self::RequestTimeout => (Coral, "RequestTimeoutException", 408),
            Self::InternalServerError(_) | Self::Storage(_) | Self::UnfinishedCopy | Self::SchemaChanged => {
                (DynamoDb, "InternalServerError", 500)
            }
        };
        Shape { namespace, code, status }
    }

    /// Whether a table's definition alone may be the cause, looked at before any transaction has checked it.
    pub const fn may_come_of_a_definition(&self) -> bool {
        matches!(
            self,
            Self::Validation(_)
                | Self::ResourceNotFound(_)
                | Self::TableNotFound(_)
                | Self::LimitExceeded(_)
                | Self::TransactionCanceled { .. }
        )
    }

    /// Whether the request found other transactions in its way, every time it was tried.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_contention())
    }

    /// Whether dispatch runs the operation again with a fresh schema.
    pub const fn is_schema_change(&self) -> bool {
        matches!(self, Self::SchemaChanged)
    }
}

fn cancellation_message(reasons: &[CancellationReason]) -> String {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
    format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "))
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Validation(invalid.0)
    }
}

impl kv::RetryDecision for Error {
    fn storage_error(&self) -> Option<&kv::Error> {
        match self {
            Self::Storage(error) => Some(error),
            _ => None,
        }
    }
}
