//! The table of errors, walked: every variant, its code, its status and its JSON.

use fdyno::api::json;
use fdyno::error::Error;

/// One value of every variant; the match makes a new variant fail to compile until it is here.
fn every_error() -> Vec<(Error, &'static str, u16)> {
    let text = || "text".to_owned();
    let all = vec![
        (Error::Validation(text()), "ValidationException", 400),
        (Error::Serialization(text()), "SerializationException", 400),
        (Error::ResourceNotFound(text()), "ResourceNotFoundException", 400),
        (Error::TableNotFound(text()), "TableNotFoundException", 400),
        (Error::ResourceInUse(text()), "ResourceInUseException", 400),
        (Error::TableInUse(text()), "TableInUseException", 400),
        (Error::TableAlreadyExists(text()), "TableAlreadyExistsException", 400),
        (Error::BackupNotFound(text()), "BackupNotFoundException", 400),
        (Error::BackupInUse(text()), "BackupInUseException", 400),
        (Error::InvalidRestoreTime(text()), "InvalidRestoreTimeException", 400),
        (Error::PointInTimeRecoveryUnavailable(text()), "PointInTimeRecoveryUnavailableException", 400),
        (Error::LimitExceeded(text()), "LimitExceededException", 400),
        (Error::PolicyNotFound(text()), "PolicyNotFoundException", 400),
        (Error::GlobalTableNotFound(text()), "GlobalTableNotFoundException", 400),
        (Error::GlobalTableAlreadyExists(text()), "GlobalTableAlreadyExistsException", 400),
        (Error::ReplicaNotFound(text()), "ReplicaNotFoundException", 400),
        (Error::ReplicaAlreadyExists(text()), "ReplicaAlreadyExistsException", 400),
        (Error::IndexNotFound(text()), "IndexNotFoundException", 400),
        (Error::ImportNotFound(text()), "ImportNotFoundException", 400),
        (Error::ImportConflict(text()), "ImportConflictException", 400),
        (Error::ExportNotFound(text()), "ExportNotFoundException", 400),
        (Error::ExportConflict(text()), "ExportConflictException", 400),
        (Error::InvalidExportTime(text()), "InvalidExportTimeException", 400),
        (Error::ConditionalCheckFailed { item: None }, "ConditionalCheckFailedException", 400),
        (Error::TransactionCanceled { reasons: Vec::new() }, "TransactionCanceledException", 400),
        (Error::DuplicateItem, "DuplicateItemException", 400),
        (Error::TransactionConflict, "TransactionConflictException", 400),
        (Error::IdempotentParameterMismatch, "IdempotentParameterMismatchException", 400),
        (Error::ItemCollectionSizeLimitExceeded(text()), "ItemCollectionSizeLimitExceededException", 400),
        (Error::ProvisionedThroughputExceeded(text()), "ProvisionedThroughputExceededException", 400),
        (Error::Throttling(text()), "ThrottlingException", 400),
        (Error::ExpiredIterator(text()), "ExpiredIteratorException", 400),
        (Error::TrimmedDataAccess(text()), "TrimmedDataAccessException", 400),
        (Error::UnknownOperation(text()), "UnknownOperationException", 400),
        (Error::AccessDenied(text()), "AccessDeniedException", 400),
        (Error::MissingAuthenticationToken, "MissingAuthenticationTokenException", 400),
        (Error::IncompleteSignature(text()), "IncompleteSignatureException", 400),
        (Error::InvalidSignature(text()), "InvalidSignatureException", 400),
        (Error::UnrecognizedClient, "UnrecognizedClientException", 400),
        (Error::RequestTooLarge, "RequestEntityTooLargeException", 413),
        (Error::RequestTimeout, "RequestTimeoutException", 408),
        (Error::InternalServerError(text()), "InternalServerError", 500),
        (Error::Storage(fdyno::kv::Error::Conflict), "InternalServerError", 500),
        (Error::UnfinishedCopy, "InternalServerError", 500),
        (Error::SchemaChanged, "InternalServerError", 500),
    ];
    for (error, ..) in &all {
        match error {
            Error::Validation(_)
            | Error::Serialization(_)
            | Error::ResourceNotFound(_)
            | Error::TableNotFound(_)
            | Error::ResourceInUse(_)
            | Error::TableInUse(_)
            | Error::TableAlreadyExists(_)
            | Error::BackupNotFound(_)
            | Error::BackupInUse(_)
            | Error::InvalidRestoreTime(_)
            | Error::PointInTimeRecoveryUnavailable(_)
            | Error::LimitExceeded(_)
            | Error::PolicyNotFound(_)
            | Error::GlobalTableNotFound(_)
            | Error::GlobalTableAlreadyExists(_)
            | Error::ReplicaNotFound(_)
            | Error::ReplicaAlreadyExists(_)
            | Error::IndexNotFound(_)
            | Error::ImportNotFound(_)
            | Error::ImportConflict(_)
            | Error::ExportNotFound(_)
            | Error::ExportConflict(_)
            | Error::InvalidExportTime(_)
            | Error::ConditionalCheckFailed { .. }
            | Error::TransactionCanceled { .. }
            | Error::DuplicateItem
            | Error::TransactionConflict
            | Error::IdempotentParameterMismatch
            | Error::ItemCollectionSizeLimitExceeded(_)
            | Error::ProvisionedThroughputExceeded(_)
            | Error::Throttling(_)
            | Error::ExpiredIterator(_)
            | Error::TrimmedDataAccess(_)
            | Error::UnknownOperation(_)
            | Error::AccessDenied(_)
            | Error::MissingAuthenticationToken
            | Error::IncompleteSignature(_)
            | Error::InvalidSignature(_)
            | Error::UnrecognizedClient
            | Error::RequestTooLarge
            | Error::RequestTimeout
            | Error::InternalServerError(_)
            | Error::Storage(_)
            | Error::UnfinishedCopy
            | Error::SchemaChanged => {}
        }
    }
    all
}

#[test]
fn every_error_variant_has_its_code_and_status() {
    for (value, code, status) in every_error() {
        let shape = value.shape();
        assert_eq!((shape.code, shape.status), (code, status));
        assert!(shape.qualified().ends_with(&format!("#{code}")));
        assert!(!value.to_string().is_empty());
        assert!(String::from_utf8_lossy(&json::error(&value)).contains(code));
    }
}

#[test]
fn an_error_without_words_has_no_message_member() {
    let body = json::error(&Error::UnknownOperation(String::new()));
    assert_eq!(String::from_utf8_lossy(&body), r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#);
}
