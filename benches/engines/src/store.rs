//! The stores as they are measured: the few things fdyno needs of one, each said in the store's own terms.
//!
//! Every store gets a cache of 64 MB; the rest is as its documentation leaves it, apart from what is said below. fdyno is
//! measured at its key-value contract, that is with its conflict checks; the others without, as they would lie below it.
//! It must not know what is measured.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fdyno::clock::Clock;
use fdyno::kv::{self, DiskOptions, Isolation, RangeRead};
use fjall::{KeyspaceCreateOptions, PersistMode, Readable};
use futures_executor::block_on as wait;
use redb::{Durability, ReadableDatabase, TableDefinition};
use rusqlite::{Connection, OptionalExtension};

use crate::Outcome;
use crate::pairs::Key;

const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// For loading only: a B-tree that is filled in random order would otherwise write every page many times.
const LOADING_CACHE_BYTES: usize = 3 * 1024 * 1024 * 1024;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A commit survives the end of the process, as far as the store can promise that without a sync.
    Buffered,
    /// Every commit is synced.
    Synced,
    /// To be filled in large steps.
    Loading,
    /// To look for damage, by whatever check the store has for that.
    Checked,
}

type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]);

/// What is asked of a store. All of it may be called from several threads.
pub trait Store: Send + Sync {
    /// Commits pairs in one transaction.
    fn put(&self, pairs: &[(Key, Vec<u8>)]) -> Outcome<()>;

    /// Shows a value, read in a transaction of its own; whether there is one.
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Outcome<bool>;

