//! FoundationDB's error codes, as far as they are met here: their texts, and which of them ask for another try.

use std::ffi::CStr;

use fdyno::kv::Error;

pub(crate) type Code = i32;

pub(crate) const SUCCESS: Code = 0;
pub(crate) const TOO_OLD: Code = 1007;
pub(crate) const NOT_COMMITTED: Code = 1020;
pub(crate) const COMMIT_UNKNOWN: Code = 1021;
pub(crate) const TRANSACTION_CANCELLED: Code = 1025;
pub(crate) const TIMED_OUT: Code = 1031;
pub(crate) const PROCESS_BEHIND: Code = 1037;
pub(crate) const CLUSTER_VERSION_CHANGED: Code = 1039;
pub(crate) const OPERATION_CANCELLED: Code = 1101;
pub(crate) const FILE_NOT_READABLE: Code = 1513;
pub(crate) const NO_CLUSTER_FILE: Code = 1515;
pub(crate) const INVALID_OPERATION: Code = 2000;
pub(crate) const NETWORK_NOT_SETUP: Code = 2008;
pub(crate) const NETWORK_ALREADY_SETUP: Code = 2009;
pub(crate) const FUTURE_NOT_SET: Code = 2014;
pub(crate) const USED_DURING_COMMIT: Code = 2017;
pub(crate) const INVALID_MUTATION_TYPE: Code = 2018;
pub(crate) const TRANSACTION_INVALID_VERSION: Code = 2020;
pub(crate) const NO_COMMIT_VERSION: Code = 2021;
pub(crate) const KEY_TOO_LARGE: Code = 2102;
pub(crate) const VALUE_TOO_LARGE: Code = 2103;
pub(crate) const CONNECTION_STRING_INVALID: Code = 2104;
pub(crate) const API_VERSION_ALREADY_SET: Code = 2201;
pub(crate) const API_VERSION_NOT_SUPPORTED: Code = 2203;
pub(crate) const EXACT_MODE_WITHOUT_LIMITS: Code = 2210;
pub(crate) const INTERNAL_ERROR: Code = 4100;

pub(crate) fn of(error: &Error) -> Code {
    match error {
        Error::Conflict => NOT_COMMITTED,
        Error::TooOld => TOO_OLD,
        Error::AccessedUnreadable => 1036,
        Error::UsedAfterCommit => USED_DURING_COMMIT,
        Error::VersionstampOffset => INVALID_OPERATION,
        Error::KeyOutsideLegalRange => 2004,
        Error::InvertedRange => 2005,
        Error::TransactionTooLarge => 2101,
        Error::KeyTooLarge(_) => KEY_TOO_LARGE,
        Error::ValueTooLarge(_) => VALUE_TOO_LARGE,
        _ => INTERNAL_ERROR,
    }
}

pub(crate) const fn is_maybe_committed(code: Code) -> bool {
    matches!(code, COMMIT_UNKNOWN | CLUSTER_VERSION_CHANGED)
}

pub(crate) const fn is_retryable_not_committed(code: Code) -> bool {
    matches!(code, TOO_OLD | 1009 | NOT_COMMITTED | PROCESS_BEHIND | 1038 | 1042 | 1051 | 1078 | 1213 | 1223)
}

pub(crate) const fn is_retryable(code: Code) -> bool {
    is_maybe_committed(code) || is_retryable_not_committed(code)
}

pub(crate) const fn text(code: Code) -> &'static CStr {
    match code {
        SUCCESS => c"Success",
        TOO_OLD => c"Transaction is too old to perform reads or be committed",
        NOT_COMMITTED => c"Transaction not committed due to conflict with another transaction",
        COMMIT_UNKNOWN => c"Transaction may or may not have committed",
        TRANSACTION_CANCELLED => c"Operation aborted because the transaction was cancelled",
        TIMED_OUT => c"Operation aborted because the transaction timed out",
        PROCESS_BEHIND => c"Storage process does not have recent mutations",
        CLUSTER_VERSION_CHANGED => c"Cluster has been upgraded to a new protocol version",
        NO_CLUSTER_FILE => c"No cluster file found in current directory or default location",
        CONNECTION_STRING_INVALID => c"Connection string invalid",
        _ => c"An error of the double",
    }
}

/// A length as the API gives it.
pub(crate) fn length(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
