//! The functions of the C API, each a jump through the table, and the table itself.
//!
//! One list gives each function its type (in [`signatures`], to which whoever implements the API can hold its own
//! functions), its place in the table, and what it returns as long as there is no library. Functions marked `needed`
//! must be in a library for it to be taken; the others are as if they did nothing where they are absent.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;

use libloading::Library;

use crate::options::{
    FDBConflictRangeType, FDBDatabaseOption, FDBMutationType, FDBNetworkOption, FDBStreamingMode, FDBTransactionOption,
};
use crate::types::{
    FDBCallback, FDBDatabase, FDBFuture, FDBKey, FDBKeyValue, FDBMappedKeyValue, FDBTransaction, fdb_bool_t,
    fdb_error_t,
};

/// What the library itself answers before a version is chosen: "API version is not set".
const NOT_LOADED: fdb_error_t = 2200;

pub(crate) static TABLE: OnceLock<Table> = OnceLock::new();

macro_rules! look_up {
    (needed, $library:ident, $name:ident) => {
        Some(look_up($library, stringify!($name)).ok_or(stringify!($name))?)
    };
    (optional, $library:ident, $name:ident) => {
        look_up($library, stringify!($name))
    };
}

macro_rules! functions {
    ($($kind:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $(, else $fallback:expr)?;)*) => {
        /// The type of each function.
        pub mod signatures {
            use super::*;

            $(pub type $name = unsafe extern "C" fn($($argument: $type),*) $(-> $result)?;)*
        }

        /// The functions of one library.
        #[derive(Debug)]
        pub(crate) struct Table {
            $($name: Option<signatures::$name>,)*
        }

        impl Table {
            /// The functions of `library`, or the name of one that it lacks.
            pub(crate) fn new(library: &'static Library) -> Result<Self, &'static str> {
                Ok(Self { $($name: look_up!($kind, library, $name),)* })
            }
        }

        $(
            #[doc = concat!("`", stringify!($name), "` of the C API.")]
            pub unsafe fn $name($($argument: $type),*) $(-> $result)? {
                match TABLE.get().and_then(|table| table.$name) {
                    // SAFETY: the caller keeps the rules of the C API; the library is never unloaded.
                    Some(function) => unsafe { function($($argument),*) },
                    None => { $($fallback)? }
                }
            }
        )*

        /// Result, name and types of each function, as written here.
        #[cfg(test)]
        const DECLARED: &[(&str, &str, &[&str])] =
            &[$((concat!($(stringify!($result))?), stringify!($name), &[$(stringify!($type)),*]),)*];
    };
}

fn look_up<F: Copy>(library: &'static Library, name: &str) -> Option<F> {
    // SAFETY: `F` is the type that the header gives the function of this name.
    unsafe { library.get::<F>(name) }.ok().map(|symbol| *symbol)
}

functions! {
    needed fn fdb_get_error(code: fdb_error_t) -> *const c_char, else c"the FoundationDB client library is not loaded".as_ptr();
    needed fn fdb_error_predicate(predicate_test: c_int, code: fdb_error_t) -> fdb_bool_t, else 0;
    needed fn fdb_select_api_version_impl(runtime_version: c_int, header_version: c_int) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_get_max_api_version() -> c_int, else 0;
    optional fn fdb_get_client_version() -> *const c_char, else c"".as_ptr();
    needed fn fdb_network_set_option(option: FDBNetworkOption, value: *const u8, value_length: c_int) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_setup_network() -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_run_network() -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_stop_network() -> fdb_error_t, else NOT_LOADED;

    needed fn fdb_future_destroy(f: *mut FDBFuture);
    needed fn fdb_future_is_ready(f: *mut FDBFuture) -> fdb_bool_t, else 1;
    needed fn fdb_future_set_callback(f: *mut FDBFuture, callback: FDBCallback, callback_parameter: *mut c_void) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_future_get_error(f: *mut FDBFuture) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_future_get_int64(f: *mut FDBFuture, out: *mut i64) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_future_get_key(f: *mut FDBFuture, out_key: *mut *const u8, out_key_length: *mut c_int) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_future_get_value(f: *mut FDBFuture, out_present: *mut fdb_bool_t, out_value: *mut *const u8, out_value_length: *mut c_int) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_future_get_keyvalue_array(f: *mut FDBFuture, out_kv: *mut *const FDBKeyValue, out_count: *mut c_int, out_more: *mut fdb_bool_t) -> fdb_error_t, else NOT_LOADED;
    optional fn fdb_future_get_mappedkeyvalue_array(f: *mut FDBFuture, out_kv: *mut *const FDBMappedKeyValue, out_count: *mut c_int, out_more: *mut fdb_bool_t) -> fdb_error_t, else NOT_LOADED;
    optional fn fdb_future_get_key_array(f: *mut FDBFuture, out_key_array: *mut *const FDBKey, out_count: *mut c_int) -> fdb_error_t, else NOT_LOADED;
    optional fn fdb_future_get_string_array(f: *mut FDBFuture, out_strings: *mut *mut *const c_char, out_count: *mut c_int) -> fdb_error_t, else NOT_LOADED;

    needed fn fdb_create_database(cluster_file_path: *const c_char, out_database: *mut *mut FDBDatabase) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_database_destroy(d: *mut FDBDatabase);
    needed fn fdb_database_set_option(d: *mut FDBDatabase, option: FDBDatabaseOption, value: *const u8, value_length: c_int) -> fdb_error_t, else NOT_LOADED;
    needed fn fdb_database_create_transaction(d: *mut FDBDatabase, out_transaction: *mut *mut FDBTransaction) -> fdb_error_t, else NOT_LOADED;
    optional fn fdb_database_get_main_thread_busyness(db: *mut FDBDatabase) -> f64, else 0.0;
    optional fn fdb_database_get_client_status(db: *mut FDBDatabase) -> *mut FDBFuture, else null_mut();

    needed fn fdb_transaction_destroy(tr: *mut FDBTransaction);
    needed fn fdb_transaction_cancel(tr: *mut FDBTransaction);
    needed fn fdb_transaction_set_option(tr: *mut FDBTransaction, option: FDBTransactionOption, value: *const u8, value_length: c_int) -> fdb_error_t, else NOT_LOADED;
    optional fn fdb_transaction_set_read_version(tr: *mut FDBTransaction, version: i64);
    needed fn fdb_transaction_get_read_version(tr: *mut FDBTransaction) -> *mut FDBFuture, else null_mut();
    needed fn fdb_transaction_get(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int, snapshot: fdb_bool_t) -> *mut FDBFuture, else null_mut();
    optional fn fdb_transaction_get_key(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int, or_equal: fdb_bool_t, offset: c_int, snapshot: fdb_bool_t) -> *mut FDBFuture, else null_mut();
    optional fn fdb_transaction_get_addresses_for_key(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int) -> *mut FDBFuture, else null_mut();
    needed fn fdb_transaction_get_range(
        tr: *mut FDBTransaction,
        begin_key_name: *const u8, begin_key_name_length: c_int, begin_or_equal: fdb_bool_t, begin_offset: c_int,
        end_key_name: *const u8, end_key_name_length: c_int, end_or_equal: fdb_bool_t, end_offset: c_int,
        limit: c_int, target_bytes: c_int, mode: FDBStreamingMode, iteration: c_int,
        snapshot: fdb_bool_t, reverse: fdb_bool_t,
    ) -> *mut FDBFuture, else null_mut();
    optional fn fdb_transaction_get_mapped_range(
        tr: *mut FDBTransaction,
        begin_key_name: *const u8, begin_key_name_length: c_int, begin_or_equal: fdb_bool_t, begin_offset: c_int,
        end_key_name: *const u8, end_key_name_length: c_int, end_or_equal: fdb_bool_t, end_offset: c_int,
        mapper_name: *const u8, mapper_name_length: c_int,
        limit: c_int, target_bytes: c_int, mode: FDBStreamingMode, iteration: c_int,
        snapshot: fdb_bool_t, reverse: fdb_bool_t,
    ) -> *mut FDBFuture, else null_mut();
    needed fn fdb_transaction_set(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int, value: *const u8, value_length: c_int);
    needed fn fdb_transaction_atomic_op(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int, param: *const u8, param_length: c_int, operation_type: FDBMutationType);
    needed fn fdb_transaction_clear(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int);
    needed fn fdb_transaction_clear_range(tr: *mut FDBTransaction, begin_key_name: *const u8, begin_key_name_length: c_int, end_key_name: *const u8, end_key_name_length: c_int);
    optional fn fdb_transaction_watch(tr: *mut FDBTransaction, key_name: *const u8, key_name_length: c_int) -> *mut FDBFuture, else null_mut();
    needed fn fdb_transaction_commit(tr: *mut FDBTransaction) -> *mut FDBFuture, else null_mut();
    optional fn fdb_transaction_get_committed_version(tr: *mut FDBTransaction, out_version: *mut i64) -> fdb_error_t, else NOT_LOADED;
    optional fn fdb_transaction_get_approximate_size(tr: *mut FDBTransaction) -> *mut FDBFuture, else null_mut();
    needed fn fdb_transaction_get_versionstamp(tr: *mut FDBTransaction) -> *mut FDBFuture, else null_mut();
    needed fn fdb_transaction_on_error(tr: *mut FDBTransaction, error: fdb_error_t) -> *mut FDBFuture, else null_mut();
    needed fn fdb_transaction_reset(tr: *mut FDBTransaction);
    needed fn fdb_transaction_add_conflict_range(tr: *mut FDBTransaction, begin_key_name: *const u8, begin_key_name_length: c_int, end_key_name: *const u8, end_key_name_length: c_int, r#type: FDBConflictRangeType) -> fdb_error_t, else NOT_LOADED;
    optional fn fdb_transaction_get_estimated_range_size_bytes(tr: *mut FDBTransaction, begin_key_name: *const u8, begin_key_name_length: c_int, end_key_name: *const u8, end_key_name_length: c_int) -> *mut FDBFuture, else null_mut();
    optional fn fdb_transaction_get_range_split_points(tr: *mut FDBTransaction, begin_key_name: *const u8, begin_key_name_length: c_int, end_key_name: *const u8, end_key_name_length: c_int, chunk_size: i64) -> *mut FDBFuture, else null_mut();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type of Rust as the header spells it.
    fn in_c(rust: &str) -> String {
        let plain = |name: &str| match name {
            "" => "void".to_owned(),
            "c_int" => "int".to_owned(),
            "c_char" => "char".to_owned(),
            "c_void" => "void".to_owned(),
            "f64" => "double".to_owned(),
            "i64" => "int64_t".to_owned(),
            "u8" => "uint8_t".to_owned(),
            other => other.to_owned(),
        };
        match (rust.strip_prefix("*mut "), rust.strip_prefix("*const ")) {
            (Some(target), _) => format!("{}*", in_c(target)),
            // The header puts `const` before `char` and behind everything else.
            (_, Some("c_char")) => "const char*".to_owned(),
            (_, Some(target)) => format!("{} const*", in_c(target)),
            _ => plain(rust),
        }
    }

    #[test]
    fn every_function_has_the_type_that_the_header_gives_it() {
        let declared: Vec<String> = DECLARED
            .iter()
            .map(|(result, name, types)| {
                let types: Vec<String> = types.iter().map(|rust| in_c(rust)).collect();
                format!("{} {name}({})", in_c(result), types.join(", "))
            })
            .collect();
        let header: Vec<&str> = include_str!("../tests/fdb_c_730.txt").lines().collect();
        assert_eq!(declared, header);
    }

    #[test]
    fn a_function_called_without_a_library_does_nothing_and_says_so() {
        // SAFETY: without a library no pointer is looked at.
        unsafe {
            assert_eq!(fdb_setup_network(), NOT_LOADED);
            assert_eq!(fdb_create_database(std::ptr::null(), null_mut()), NOT_LOADED);
            assert_eq!((fdb_get_max_api_version(), fdb_future_get_error(null_mut())), (0, NOT_LOADED));
            assert!(fdb_transaction_commit(null_mut()).is_null());
            fdb_transaction_clear(null_mut(), std::ptr::null(), 0);
            let text = std::ffi::CStr::from_ptr(fdb_get_error(NOT_LOADED));
            assert_eq!(text, c"the FoundationDB client library is not loaded");
        }
    }
}
