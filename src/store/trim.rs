//! Trimming: removes change records that are past their retention, and streams whose last records those were.
//!
//! Readers judge a record's age by the clock, so nothing they see depends on when this runs: it returns space. Records go in
//! the order of their positions, and the trim mark says how far. A record may own a blob, which goes with it, so it is
//! read; but a table's owner mark says behind which record no other does. Where clearing a range costs the same however much
//! it holds, all that lies behind it goes at once, unread. Elsewhere it would have to be walked through anyway, so it goes in
//! bounded steps. A step begins where the one before ended: a store that remembers what was removed until it tidies up
//! would have to pass over all of that again. It must not know what the records are read for.

use std::collections::BTreeMap;

use futures_util::try_join;

use super::blob::release;
use super::sweep::Swept;
use super::{Realm, Store, Stream, Transaction, corrupt};
use crate::error::Error;
use crate::keyspace::{self, ChangeKind, Position, Record, TableId};
use crate::kv::{self, Isolation, RangeRead};

/// Records one step reads.
pub(super) const STEP: usize = 1_000;
/// Bytes one step reads.
pub(super) const STEP_BYTES: usize = 2_000_000;

/// Where a step begins: nothing lies before.
#[derive(Clone, Copy)]
pub(super) enum Begin {
    /// Behind what was trimmed at other times.
    TrimMark,
    Position(Position),
}

/// The records of a table that may own blobs.
enum Owners {
    /// This database was begun before there were owner marks.
    Unknown,
    None,
    Until(Position),
}

impl Store {
    pub(super) async fn trim_streams(&self) -> Result<(), Error> {
        let times = self.snapshot(|transaction| async move { self.times(&transaction).await }).await?;
        let horizon = self.horizon(&times);
        let mut by_table: BTreeMap<u64, Vec<Stream>> = BTreeMap::new();
        for stream in self.all_streams().await? {
            by_table.entry(stream.table_id).or_default().push(stream);
        }
        for (table_id, streams) in by_table {
            let mut from = Some(Begin::TrimMark);
            while let Some(begin) = from {
                let step = |transaction| async move { self.trim_step(&transaction, table_id, begin, horizon).await };
                from = self.step(step).await?.flatten();
            }
            let (gone, left): (Vec<_>, Vec<_>) = streams.into_iter().partition(|stream| stream.is_gone(horizon));
            if !gone.is_empty() {
                self.drop_streams(table_id, &gone, left.is_empty()).await?;
            }
        }
        Ok(())
    }

    async fn all_streams(&self) -> Result<Vec<Stream>, Error> {
        self.snapshot(|transaction| async move {
            let mut range = self.keyspace().all_streams();
            let mut streams = Vec::new();
            loop {
                let read = RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(STEP);
                let page = transaction.range(&read).await?;
                for pair in &page.pairs {
                    let named = self.keyspace().parse_stream(&pair.key)?;
                    let realm = Realm { account: named.account, region: named.region };
                    streams.push(self.decode_stream(&realm, named.table, named.label, &pair.value)?);
                }
                match page.pairs.last() {
                    Some(last) if page.more => range = range.after(&last.key),
                    _ => return Ok(streams),
                }
            }
        })
        .await
    }

    /// Removes some records before `horizon`, and the blobs they own. Where the next step begins, if there may be more.
    pub(super) async fn trim_step(
        &self,
        transaction: &Transaction,
        table_id: u64,
        from: Begin,
        horizon: Position,
    ) -> Result<Option<Begin>, Error> {
        let (kv, space) = (transaction.kv(), self.keyspace().table(TableId(table_id)));
        let begin = match from {
            Begin::Position(position) => position,
            Begin::TrimMark => self.trim_mark(kv, table_id).await?.map_or_else(Position::default, |mark| mark.next()),
        };
        let owners = self.owners(kv, table_id).await?;
        // Up to here records are read, since they may own blobs.
        let read_until = match &owners {
            Owners::Until(mark) if self.database().clears_ranges_at_once() => mark.next().min(horizon),
            Owners::None if self.database().clears_ranges_at_once() => Position::default(),
            _ => horizon,
        };
        if begin >= read_until {
            if begin < horizon {
                self.trim_unread(kv, table_id, begin, horizon).await?;
            }
            self.drop_owner_mark(kv, table_id, &owners, horizon)?;
            return Ok(None);
        }
        let range = space.records(begin, Some(read_until));
        let read = RangeRead::new(range.begin.clone(), range.end).limited(STEP).byte_limited(STEP_BYTES);
        let page = kv.range(&read).await?;
        let (mut reached, mut told_last) = (begin, None);
        for pair in &page.pairs {
            let (record, position) = (Record::decode(&pair.value)?, space.parse_record(&pair.key)?);
            if let Some(blob) = record.frees {
                release(kv, &space, blob).await?;
            }
            if record.kind != ChangeKind::Release {
                told_last = Some(position);
            }
            reached = position.next();
        }
        if let Some(last) = page.pairs.last() {
            kv.clear_range(&range.begin, &keyspace::successor(&last.key))?;
        }
        if let Some(position) = told_last {
            kv.set(&self.keyspace().trim_mark(TableId(table_id)), &position.to_bytes()[..])?;
        }
        let next = if page.more { Some(reached) } else { (read_until < horizon).then_some(read_until) };
        if next.is_none() {
            self.drop_owner_mark(kv, table_id, &owners, horizon)?;
        }
        Ok(next.map(Begin::Position))
    }

