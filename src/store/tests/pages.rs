//! Pages of Query that take longer than a snapshot lives: they end early, and the next goes on.

use super::*;
use crate::item::Item as Shown;
use crate::kv::faults::Kind;
use crate::store::read::{Fetch, Query, SortBound, Start};

const ITEMS: usize = 600;

/// A table whose items all stand in one partition of an index.
fn grouped(store: &Store) -> Result<Arc<Table>, Error> {
    let table = table(store, None)?;
    put(store, &table, 0..ITEMS)?;
    now(store.change_table(&realm(), "t", &[new_index()]))?;
    now(store.current_table(&realm(), "t"))
}

/// How many items each page evaluates, read to the end; every item is in one of them.
fn pages(
    store: &Store,
    table: &Table,
    keep: &(dyn Fn(&Shown) -> Result<bool, Error> + Sync),
) -> Result<Vec<usize>, Error> {
    let index = table.indexes.first().ok_or_else(|| corrupt("no index"))?;
    let partition = [AttributeValue::S("g".to_owned())];
    let (mut counts, mut seen, mut start) = (Vec::new(), std::collections::BTreeSet::new(), None::<Start>);
    loop {
        let page = now(store.query(
            &Query {
                table,
                index: Some(index),
                partition: &partition,
                sort_equal: &[],
                sort: &SortBound::Any,
                forward: true,
                start: start.as_ref(),
                limit: None,
                fetch: Fetch::Projected,
            },
            keep,
        ))?;
        counts.push(page.scanned_count);
        for item in &page.items {
            assert!(seen.insert(format!("{:?}", item.get("id"))), "{item:?} came twice");
        }
        let Some(last) = page.last else { break };
        let key = |name: &str| Key { partition: last.get(name).cloned().into_iter().collect(), sort: vec![] };
        start = Some(Start { table: key("id"), index: Some(key("group")) });
    }
    assert_eq!((seen.len(), counts.iter().sum::<usize>()), (ITEMS, ITEMS));
    Ok(counts)
}

#[test]
fn a_page_that_is_read_for_seconds_ends_with_what_there_is() -> Outcome {
    let store = now(Store::open(kv::Database::memory(frozen()), Vec::new()))?;
    let table = grouped(&store)?;
    assert_eq!(pages(&store, &table, &|_| Ok(true))?, [ITEMS]);
    let slow = |_: &Shown| {
        store.database().skip_machine_time(40);
        Ok(true)
    };
    let counts = pages(&store, &table, &slow)?;
    assert!(counts.len() > 5 && counts.iter().all(|count| *count < 125), "{counts:?}");
    Ok(())
}

#[test]
fn a_page_whose_snapshot_is_always_too_old_before_its_end_ends_with_what_there_is() -> Outcome {
    for seed in 0..5 {
        let database = kv::Database::faults(frozen(), Plan::none().with_seed(seed).with(Kind::TooOld, 0.02));
        let faults = database.injected_faults().cloned().ok_or_else(|| corrupt("no faults"))?;
        faults.pause();
        let store = now(Store::open(database, Vec::new()))?;
        let table = grouped(&store)?;
        faults.resume();
        let counts = pages(&store, &table, &|_| Ok(true))?;
        assert!(counts.len() > 1, "seed {seed}: {counts:?}");
    }
    Ok(())
}
