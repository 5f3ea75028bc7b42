//! The one place where keys are built and values are encoded.
//!
//! Everything a database holds lies under one prefix, so that several share a cluster; everything of a table lies under
//! its id, never its name, so that names are case-sensitive, never meet internal keys, and can be used again at once.
//! This room knows no operations: it turns typed coordinates into bytes and bytes back into them, and whatever does
//! not decode is [`kv::Error::Corrupt`](crate::kv::Error::Corrupt), never a guess.
//!
//! ```text
//! <prefix> 00 <which>                                          the database itself      (catalogue.rs)
//! <prefix> 01 <account> <region> <table>                       catalogue of tables
//! <prefix> 02 <account> <region> <table> <label>               streams
//! <prefix> 03 <account> <region> <token>                       client request tokens
//! <prefix> 04 <bucket u64> <id 16>                             commit ids
//! <prefix> 05 <account> <region> <table> <name>                checkpoints
//! <prefix> 06 <name>                                           leases
//! <prefix> 07 <table id u64>                                   trim marks
//! <prefix> 08 <incarnation u16> <versionstamp 10>              samples of the time      (background.rs)
//! <prefix> 09 <table id u64> <kind u8> <index id u32>          jobs
//! <prefix> 0a <minute u64> <account> <region> <token>          when tokens may go
//! <prefix> 0b <incarnation u16>                                where earlier incarnations ended    (seam.rs)
//! <prefix> 0c <table id u64>                                   tables with a time to live          (background.rs)
//! <prefix> 0d <table id u64>                                   marks of records that own blobs
//! <prefix> 0e <account> <name>                                 global tables of the old version
//! <prefix> 10 <table id u64> m <which>                         metadata                 (table.rs)
//!                            n <index id u32> <which>          counters
//!                            i <hash u64> <partition> [<sort>] items
//!                            x <index id u32> <hash u64> <partitions> <sorts> 30 <base key>   index entries
//!                            c <blob id 16> <chunk u16>        chunks of large items
//!                            v <incarnation u16> <versionstamp 10> <user version u16>         change records
//!                            l, o, s                           what is kept of the past        (history.rs)
//! <prefix> 11 <table id u64> [<holder u64>]                    tables with a log, and who needs it
//! <prefix> 12 <account> <region> <table> <backup>              backups
//! <prefix> 13 <which> …                                        imports, exports and bulk operations (exchange.rs)
//! ```
//!
//! Integers are big-endian. How components look is in [`tuple`], how values look in [`codec`], [`stored`], [`record`] and [`vector`].
//! Deleting a table clears `m` at once and sweeps `i` to `x` in steps; `c` and `v` outlive it until its stream's records
//! are trimmed.

mod background;
mod bytes;
mod catalogue;
mod chunk;
mod clock;
pub mod codec;
mod exchange;
mod history;
mod json;
mod position;
mod range;
pub mod record;
mod seam;
mod sort;
pub mod stored;
pub mod stream;
mod table;
pub mod tuple;
mod vector;

pub use background::{JobId, JobKind, PreviousSample, SampleValue};
pub use catalogue::{CheckpointName, CommitId, Realm, StreamName, TableName};
pub use chunk::{chunks, is_inline, reassemble};
pub use clock::SharedClock;
pub use codec::{ItemReader, RawValue, decode_item, encode_item};
pub use exchange::ExchangeName;
pub use history::BackupName;
pub use json::{decode_versioned_json, encode_versioned_json};
pub use position::Position;
pub use range::{KeyRange, successor};
pub use record::{ChangeKind, Record, ViewType};
pub use seam::Seam;
pub use sort::SortCondition;
pub use stored::{BlobId, BlobPointer, Stored};
pub use stream::StreamEntry;
pub use table::{
    Counter, IndexKey, OwnedIndexKey, OwnedPrimaryKey, PrimaryKey, StampedKey, TableSpace, decode_counter,
    encode_counter,
};
pub use tuple::KeyValue;
pub use vector::VectorEntry;

/// A table's number: never reused, whatever the table's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u64);

/// An index's number within its table: never reused within it. 0 stands for the table itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexId(pub u32);

impl IndexId {
    /// In counters, the base table.
    pub const TABLE: Self = Self(0);
}

/// The keys of one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyspace {
    prefix: Vec<u8>,
}

impl Keyspace {
    /// A database whose keys all begin with `prefix`; it may be empty.
    pub fn new(prefix: impl Into<Vec<u8>>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The database called `name` on a cluster that others use as well. Its keys begin with the tuple `("fdyno", name)`, in the
    /// encoding of FoundationDB's tuple layer, so that no two names share keys and any binding finds them.
    pub fn on_cluster(name: &str) -> Self {
        const TEXT: u8 = 0x02;
        let mut prefix = Vec::new();
        for text in ["fdyno", name] {
            prefix.push(TEXT);
            tuple::put_text(&mut prefix, text);
        }
        Self { prefix }
    }

    /// Everything the database holds.
    pub fn everything(&self) -> KeyRange {
        KeyRange::prefix(self.prefix.clone())
    }

    /// The keys of one table.
    pub fn table(&self, id: TableId) -> TableSpace {
        let mut prefix = self.family(Family::Table);
        prefix.extend_from_slice(&id.0.to_be_bytes());
        TableSpace::new(prefix)
    }

    fn family(&self, family: Family) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 64);
        key.extend_from_slice(&self.prefix);
        key.push(family as u8);
        key
    }

    /// A reader of what follows the family's byte in `key`.
    fn open<'a>(&self, family: Family, key: &'a [u8]) -> crate::kv::Result<bytes::Reader<'a>> {
        let mut reader = bytes::Reader::new(key);
        reader.expect(&self.prefix, "key outside its database")?;
        reader.expect(&[family as u8], "key of another family")?;
        Ok(reader)
    }
}

/// The byte behind the prefix. Never renumber: it is on disk.
#[derive(Clone, Copy)]
enum Family {
    Database = 0x00,
    Catalogue = 0x01,
    Streams = 0x02,
    Tokens = 0x03,
    CommitIds = 0x04,
    Checkpoints = 0x05,
    Leases = 0x06,
    TrimMarks = 0x07,
    Samples = 0x08,
    Jobs = 0x09,
    TokenExpiries = 0x0a,
    Seams = 0x0b,
    Expiring = 0x0c,
    OwnerMarks = 0x0d,
    GlobalTables = 0x0e,
    Table = 0x10,
    Histories = 0x11,
    Backups = 0x12,
    Exchanges = 0x13,
}

#[cfg(test)]
mod arbitrary;

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn the_page_on_clusters_says_what_lies_there() {
        let page = include_str!("../../docs/foundationdb.md");
        let last = Family::GlobalTables as u8;
        assert!(page.contains(&format!("(\"fdyno\", prefix)  00..{last:02x}   the database itself")));
        assert!(page.contains(&format!("{:02x} <table id>", Family::Table as u8)));
        let (first, last) = (Family::Histories as u8, Family::Backups as u8);
        assert!(page.contains(&format!("{first:02x}..{last:02x}   tables with a log")));
        assert!(page.contains(&format!("{:02x} imports", Family::Exchanges as u8)));
    }
}
