//! Searches of vectors that take longer than a snapshot lives, indexes of vectors that are filled while rows change.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::item::Number;

/// Entries of 4 KB: a page of a search holds some 240 of them.
const DIMENSIONS: usize = 1024;
const ITEMS: usize = 700;

fn near() -> TableChange {
    let kind = SearchAttribute { attribute: attribute("kind"), is_partition: false };
    TableChange::CreateIndex(Box::new(IndexDefinition {
        name: "near".to_owned(),
        kind: IndexKind::Vector,
        key: KeySchema { partition: vec![], sort: vec![] },
        projection: Projection::All,
        throughput: None,
        capacity: CapacitySettings::default(),
        vector: Some(VectorSettings {
            attribute: "vector".to_owned(),
            dimensions: DIMENSIONS,
            distance: DistanceFunction::Euclidean,
            search_schema: vec![kind],
        }),
    }))
}

/// Ids are in the order in which a search comes to their entries.
fn key(id: usize) -> Key {
    Key { partition: vec![AttributeValue::S(format!("{id:04}"))], sort: vec![] }
}

/// An item whose vector is `distance` from zero.
fn item(table: &Table, id: usize, distance: i64) -> Item {
    let mut components = vec![AttributeValue::N(Number::ZERO); DIMENSIONS - 1];
    components.push(AttributeValue::N(Number::from(distance)));
    let mut item = key(id).to_item(&table.key);
    item.insert("vector".into(), AttributeValue::L(components));
    item.insert("kind".into(), AttributeValue::S("k".to_owned()));
    item
}

fn change(store: &Store, table: &Table, id: usize, change: &Change) -> Outcome {
    let key = &key(id);
    now(store.transact(|transaction| async move {
        let row = transaction.row(table, key).await?;
        transaction.write(table, row, change.clone(), Actor::User)
    }))?;
    Ok(())
}

fn indexed() -> Result<(Store, Arc<Table>), Error> {
    let store = now(Store::open(kv::Database::memory(frozen()), Vec::new()))?;
    let table = table(&store, None)?;
    for id in 0..ITEMS {
        let distance = i64::try_from((id * 37) % ITEMS).unwrap_or_default();
        change(&store, &table, id, &Change::Put(item(&table, id, distance)))?;
    }
    now(store.change_table(&realm(), "t", &[near()]))?;
    is_sound(&store)?;
    let table = now(store.current_table(&realm(), "t"))?;
    Ok((store, table))
}

/// The ids and scores of what is nearest to zero.
fn search(
    store: &Store,
    table: &Table,
    most: usize,
    keep: &(dyn Fn(&Item) -> Result<bool, Error> + Sync),
) -> Result<Vec<(String, f64)>, Error> {
    let index = table.index("near").ok_or_else(|| corrupt("no index"))?;
    let zero = vec![0.0; DIMENSIONS];
    let search = Search { table, index, partition: None, vector: &zero, most, with_vectors: false };
    let found = now(store.search(&search, Some(keep)))?;
    let id = |item: &Item| match item.get("id") {
        Some(AttributeValue::S(id)) => Ok(id.clone()),
        _ => Err(corrupt("an item without its key")),
    };
    found.items.iter().map(|(item, score)| Ok((id(item)?, *score))).collect()
}

/// The ids of the items at the distances 0, 1, 2 and so on.
fn nearest() -> Vec<String> {
    let mut ids: Vec<usize> = (0..ITEMS).collect();
    ids.sort_by_key(|id| (id * 37) % ITEMS);
    ids.into_iter().map(|id| format!("{id:04}")).collect()
}

#[test]
fn a_search_that_takes_longer_than_a_snapshot_goes_on_in_the_next_one() -> Outcome {
    let (store, table) = indexed()?;
    let expected: Vec<(String, f64)> = nearest().into_iter().zip(0..20).map(|(id, at)| (id, f64::from(at))).collect();
    assert_eq!(search(&store, &table, 20, &|_| Ok(true))?, expected);
    let compared = AtomicUsize::new(0);
    let slow = |_: &Item| {
        compared.fetch_add(1, Ordering::Relaxed);
        store.database().skip_machine_time(20);
        Ok(true)
    };
    assert_eq!(search(&store, &table, 20, &slow)?, expected);
    // Each entry once, and the rows of the answer once more.
    assert_eq!(compared.into_inner(), ITEMS + 20);
    Ok(())
}

#[test]
fn what_changes_between_the_snapshots_of_a_search_is_shown_as_it_is_in_the_last() -> Outcome {
    let (store, table) = indexed()?;
    // What is nearest and lies in the first page: it is seen before anything changes.
    let seen: Vec<String> = nearest().into_iter().filter(|id| id.as_str() < "0200").take(4).collect();
    let id = |at: usize| seen.get(at).and_then(|id| id.parse::<usize>().ok()).unwrap_or_default();
    let compared = AtomicUsize::new(0);
    let changing = |_: &Item| {
        store.database().skip_machine_time(20);
        if compared.fetch_add(1, Ordering::Relaxed) == 400 {
            change(&store, &table, id(0), &Change::Delete)?;
            change(&store, &table, id(1), &Change::Put(key(id(1)).to_item(&table.key)))?;
            change(&store, &table, id(2), &Change::Put(item(&table, id(2), 9_999)))?;
        }
        Ok(true)
    };
    let found = search(&store, &table, 50, &changing)?;
    let place = |at: usize| found.iter().position(|(found, _)| seen.get(at) == Some(found));
    assert_eq!((place(0), place(1)), (None, None), "gone, and without a vector");
    assert_eq!(found.last(), Some(&(format!("{:04}", id(2)), 9_999.0)), "as far as it is now");
    assert!(place(3).is_some() && found.len() == 48);
    assert!(found.is_sorted_by(|(_, one), (_, two)| one <= two));
    is_sound(&store)
}

#[test]
fn an_index_of_vectors_is_filled_in_steps_while_rows_change() -> Outcome {
    let store = now(Store::open(kv::Database::memory(frozen()), Vec::new()))?;
    let table = table(&store, None)?;
    for id in 0..ITEMS {
        change(&store, &table, id, &Change::Put(item(&table, id, 1)))?;
    }
    let begun = now(store.begin_change(&realm(), "t", &[near()]))?;
    let job = begun.job.ok_or_else(|| corrupt("nothing was begun"))?;
    fill_a_little(&store, job)?;
    // Rows that are filled and rows that are not: changed, mended, deleted, made.
    let table = now(store.current_table(&realm(), "t"))?;
    for id in [0, 600] {
        change(&store, &table, id, &Change::Put(item(&table, id, 5)))?;
        change(&store, &table, id + 1, &Change::Delete)?;
        change(&store, &table, id + 2, &Change::Put(key(id + 2).to_item(&table.key)))?;
        change(&store, &table, 1000 + id, &Change::Put(item(&table, 1000 + id, 2)))?;
    }
    let table = now(store.fill_indexes(job, &begun.table))?;
    is_sound(&store)?;
    let counts = now(store.statistics(&table))?.1;
    let items = i64::try_from(ITEMS).unwrap_or_default() - 2;
    assert_eq!(counts.first().map(|(_, counts)| counts.items), Some(items));
    let found = search(&store, &table, usize::try_from(items).unwrap_or_default(), &|_| Ok(true))?;
    assert_eq!(found.last().map(|(_, score)| *score), Some(5.0));
    now(store.change_table(&realm(), "t", &[TableChange::DeleteIndex("near".to_owned())]))?;
    is_sound(&store)
}
