//! Searching vectors: what a search costs beside one plain pass over the same numbers, as ratios within one run.
//!
//! No timed tests: this prints, and fails nothing. `cargo bench --bench vectors -- --items 100000 --dimensions 1024` for another size.

use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use fdyno::clock::Clock;
use fdyno::item::{AttributeValue, Item, Number};
use fdyno::kv::Database;
use fdyno::store::{
    Actor, BillingMode, CapacitySettings, Change, DistanceFunction, IndexDefinition, IndexKind, Key, KeyAttribute,
    KeyKind, KeySchema, Projection, Realm, Search, Store, Table, TableDefinition, VectorSettings,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Memory futures are ready at once, but for the turns that a long search gives.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

fn table(store: &Store, dimensions: usize) -> Outcome<Arc<Table>> {
    let key = KeyAttribute { name: "pk".to_owned(), kind: KeyKind::N };
    let index = |distance: DistanceFunction| IndexDefinition {
        name: distance.name().to_owned(),
        kind: IndexKind::Vector,
        key: KeySchema { partition: Vec::new(), sort: Vec::new() },
        projection: Projection::KeysOnly,
        throughput: None,
        capacity: CapacitySettings::default(),
        vector: Some(VectorSettings {
            attribute: "vector".to_owned(),
            dimensions,
            distance,
            search_schema: Vec::new(),
        }),
    };
    let definition = TableDefinition {
        name: "vectors".to_owned(),
        attribute_definitions: vec![key.clone()],
        key: KeySchema { partition: vec![key], sort: Vec::new() },
        indexes: DistanceFunction::ALL.into_iter().map(index).collect(),
        stream: None,
        billing_mode: BillingMode::PayPerRequest,
        throughput: None,
        deletion_protection: false,
        settings: Default::default(),
        tags: Default::default(),
        policy: None,
    };
    let realm = Realm { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
    Ok(now(store.create_table(&realm, definition))?)
}

fn put(store: &Store, table: &Table, number: usize, vector: &[f32]) -> Outcome<()> {
    let mut item = Item::new();
    item.insert("pk".into(), AttributeValue::N(Number::from(i64::try_from(number)?)));
    let component = |component: &f32| Number::from_f32(*component).map(AttributeValue::N);
    let components = vector.iter().map(component).collect::<Option<_>>().ok_or("no number")?;
    item.insert("vector".into(), AttributeValue::L(components));
    let key = Key::of(&table.key, &item).ok_or("an item without its key")?;
    let (key, item) = (&key, &item);
    now(store.transact(|transaction| async move {
        let row = transaction.row(table, key).await?;
        transaction.write(table, row, Change::Put(item.clone()), Actor::User)
    }))?;
    Ok(())
}

/// The least of some measurements.
fn least(mut measured: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        measured()?;
        least = least.min(begin.elapsed());
    }
    Ok(least)
}

fn argument(name: &str, usual: usize) -> Outcome<usize> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => Ok(arguments.get(at + 1).ok_or("a number is wanted")?.parse()?),
        None => Ok(usual),
    }
}

fn main() -> Outcome<()> {
    let (items, dimensions) = (argument("--items", 20_000)?, argument("--dimensions", 768)?);
    let mut random = fastrand::Rng::with_seed(1);
    let mut vector = || -> Vec<f32> { (0..dimensions).map(|_| random.f32() * 2.0 - 1.0).collect() };
    let target = vector();
    let vectors: Vec<Vec<f32>> = (0..items).map(|_| vector()).collect();
    let plain: Vec<f32> = vectors.iter().flatten().copied().collect();
    let store = now(Store::open(Database::memory(Clock::system()), Vec::new()))?;
    let table = table(&store, dimensions)?;
    let begin = Instant::now();
    for (number, vector) in vectors.iter().enumerate() {
        put(&store, &table, number, vector)?;
    }
    let (millions, bytes) = ((items * dimensions) as f64 / 1e6, items * dimensions * 4);
    println!(
        "{items} vectors of {dimensions} dimensions; a put into three indexes took {:.0} µs",
        begin.elapsed().as_secs_f64() * 1e6 / items as f64
    );
    // One addition waits for the one before: what a loop is that nobody thought about.
    let scalar = least(|| {
        for row in plain.chunks_exact(dimensions) {
            black_box(row.iter().zip(&target).map(|(one, two)| one * two).sum::<f32>());
        }
        Ok(())
    })?;
    println!("one plain pass, number by number: {:.2} ns a component", scalar.as_nanos() as f64 / millions / 1e6);
    for distance in DistanceFunction::ALL {
        let index = table.index(distance.name()).ok_or("no index")?;
        let search = Search { table: &table, index, partition: None, vector: &target, most: 10, with_vectors: false };
        let took = least(|| {
            let found = now(store.search(&search, None))?;
            assert_eq!(found.items.len(), 10.min(items));
            Ok(())
        })?;
        println!(
            "{:<12} {:.2} of that, {:.2} µs a vector, {:.1} GB a second",
            distance.name(),
            took.as_secs_f64() / scalar.as_secs_f64(),
            took.as_secs_f64() * 1e6 / items as f64,
            bytes as f64 / took.as_secs_f64() / 1e9
        );
    }
    Ok(())
}
