//! What is asked of a cluster's data, and what it answers; and how both go through a socket to the process that holds it.
//!
//! A message is four bytes of length, little-endian, and JSON. It must not know who sends it.

use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codes::Code;

/// Bytes, which are no text: in base 64.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// How much of a range is wanted.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) rows: Option<usize>,
    pub(crate) bytes: Option<usize>,
    pub(crate) is_reverse: bool,
    pub(crate) is_snapshot: bool,
}

/// What is asked of one transaction.
#[derive(Serialize, Deserialize)]
pub(crate) enum Ask {
    ReadVersion,
    Get { key: Bytes, is_snapshot: bool },
    Range { begin: Bytes, end: Bytes, wanted: Wanted },
    Commit,
    Set { key: Bytes, value: Bytes },
    Clear { key: Bytes },
    ClearRange { begin: Bytes, end: Bytes },
    Atomic { key: Bytes, operand: Bytes, operation: u32 },
    ReadConflict { begin: Bytes, end: Bytes },
    WriteConflict { begin: Bytes, end: Bytes },
}

impl Ask {
    /// Whether it is answered. What is not spoils the transaction if it fails.
    pub(crate) const fn is_answered(&self) -> bool {
        matches!(self, Self::ReadVersion | Self::Get { .. } | Self::Range { .. } | Self::Commit)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    /// To what is not waited for.
    Nothing,
    Version(u64),
    Value(Option<Bytes>),
    Pairs {
        pairs: Vec<(Bytes, Bytes)>,
        more: bool,
    },
    /// What a commit was stamped with, if it wrote anything.
    Stamp(Option<[u8; 10]>),
}

pub(crate) type Outcome = Result<Answer, Code>;

/// What a process sends to the one that holds the data. It numbers its transactions, and what it wants answered.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// Which cluster is meant, before anything else.
    Join {
        cluster: String,
    },
    /// The first with a transaction's number begins it.
    Ask {
        transaction: u64,
        number: u64,
        ask: Ask,
    },
    /// The transaction commits at some other time, and nobody is told.
    Hold {
        transaction: u64,
    },
    End {
        transaction: u64,
    },
    /// What is held back commits now.
    LandAll,
}

/// What it gets back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) number: u64,
    pub(crate) outcome: Outcome,
}

pub(crate) fn send(mut stream: impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
    frame.splice(..4, length.to_le_bytes());
    stream.write_all(&frame)
}

/// The next message; an error also if the other side is gone.
pub(crate) fn receive<M: DeserializeOwned>(mut stream: impl Read) -> io::Result<M> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?];
    stream.read_exact(&mut frame)?;
    Ok(serde_json::from_slice(&frame)?)
}
