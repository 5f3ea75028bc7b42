//! A drop-in for the crate `foundationdb-sys`: the same types, constants and functions, without linking to `libfdb_c`.
//!
//! Each `fdb_*` function jumps through a table that [`load`] fills from the client library once a cluster is asked for.
//! So a program starts without the library, and says what is missing only when it is needed. Building needs neither the
//! library, nor its header, nor libclang. The declarations are facts of version 7.3 of the C header.
//!
//! Invariant: a function called before [`load`] succeeded does nothing, and says so with an error code where its type
//! has one. It must not know what anybody does with the API.
#![allow(
    non_upper_case_globals,
    non_camel_case_types,
    non_snake_case,
    clippy::missing_safety_doc,
    clippy::too_many_arguments,
    reason = "the names and types of a C API, whose documentation says what is safe"
)]

mod functions;
mod library;
mod options;
mod types;
mod versions;

pub use functions::*;
pub use library::{LIBRARY_PATH_VARIABLE, LoadError, NamedBy, load, loaded};
pub use options::*;
pub use types::*;

#[cfg(not(feature = "fdb-7_3"))]
compile_error!("this foundationdb-sys has version 7.3 of the API only: ask for the feature fdb-7_3");

/// The version of the API that the declarations are of.
pub const FDB_API_VERSION: u32 = 730;
