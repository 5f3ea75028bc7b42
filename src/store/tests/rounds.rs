//! Which reads wait for each other, counted in rounds.

use super::*;

/// A table with an index, 100 rows in it of which 40 are large, read into the cache and at a time that is sampled.
fn well_filled(store: &Store) -> Result<Arc<Table>, Error> {
    table(store, Some(StreamViewType::NewAndOldImages))?;
    let filled = now(store.change_table(&realm(), "t", &[new_index()]))?;
    put(store, &filled, 0..60)?;
    for id in 60..100 {
        let key = key_of(id);
        let mut item = key.to_item(&filled.key);
        item.insert("group".into(), AttributeValue::S("g".to_owned()));
        item.insert("body".into(), AttributeValue::B(vec![7; 20_000]));
        let (key, item, filled) = (&key, &item, &filled);
        now(store.transact(|transaction| async move {
            let row = transaction.row(filled, key).await?;
            transaction.write(filled, row, Change::Put(item.clone()), Actor::User)
        }))?;
    }
    Ok(filled)
}

fn key_of(id: usize) -> Key {
    Key { partition: vec![AttributeValue::S(format!("{id}"))], sort: vec![] }
}

fn rounds<T>(future: impl Future<Output = Result<T, Error>>) -> Result<(T, u32), Error> {
    let (outcome, rounds) = kv::rounds::count(future);
    Ok((outcome?, rounds))
}

#[test]
fn a_put_costs_one_round_of_reads_and_one_commit_however_many_rows_it_writes() -> Outcome {
    let [store, _] = processes(&frozen())?;
    let filled = &well_filled(&store)?;
    for count in [1, 25, 100] {
        let keys: Vec<Key> = (1_000..1_000 + count).map(key_of).collect();
        let keys = &keys;
        let before = store.work();
        let ((), waited) = rounds(store.transact(|transaction| async move {
            let rows = keys.iter().map(|key| transaction.row(filled, key));
            for (row, key) in futures_util::future::try_join_all(rows).await?.into_iter().zip(keys) {
                transaction.write(filled, row, Change::Put(key.to_item(&filled.key)), Actor::User)?;
            }
            Ok(())
        }))?;
        assert_eq!(waited, 2, "{count} rows");
        assert_eq!(store.work().since(&before).keys_read, 1 + count as u64, "the table's version is read once");
        for key in keys {
            now(store.transact(|transaction| async move {
                let row = transaction.row(filled, key).await?;
                transaction.write(filled, row, Change::Delete, Actor::User)
            }))?;
        }
    }
    Ok(())
}

#[test]
fn what_a_read_needs_from_many_places_is_asked_for_together() -> Outcome {
    let [store, _] = processes(&frozen())?;
    let filled = well_filled(&store)?;
    let keys: Vec<_> = (0..100).map(|id| (Arc::clone(&filled), key_of(id))).collect();
    let (items, waited) = rounds(store.get(&keys))?;
    assert_eq!((items.iter().flatten().count(), waited), (100, 2), "rows and the table's version, then large items");
    let (_, waited) = rounds(store.statistics(&filled))?;
    assert_eq!(waited, 1);
    let group = [AttributeValue::S("g".to_owned())];
    let query = Query {
        table: &filled,
        index: filled.index("late"),
        partition: &group,
        sort_equal: &[],
        sort: &SortBound::Any,
        forward: true,
        start: None,
        limit: None,
        fetch: Fetch::Projected,
    };
    let (page, waited) = rounds(store.query(&query, &|_| Ok(true)))?;
    assert_eq!(page.items.len(), 100);
    // Entries in two steps; their rows, and then large items, in groups of thirty.
    assert!(waited <= 2 + 5 * 2, "{waited} rounds");
    let stream = newest_stream(&store)?;
    let (first, _) = rounds(store.stream_cursor(&stream, &StreamStart::TrimHorizon))?;
    let (records, waited) = rounds(store.stream_records(&stream, first, 100, 1 << 20))?;
    assert_eq!(records.records.len(), 100);
    // What is read of the stream, the records, and their images in four groups.
    assert!(waited <= 2 + 4, "{waited} rounds");
    Ok(())
}
