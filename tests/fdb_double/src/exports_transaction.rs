//! The functions of the C API that have to do with transactions. Safety: see `exports`.

use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use foundationdb_sys::{
    self as sys, FDBConflictRangeType, FDBFuture, FDBMutationType, FDBStreamingMode, FDBTransaction,
    FDBTransactionOption, fdb_bool_t, fdb_error_t,
};

use crate::codes::{self, Code};
use crate::exports::{bytes, milliseconds, timeout};
use crate::message::{Ask, Wanted};
use crate::transaction::Transaction;

/// Bytes of a range's pages in the modes from `SMALL` to `SERIAL`.
const MODE_BYTES: [usize; 4] = [256, 1_000, 4_096, 80_000];

/// Bytes of a range's pages in the iterator's mode, one after the other.
const ITERATOR_BYTES: [usize; 10] = [4_096, 6_144, 9_216, 13_824, 20_736, 31_104, 46_656, 69_984, 80_000, 120_000];

unsafe fn of<'a>(handle: *mut FDBTransaction) -> &'a Transaction {
    unsafe { &*handle.cast::<Transaction>() }
}

fn code(outcome: Result<(), Code>) -> fdb_error_t {
    outcome.err().unwrap_or(codes::SUCCESS)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_destroy(tr: *mut FDBTransaction) {
    unsafe { Transaction::take(tr) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_cancel(tr: *mut FDBTransaction) {
    unsafe { of(tr) }.cancel();
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_set_option(
    tr: *mut FDBTransaction,
    option: FDBTransactionOption,
    value: *const u8,
    value_length: c_int,
) -> fdb_error_t {
    if option != sys::FDBTransactionOption_FDB_TR_OPTION_TIMEOUT {
        return codes::SUCCESS;
    }
    code(unsafe { milliseconds(value, value_length) }.map(|number| unsafe { of(tr) }.set_timeout(timeout(number))))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_get_read_version(tr: *mut FDBTransaction) -> *mut FDBFuture {
    unsafe { of(tr) }.read(Ask::ReadVersion).into_handle()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_get(
    tr: *mut FDBTransaction,
    key_name: *const u8,
    key_name_length: c_int,
    snapshot: fdb_bool_t,
) -> *mut FDBFuture {
    let key = unsafe { bytes(key_name, key_name_length) };
    unsafe { of(tr) }.read(Ask::Get { key: key.into(), is_snapshot: snapshot != 0 }).into_handle()
}

/// Bytes of the page that is wanted; none is as many as there are.
fn page_bytes(mode: FDBStreamingMode, iteration: c_int, rows: c_int) -> Result<Option<usize>, Code> {
    match mode {
        sys::FDBStreamingMode_FDB_STREAMING_MODE_EXACT if rows == 0 => Err(codes::EXACT_MODE_WITHOUT_LIMITS),
        sys::FDBStreamingMode_FDB_STREAMING_MODE_EXACT => Ok(None),
        sys::FDBStreamingMode_FDB_STREAMING_MODE_WANT_ALL => Ok(MODE_BYTES.last().copied()),
        sys::FDBStreamingMode_FDB_STREAMING_MODE_ITERATOR => {
            let place = usize::try_from(iteration).ok().and_then(|iteration| iteration.checked_sub(1));
            let place = place.ok_or(codes::INVALID_OPERATION)?;
            Ok(ITERATOR_BYTES.get(place).or(ITERATOR_BYTES.last()).copied())
        }
        _ => {
            let place = usize::try_from(mode - 1).map_err(|_| codes::INVALID_OPERATION)?;
            MODE_BYTES.get(place).copied().map(Some).ok_or(codes::INVALID_OPERATION)
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_get_range(
    tr: *mut FDBTransaction,
    begin_key_name: *const u8,
    begin_key_name_length: c_int,
    begin_or_equal: fdb_bool_t,
    begin_offset: c_int,
    end_key_name: *const u8,
    end_key_name_length: c_int,
    end_or_equal: fdb_bool_t,
    end_offset: c_int,
    limit: c_int,
    target_bytes: c_int,
    mode: FDBStreamingMode,
    iteration: c_int,
    snapshot: fdb_bool_t,
    reverse: fdb_bool_t,
) -> *mut FDBFuture {
    // The first key that is not less: the only selector there is here.
    if [begin_or_equal, end_or_equal] != [0, 0] || [begin_offset, end_offset] != [1, 1] || target_bytes < 0 {
        return unsafe { of(tr) }.failed(codes::INVALID_OPERATION).into_handle();
    }
    let page = match page_bytes(mode, iteration, limit) {
        Ok(page) => page,
        Err(code) => return unsafe { of(tr) }.failed(code).into_handle(),
    };
    let target = usize::try_from(target_bytes).ok().filter(|bytes| *bytes > 0);
    let wanted = Wanted {
        rows: usize::try_from(limit).ok().filter(|rows| *rows > 0),
        bytes: page.into_iter().chain(target).min(),
        is_reverse: reverse != 0,
        is_snapshot: snapshot != 0,
    };
    let (begin, end) =
        unsafe { (bytes(begin_key_name, begin_key_name_length), bytes(end_key_name, end_key_name_length)) };
    unsafe { of(tr) }.range(begin, end, wanted).into_handle()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_set(
    tr: *mut FDBTransaction,
    key_name: *const u8,
    key_name_length: c_int,
    value: *const u8,
    value_length: c_int,
) {
    let (key, value) = unsafe { (bytes(key_name, key_name_length), bytes(value, value_length)) };
    unsafe { of(tr) }.write(Ask::Set { key: key.into(), value: value.into() });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_atomic_op(
    tr: *mut FDBTransaction,
    key_name: *const u8,
    key_name_length: c_int,
    param: *const u8,
    param_length: c_int,
    operation_type: FDBMutationType,
) {
    let (key, operand) = unsafe { (bytes(key_name, key_name_length), bytes(param, param_length)) };
    unsafe { of(tr) }.write(Ask::Atomic { key: key.into(), operand: operand.into(), operation: operation_type });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_clear(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int) {
    let key = unsafe { bytes(key_name, key_name_length) };
    unsafe { of(tr) }.write(Ask::Clear { key: key.into() });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_clear_range(
    tr: *mut FDBTransaction,
    begin_key_name: *const u8,
    begin_key_name_length: c_int,
    end_key_name: *const u8,
    end_key_name_length: c_int,
) {
    let (begin, end) =
        unsafe { (bytes(begin_key_name, begin_key_name_length), bytes(end_key_name, end_key_name_length)) };
    unsafe { of(tr) }.write(Ask::ClearRange { begin: begin.into(), end: end.into() });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_commit(tr: *mut FDBTransaction) -> *mut FDBFuture {
    unsafe { of(tr) }.commit().into_handle()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_get_versionstamp(tr: *mut FDBTransaction) -> *mut FDBFuture {
    unsafe { of(tr) }.versionstamp().into_handle()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_on_error(tr: *mut FDBTransaction, error: fdb_error_t) -> *mut FDBFuture {
    // The handle stays the caller's.
    let transaction = ManuallyDrop::new(unsafe { Arc::from_raw(tr.cast::<Transaction>()) });
    transaction.on_error(error).into_handle()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_reset(tr: *mut FDBTransaction) {
    unsafe { of(tr) }.reset();
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdb_transaction_add_conflict_range(
    tr: *mut FDBTransaction,
    begin_key_name: *const u8,
    begin_key_name_length: c_int,
    end_key_name: *const u8,
    end_key_name_length: c_int,
    r#type: FDBConflictRangeType,
) -> fdb_error_t {
    let (begin, end) =
        unsafe { (bytes(begin_key_name, begin_key_name_length), bytes(end_key_name, end_key_name_length)) };
    code(match r#type {
        sys::FDBConflictRangeType_FDB_CONFLICT_RANGE_TYPE_READ => unsafe { of(tr) }.add_read_conflict(begin, end),
        sys::FDBConflictRangeType_FDB_CONFLICT_RANGE_TYPE_WRITE => unsafe { of(tr) }.add_write_conflict(begin, end),
        _ => Err(codes::INVALID_OPERATION),
    })
}