    /// Shows the pairs from `begin` on, so many at most, in a transaction of its own.
    fn range(&self, begin: &[u8], limit: usize, visit: Visit<'_>) -> Outcome<()>;

    /// Makes what was loaded durable.
    fn sync(&self) -> Outcome<()>;
}

/// The candidates, by the name they have on the command line.
pub const NAMES: [&str; 4] = ["fdyno", "fjall", "redb", "sqlite"];

/// Opens the store called `name` in a directory, or makes a new one there.
pub fn open(name: &str, path: &Path, purpose: Purpose) -> Outcome<Box<dyn Store>> {
    std::fs::create_dir_all(path)?;
    Ok(match name {
        "fdyno" => Box::new(Fdyno::open(path, purpose)?),
        "fjall" => Box::new(Fjall::open(path, purpose)?),
        "redb" => Box::new(Redb::open(path, purpose)?),
        "sqlite" => Box::new(Sqlite::open(path, purpose)?),
        other => return Err(format!("no store is called {other}").into()),
    })
}

/// The files that hold a store's pairs, and those that hold its journal, as far as they tell them apart.
#[must_use]
pub fn is_journal(name: &str, file: &Path) -> bool {
    let text = file.to_string_lossy();
    match name {
        "fdyno" => text.contains("/log/"),
        "fjall" => text.ends_with(".jnl"),
        "sqlite" => text.ends_with("-wal"),
        _ => false,
    }
}

/// Our engine, with the options that users get.
struct Fdyno(kv::Database);

impl Fdyno {
    fn open(path: &Path, purpose: Purpose) -> Outcome<Self> {
        let durability = match purpose {
            Purpose::Synced => kv::Durability::Fsync,
            Purpose::Buffered | Purpose::Loading | Purpose::Checked => kv::Durability::Buffered,
        };
        let options = DiskOptions { durability, cache_bytes: CACHE_BYTES as u64, ..DiskOptions::default() };
        Ok(Self(kv::Database::disk(path, options, Clock::system())?))
    }
}

impl Store for Fdyno {
    fn put(&self, pairs: &[(Key, Vec<u8>)]) -> Outcome<()> {
        let transaction = self.0.begin();
        for (key, value) in pairs {
            transaction.set(key, value.as_slice())?;
        }
        wait(transaction.commit())?;
        Ok(())
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Outcome<bool> {
        let value = wait(self.0.begin().get(key, Isolation::Snapshot))?;
        if let Some(value) = &value {
            visit(value);
        }
        Ok(value.is_some())
    }

    fn range(&self, begin: &[u8], limit: usize, visit: Visit<'_>) -> Outcome<()> {
        let (mut begin, mut left) = (begin.to_vec(), limit);
        while left > 0 {
            // In pages: the contract answers with all of a page at once, and a whole database is more than one.
            let read = RangeRead::new(begin, [0xFF]).limited(left.min(10_000)).snapshot();
            let page = wait(self.0.begin().range(&read))?;
            for pair in &page.pairs {
                visit(&pair.key, &pair.value);
            }
            left -= page.pairs.len();
            let Some(last) = page.pairs.last().filter(|_| page.more) else { break };
            begin = [&*last.key, &[0]].concat();
        }
        Ok(())
    }

    fn sync(&self) -> Outcome<()> {
        // Closing does what there is to do.
        Ok(())
    }
}

/// fjall below our contract: batches, and snapshots to read. Its memtable is as large as ours, so that as much is in tables.
struct Fjall {
    database: fjall::Database,
    pairs: fjall::Keyspace,
    purpose: Purpose,
}

impl Fjall {
    fn open(path: &Path, purpose: Purpose) -> Outcome<Self> {
        let database = fjall::Database::builder(path).cache_size(CACHE_BYTES as u64).open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(DiskOptions::default().flush_bytes);
        let pairs = database.keyspace("pairs", options)?;
        Ok(Self { database, pairs, purpose })
    }
}

impl Store for Fjall {
    fn put(&self, pairs: &[(Key, Vec<u8>)]) -> Outcome<()> {
        let mode = if self.purpose == Purpose::Synced { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for (key, value) in pairs {
            batch.insert(&self.pairs, *key, value.as_slice());
        }
        Ok(batch.commit()?)
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Outcome<bool> {
        let value = self.database.snapshot().get(&self.pairs, key)?;
        if let Some(value) = &value {
            visit(value);
        }
        Ok(value.is_some())
    }

    fn range(&self, begin: &[u8], limit: usize, visit: Visit<'_>) -> Outcome<()> {
        for guard in self.database.snapshot().range(&self.pairs, begin..).take(limit) {
            let (key, value) = guard.into_inner()?;
            visit(&key, &value);
        }
        Ok(())
    }

    fn sync(&self) -> Outcome<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

const PAIRS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("pairs");

/// redb; without a sync it has only `Durability::None`.
struct Redb {
    database: redb::Database,
    purpose: Purpose,
}

impl Redb {
    fn open(path: &Path, purpose: Purpose) -> Outcome<Self> {
        let mut builder = redb::Database::builder();
        builder.set_cache_size(if purpose == Purpose::Loading { LOADING_CACHE_BYTES } else { CACHE_BYTES });
        builder.set_check_integrity_on_open(purpose == Purpose::Checked);
        Ok(Self { database: builder.create(path.join("pairs.redb"))?, purpose })
    }

    fn write(&self, pairs: &[(Key, Vec<u8>)], durability: Durability) -> Outcome<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        let mut table = transaction.open_table(PAIRS)?;
        for (key, value) in pairs {
            table.insert(key.as_slice(), value.as_slice())?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }
}

impl Store for Redb {
    fn put(&self, pairs: &[(Key, Vec<u8>)]) -> Outcome<()> {
        let synced = self.purpose == Purpose::Synced;
        self.write(pairs, if synced { Durability::Immediate } else { Durability::None })
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Outcome<bool> {
        let value = self.database.begin_read()?.open_table(PAIRS)?.get(key)?;
        if let Some(value) = &value {
            visit(value.value());
        }
        Ok(value.is_some())
    }

    fn range(&self, begin: &[u8], limit: usize, visit: Visit<'_>) -> Outcome<()> {
        for pair in self.database.begin_read()?.open_table(PAIRS)?.range(begin..)?.take(limit) {
            let (key, value) = pair?;
            visit(key.value(), value.value());
        }
        Ok(())
    }

    fn sync(&self) -> Outcome<()> {
        self.write(&[], Durability::Immediate)
    }
}

/// SQLite: one connection behind a lock, as a process that embeds it has it.
struct Sqlite(Mutex<Connection>);

impl Sqlite {
    fn open(path: &Path, purpose: Purpose) -> Outcome<Self> {
        let connection = Connection::open(path.join("pairs.sqlite"))?;
        let (journal, synchronous, cache) = match purpose {
            Purpose::Synced => ("WAL", "FULL", CACHE_BYTES),
            Purpose::Buffered | Purpose::Checked => ("WAL", "NORMAL", CACHE_BYTES),
            Purpose::Loading => ("OFF", "OFF", LOADING_CACHE_BYTES),
        };
        connection.pragma_update(None, "journal_mode", journal)?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        // Negative: in kibibytes instead of pages.
        connection.pragma_update(None, "cache_size", -i64::try_from(cache / 1024)?)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        )?;
        if purpose == Purpose::Checked {
            let answer: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            if answer != "ok" {
                return Err(answer.into());
            }
        }
        Ok(Self(Mutex::new(connection)))
    }
}

impl Store for Sqlite {
    fn put(&self, pairs: &[(Key, Vec<u8>)]) -> Outcome<()> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO pairs VALUES (?1, ?2)")?;
        for (key, value) in pairs {
            insert.execute((key, value))?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Outcome<bool> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = connection.prepare_cached("SELECT value FROM pairs WHERE key = ?1")?;
        let shown = |row: &rusqlite::Row<'_>| {
            visit(row.get_ref(0)?.as_blob()?);
            Ok(())
        };
        Ok(select.query_row([key], shown).optional()?.is_some())
    }

    fn range(&self, begin: &[u8], limit: usize, visit: Visit<'_>) -> Outcome<()> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select =
            connection.prepare_cached("SELECT key, value FROM pairs WHERE key >= ?1 ORDER BY key LIMIT ?2")?;
        let mut rows = select.query((begin, i64::try_from(limit).unwrap_or(i64::MAX)))?;
        while let Some(row) = rows.next()? {
            visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }

    fn sync(&self) -> Outcome<()> {
        Ok(())
    }
}

/// All files below a directory.
pub fn files(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}
