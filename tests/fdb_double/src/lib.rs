//! A double of FoundationDB's client library: its C API over databases in memory, one for each cluster file.
//!
//! For tests of who calls the API: how it waits, what it frees, what it makes of errors. It is no measure of speed, and
//! as to what conflicts with what it says what fdyno's memory engine says. `exports` and `exports_transaction` are the
//! functions; `network` is the thread they answer on; `future` and `transaction` what handles point to; `cluster` and
//! `settings` how a cluster misbehaves; `own_writes` and `codes` what the real client knows. `data` is what a cluster holds,
//! `message` what it is asked; it lies in this process, or in a `server` at the other end of a `connection`, so that several
//! processes share it: `home` is either.
//!
//! Invariant: each function has the type by which it is called; the list below does not compile otherwise.
#![allow(clippy::missing_safety_doc, reason = "the rules are those of the C API's documentation")]

mod cluster;
mod codes;
mod connection;
mod data;
mod exports;
mod exports_transaction;
mod future;
mod home;
mod message;
mod network;
mod own_writes;
mod server;
mod settings;
mod transaction;

pub use server::serve;

macro_rules! exported {
    ($($module:ident: [$($name:ident,)*])*) => {
        const _: () = {
            $($(let _: foundationdb_sys::signatures::$name = $module::$name;)*)*
        };
    };
}

exported! {
    exports: [
        fdb_get_error,
        fdb_error_predicate,
        fdb_select_api_version_impl,
        fdb_get_max_api_version,
        fdb_network_set_option,
        fdb_setup_network,
        fdb_run_network,
        fdb_stop_network,
        fdb_future_destroy,
        fdb_future_is_ready,
        fdb_future_set_callback,
        fdb_future_get_error,
        fdb_future_get_int64,
        fdb_future_get_key,
        fdb_future_get_value,
        fdb_future_get_keyvalue_array,
        fdb_create_database,
        fdb_database_destroy,
        fdb_database_set_option,
        fdb_database_create_transaction,
    ]
    exports_transaction: [
        fdb_transaction_destroy,
        fdb_transaction_cancel,
        fdb_transaction_set_option,
        fdb_transaction_get_read_version,
        fdb_transaction_get,
        fdb_transaction_get_range,
        fdb_transaction_set,
        fdb_transaction_atomic_op,
        fdb_transaction_clear,
        fdb_transaction_clear_range,
        fdb_transaction_commit,
        fdb_transaction_get_versionstamp,
        fdb_transaction_on_error,
        fdb_transaction_reset,
        fdb_transaction_add_conflict_range,
    ]
}
