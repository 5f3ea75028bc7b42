//! fdyno's own operations: what readers of streams need and AWS has no counterpart of.
//!
//! They have AWS's form, members in and members or an AWS error out, so that the boundary needs to know no more of them, but
//! are not in the table of operations: no AWS client can ask for them. Streams are read by position instead of by iterator,
//! so a place never expires, and means the same after a restart and in a copy. A position is the sequence number of the last
//! change that is done.

mod checkpoints;
mod reading;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::run_until_schema_holds;
use crate::error::Error;
use crate::store::{Cursor, Realm, Store};

macro_rules! extensions {
    ($($name:ident => $module:ident::$function:ident, $input:ident, $output:ident;)*) => {
        /// One of fdyno's own operations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Extension { $($name,)* }

        impl Extension {
            pub fn find(name: &str) -> Option<Self> {
                [$(Self::$name,)*].into_iter().find(|extension| extension.name() == name)
            }

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Reads its request; wrong members and types are the deserializer's errors.
            pub fn parse<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Asked, D::Error> {
                match self {
                    $(Self::$name => Deserialize::deserialize(deserializer).map(Asked::$name),)*
                }
            }
        }

        /// A request as it was given, not yet validated.
        #[derive(Debug)]
        pub enum Asked { $($name(Box<$module::$input>),)* }

        /// An answer.
        #[derive(Debug)]
        pub enum Told { $($name($module::$output),)* }

        impl Serialize for Told {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$name(output) => output.serialize(serializer),)*
                }
            }
        }

        async fn run(store: &Store, realm: &Realm, asked: &Asked) -> Result<Told, Error> {
            match asked {
                $(Asked::$name(input) => $module::$function(store, realm, input).await.map(Told::$name),)*
            }
        }
    };
}

extensions! {
    OpenStream => reading::open, OpenInput, Opened;
    ReadStream => reading::read, ReadInput, ReadOutput;
    NextStream => reading::next, NextInput, NextOutput;
    ListCheckpoints => checkpoints::list, ListInput, ListOutput;
    ResumeCheckpoint => checkpoints::resume, ResumeInput, ResumeOutput;
    MoveCheckpoint => checkpoints::advance, MoveInput, MoveOutput;
}

/// Runs one request to its end.
pub async fn dispatch_extension(store: &Store, realm: &Realm, asked: Asked) -> Result<Told, Error> {
    run_until_schema_holds(store, || run(store, realm, &asked)).await
}

/// The place behind a change.
fn cursor(position: &str) -> Result<Cursor, Error> {
    Cursor::after(position).ok_or_else(|| Error::validation(format!("Invalid SequenceNumber: {position}")))
}
