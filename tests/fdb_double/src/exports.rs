//! The functions of the C API that have to do with the process, futures and databases.
//!
//! Safety, here and in `exports_transaction`: the caller keeps the rules of the C API, so handles are live, and pointers
//! lead to as many bytes as is said beside them.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use foundationdb_sys::{
    self as sys, FDBCallback, FDBDatabase, FDBDatabaseOption, FDBFuture, FDBKeyValue, FDBNetworkOption, FDBTransaction,
    fdb_bool_t, fdb_error_t,
};

use crate::cluster::Cluster;
use crate::codes;
use crate::future::{Future, Value};
use crate::network;
use crate::transaction::Transaction;

const API_VERSION: c_int = sys::FDB_API_VERSION.cast_signed();

static CHOSEN: AtomicBool = AtomicBool::new(false);

/// What handles of databases are counted by.
const KIND: &str = "databases";

/// What an `FDBDatabase` points to.
struct Database {
    cluster: Arc<Cluster>,
    /// In milliseconds; none is zero.
    timeout: AtomicI32,
}

/// A timeout as options give it: a number of eight bytes, of which zero means none.
///
/// # Safety
/// As everywhere here.
pub(crate) unsafe fn milliseconds(value: *const u8, length: c_int) -> Result<i32, fdb_error_t> {
    let bytes = unsafe { bytes(value, length) };
    let number = i64::from_le_bytes(bytes.try_into().map_err(|_| codes::INVALID_OPERATION)?);
    i32::try_from(number).map_err(|_| codes::INVALID_OPERATION)
}

pub(crate) fn timeout(milliseconds: i32) -> Option<Duration> {
    u64::try_from(milliseconds).ok().filter(|number| *number > 0).map(Duration::from_millis)
}

