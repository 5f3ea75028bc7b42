//! Rows and large items: what is inline, what lies in an immutable blob, and who frees it.
//!
//! A large item is written once as a blob; its row and all its change records point to it, so an old image is never
//! copied. Ownership is linear: the record of the write that replaced the item frees the blob when it is trimmed;
//! a table that never had a stream frees it at once. Where changes are logged, the logged change frees it as well: then a note
//! says that there are two, and whoever comes first removes the note instead.

use super::{Store, Table, corrupt};
use crate::error::Error;
use crate::item::Item;
use crate::keyspace::{self, BlobId, BlobPointer, Stored, TableSpace};
use crate::kv::{self, Isolation, RangeRead};

/// An item and its row's value.
pub(super) struct Loaded {
    pub(super) item: Item,
    /// By the item-size rule.
    pub(super) size: usize,
    pub(super) blob: Option<BlobId>,
    value: kv::Bytes,
}

impl Loaded {
    /// Decodes a row, reading its blob if it has one.
    pub(super) async fn read(
        transaction: &kv::Transaction,
        space: &TableSpace,
        value: kv::Bytes,
        isolation: Isolation,
    ) -> Result<Self, Error> {
        let stored = Stored::decode(&value)?;
        let (size, blob) = (stored.size(), stored.blob());
        let item = read_item(transaction, space, stored, isolation).await?;
        Ok(Self { item, size, blob, value })
    }

    /// Writes an item to its row; `size` is the item's by the item-size rule.
    pub(super) fn write(
        store: &Store,
        transaction: &kv::Transaction,
        space: &TableSpace,
        row_key: &[u8],
        item: Item,
        size: usize,
    ) -> Result<Self, Error> {
        let encoded = keyspace::encode_item(&item)?;
        let (stored, blob) = if keyspace::is_inline(&encoded) {
            (Stored::Inline { size, item: &encoded }, None)
        } else {
            let id = BlobId(store.clock().random_u128().to_be_bytes());
            let (pointer, chunks) = keyspace::chunks(id, size, &encoded);
            for (number, chunk) in chunks {
                transaction.set(&space.chunk(id, number), chunk)?;
            }
            (Stored::Blob(pointer), Some(id))
        };
        let value: kv::Bytes = stored.encode().into();
        transaction.set(row_key, value.clone())?;
        Ok(Self { item, size, blob, value })
    }

    /// How a change record holds this item: as its row does.
    pub(super) fn image(&self) -> Result<Stored<'_>, Error> {
        Ok(Stored::decode(&self.value)?)
    }
}

/// The item of a row or of a record's image.
pub(super) async fn read_item(
    transaction: &kv::Transaction,
    space: &TableSpace,
    stored: Stored<'_>,
    isolation: Isolation,
) -> Result<Item, Error> {
    match stored {
        Stored::Inline { item, .. } => Ok(keyspace::decode_item(item)?),
        Stored::Blob(pointer) => read_blob(transaction, space, &pointer, isolation).await,
    }
}

async fn read_blob(
    transaction: &kv::Transaction,
    space: &TableSpace,
    pointer: &BlobPointer,
    isolation: Isolation,
) -> Result<Item, Error> {
    let range = space.blob(pointer.id);
    let page = transaction.range(&RangeRead { isolation, ..RangeRead::new(range.begin, range.end) }).await?;
    if page.more {
        return Err(corrupt("a large item with more chunks than it has bytes"));
    }
    let chunks: Vec<_> = page
        .pairs
        .iter()
        .map(|pair| Ok((space.parse_chunk(&pair.key)?.1, &pair.value)))
        .collect::<Result<_, kv::Error>>()?;
    let encoded = keyspace::reassemble(pointer, chunks)?;
    Ok(keyspace::decode_item(&encoded)?)
}

/// Gives up one of what keeps a blob: removes it, unless there is another.
pub(super) async fn release(transaction: &kv::Transaction, space: &TableSpace, blob: BlobId) -> Result<(), Error> {
    let note = space.owned_twice(blob);
    match transaction.get(&note, Isolation::Serializable).await? {
        Some(_) => Ok(transaction.clear(&note)?),
        None => free(transaction, space, blob),
    }
}

/// Removes a blob that nothing points to any more.
pub(super) fn free(transaction: &kv::Transaction, space: &TableSpace, blob: BlobId) -> Result<(), Error> {
    let range = space.blob(blob);
    Ok(transaction.clear_range(&range.begin, &range.end)?)
}

impl Table {
    /// Where the table's keys lie.
    pub(super) fn space(&self, store: &Store) -> TableSpace {
        store.keyspace().table(keyspace::TableId(self.id))
    }
}
