//! fdyno: DynamoDB with an honest change stream, inside a Python process.
//!
//! The crate is a house of rooms whose doors open one way only:
//! `kv <- keyspace <- store <- api <- http <- python`, with the pure rooms `item`, `expression` and `partiql` and the
//! leaves `error`, `clock`, `bucket` and `fork` beside them. `tests/rooms.rs` reads the imports and fails when a door
//! opens the wrong way. `docs/design.md` says what each room is for.

pub mod api;
pub mod bucket;
pub mod clock;
pub mod error;
pub mod expression;
pub mod fork;
pub mod http;
pub mod item;
pub mod keyspace;
pub mod kv;
pub mod partiql;
#[cfg(feature = "python")]
mod python;
pub mod store;