/// # Safety
/// As everywhere here.
pub(crate) unsafe fn bytes<'a>(pointer: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        Ok(length) if length > 0 => unsafe { std::slice::from_raw_parts(pointer, length) },
        _ => &[],
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_get_error(code: fdb_error_t) -> *const c_char {
    codes::text(code).as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_error_predicate(predicate_test: c_int, code: fdb_error_t) -> fdb_bool_t {
    let holds = match predicate_test.cast_unsigned() {
        sys::FDBErrorPredicate_FDB_ERROR_PREDICATE_RETRYABLE => codes::is_retryable(code),
        sys::FDBErrorPredicate_FDB_ERROR_PREDICATE_MAYBE_COMMITTED => codes::is_maybe_committed(code),
        sys::FDBErrorPredicate_FDB_ERROR_PREDICATE_RETRYABLE_NOT_COMMITTED => codes::is_retryable_not_committed(code),
        _ => false,
    };
    holds.into()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_select_api_version_impl(runtime_version: c_int, header_version: c_int) -> fdb_error_t {
    if runtime_version > header_version || header_version > API_VERSION {
        return codes::API_VERSION_NOT_SUPPORTED;
    }
    if CHOSEN.swap(true, Ordering::AcqRel) { codes::API_VERSION_ALREADY_SET } else { codes::SUCCESS }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_get_max_api_version() -> c_int {
    API_VERSION
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_network_set_option(
    _option: FDBNetworkOption,
    _value: *const u8,
    _value_length: c_int,
) -> fdb_error_t {
    codes::SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_setup_network() -> fdb_error_t {
    if network::set_up() { codes::SUCCESS } else { codes::NETWORK_ALREADY_SETUP }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_run_network() -> fdb_error_t {
    if !network::is_set_up() {
        return codes::NETWORK_NOT_SETUP;
    }
    network::run();
    codes::SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_stop_network() -> fdb_error_t {
    network::stop();
    codes::SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_destroy(f: *mut FDBFuture) {
    unsafe { Future::take(f) }.destroy();
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_is_ready(f: *mut FDBFuture) -> fdb_bool_t {
    unsafe { Future::of(f) }.is_ready().into()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_set_callback(
    f: *mut FDBFuture,
    callback: FDBCallback,
    callback_parameter: *mut c_void,
) -> fdb_error_t {
    let Some(callback) = callback else { return codes::INVALID_OPERATION };
    unsafe { Future::of(f) }.call_back(f, callback, callback_parameter);
    codes::SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_get_error(f: *mut FDBFuture) -> fdb_error_t {
    unsafe { Future::of(f) }.look(|_| Ok(()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_get_int64(f: *mut FDBFuture, out: *mut i64) -> fdb_error_t {
    unsafe { Future::of(f) }.look(|value| {
        let Value::Number(number) = value else { return Err(codes::INVALID_OPERATION) };
        unsafe { *out = *number };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_get_key(
    f: *mut FDBFuture,
    out_key: *mut *const u8,
    out_key_length: *mut c_int,
) -> fdb_error_t {
    unsafe { Future::of(f) }.look(|value| {
        let Value::Key(key) = value else { return Err(codes::INVALID_OPERATION) };
        unsafe {
            *out_key = key.pointer();
            *out_key_length = key.length();
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_get_value(
    f: *mut FDBFuture,
    out_present: *mut fdb_bool_t,
    out_value: *mut *const u8,
    out_value_length: *mut c_int,
) -> fdb_error_t {
    unsafe { Future::of(f) }.look(|value| {
        let Value::Stored(stored) = value else { return Err(codes::INVALID_OPERATION) };
        unsafe { *out_present = stored.is_some().into() };
        if let Some(stored) = stored {
            unsafe {
                *out_value = stored.pointer();
                *out_value_length = stored.length();
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_future_get_keyvalue_array(
    f: *mut FDBFuture,
    out_kv: *mut *const FDBKeyValue,
    out_count: *mut c_int,
    out_more: *mut fdb_bool_t,
) -> fdb_error_t {
    unsafe { Future::of(f) }.look(|value| {
        let Value::Pairs(pairs) = value else { return Err(codes::INVALID_OPERATION) };
        unsafe {
            *out_kv = pairs.array().as_ptr();
            *out_count = codes::length(pairs.array().len());
            *out_more = pairs.more.into();
        }
        Ok(())
    })
}

/// Where the client looks if no cluster file is named.
fn usual_cluster_file() -> PathBuf {
    let named = std::env::var_os("FDB_CLUSTER_FILE").filter(|path| !path.is_empty());
    named.map_or_else(|| PathBuf::from("fdb.cluster"), PathBuf::from)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_create_database(
    cluster_file_path: *const c_char,
    out_database: *mut *mut FDBDatabase,
) -> fdb_error_t {
    if !network::is_set_up() {
        return codes::NETWORK_NOT_SETUP;
    }
    let named = (!cluster_file_path.is_null()).then(|| unsafe { CStr::from_ptr(cluster_file_path) });
    let path = match named.map(|path| path.to_str()) {
        None | Some(Ok("")) => usual_cluster_file(),
        Some(Ok(path)) => Path::new(OsStr::new(path)).to_path_buf(),
        Some(Err(_)) => return codes::NO_CLUSTER_FILE,
    };
    match Cluster::open(&path) {
        Ok(cluster) => {
            cluster.give_out(KIND);
            let database = Box::new(Database { cluster, timeout: AtomicI32::new(0) });
            unsafe { *out_database = Box::into_raw(database).cast() };
            codes::SUCCESS
        }
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_database_destroy(d: *mut FDBDatabase) {
    network::check(KIND);
    let database = unsafe { Box::from_raw(d.cast::<Database>()) };
    database.cluster.take_back(KIND);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_database_set_option(
    d: *mut FDBDatabase,
    option: FDBDatabaseOption,
    value: *const u8,
    value_length: c_int,
) -> fdb_error_t {
    if option != sys::FDBDatabaseOption_FDB_DB_OPTION_TRANSACTION_TIMEOUT {
        return codes::SUCCESS;
    }
    match unsafe { milliseconds(value, value_length) } {
        Ok(number) => {
            unsafe { &*d.cast::<Database>() }.timeout.store(number, Ordering::Relaxed);
            codes::SUCCESS
        }
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_database_create_transaction(
    d: *mut FDBDatabase,
    out_transaction: *mut *mut FDBTransaction,
) -> fdb_error_t {
    let database = unsafe { &*d.cast::<Database>() };
    let timeout = timeout(database.timeout.load(Ordering::Relaxed));
    let transaction = Transaction::new(Arc::clone(&database.cluster), timeout);
    unsafe { *out_transaction = transaction.into_handle() };
    codes::SUCCESS
}