    /// Removes all records from `begin` on and before `horizon`, none of which owns a blob.
    async fn trim_unread(
        &self,
        kv: &kv::Transaction,
        table_id: u64,
        begin: Position,
        horizon: Position,
    ) -> Result<(), Error> {
        let space = self.keyspace().table(TableId(table_id));
        let range = space.records(begin, Some(horizon));
        let last = kv.range(&RangeRead::new(range.begin.clone(), range.end.clone()).reversed().limited(1)).await?;
        let Some(last) = last.pairs.first() else { return Ok(()) };
        kv.clear_range(&range.begin, &range.end)?;
        // One that told no change would own a blob.
        let mark = space.parse_record(&last.key)?.to_bytes();
        Ok(kv.set(&self.keyspace().trim_mark(TableId(table_id)), &mark[..])?)
    }

    /// Which records of a table may own blobs. Whoever writes one meanwhile writes it behind the horizon.
    async fn owners(&self, kv: &kv::Transaction, table_id: u64) -> Result<Owners, Error> {
        let (kept, mark) = (self.keyspace().owner_marks_are_kept(), self.keyspace().owner_mark(TableId(table_id)));
        let (kept, mark) = try_join!(kv.get(&kept, Isolation::Snapshot), kv.get(&mark, Isolation::Snapshot))?;
        match mark {
            _ if kept.is_none() => Ok(Owners::Unknown),
            None => Ok(Owners::None),
            Some(mark) => {
                let mark = (*mark).try_into().map_err(|_| corrupt("an owner mark"))?;
                Ok(Owners::Until(Position::from_bytes(mark)))
            }
        }
    }

    /// Removes an owner mark once all is trimmed that it speaks of, unless somebody leaves another meanwhile.
    fn drop_owner_mark(
        &self,
        kv: &kv::Transaction,
        table_id: u64,
        owners: &Owners,
        horizon: Position,
    ) -> Result<(), Error> {
        if matches!(owners, Owners::Until(mark) if *mark < horizon) {
            let key = self.keyspace().owner_mark(TableId(table_id));
            kv.add_read_conflict_key(&key)?;
            kv.clear(&key)?;
        }
        Ok(())
    }

    /// Removes expired streams; with the last one of a deleted table, all that was kept for it.
    async fn drop_streams(&self, table_id: u64, gone: &[Stream], none_left: bool) -> Result<(), Error> {
        let step = |transaction: Transaction| async move {
            let space = self.keyspace().table(TableId(table_id));
            let table = transaction.kv().get(&space.metadata_version(), Isolation::Serializable).await?;
            // A table that is still there keeps its last one, which readers no longer see: the releases it writes from now on
            // are found by it, and trimmed.
            let kept = usize::from(table.is_some() && none_left);
            for stream in gone.iter().rev().skip(kept) {
                transaction.kv().clear(&self.stream_key(&stream.realm, &stream.table_name, &stream.label))?;
                transaction.kv().clear(&space.policy(Some(&stream.label)))?;
            }
            if table.is_none() && none_left {
                if let Some(stream) = gone.first() {
                    transaction.release_checkpoints(&stream.realm, &stream.table_name, table_id).await?;
                }
                transaction.leave_to_sweep(table_id, Swept::Everything)?;
                transaction.kv().clear(&self.keyspace().trim_mark(TableId(table_id)))?;
                transaction.kv().clear(&self.keyspace().owner_mark(TableId(table_id)))?;
            }
            Ok(())
        };
        self.step(step).await?;
        Ok(())
    }
}
