//! The Rust half of `make bench`: every figure is a ratio to a reference measured in the same run.
//!
//! No timed tests: this prints, and fails nothing. `cargo bench -- --items 100000` for a quicker run.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use fdyno::api::{Operation, Response, dispatch, json};
use fdyno::clock::Clock;
use fdyno::item::{AttributeValue, Item, Number};
use fdyno::kv::Database;
use fdyno::store::{
    Actor, BillingMode, Change, Cursor, Fetch, Key, KeyAttribute, KeyKind, KeySchema, Query, Realm, Scan, SortBound,
    Store, Stream, StreamStart, StreamViewType, Table, TableDefinition, Ticket,
};
use futures_executor::block_on;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Memory futures are ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a memory future waited"),
    }
}

fn realm() -> Realm {
    Realm { account: "000000000000".to_owned(), region: "us-east-1".to_owned() }
}

fn open() -> Outcome<Store> {
    Ok(now(Store::open(Database::memory(Clock::system()), Vec::new()))?)
}

fn table(store: &Store, name: &str, stream: Option<StreamViewType>) -> Outcome<std::sync::Arc<Table>> {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let key = KeySchema { partition: vec![attribute("pk", KeyKind::S)], sort: vec![attribute("sk", KeyKind::N)] };
    let definition = TableDefinition {
        name: name.to_owned(),
        attribute_definitions: key.attributes().cloned().collect(),
        key,
        indexes: Vec::new(),
        stream,
        billing_mode: BillingMode::PayPerRequest,
        throughput: None,
        deletion_protection: false,
        settings: Default::default(),
        tags: Default::default(),
        policy: None,
    };
    Ok(now(store.create_table(&realm(), definition))?)
}

/// An item of about `size` bytes in eight attributes, as applications have them.
fn item(partition: i64, sort: i64, round: i64, size: usize) -> Item {
    let text = |length: usize| AttributeValue::S("x".repeat(length));
    let mut item = Item::new();
    item.insert("pk".into(), AttributeValue::S(format!("customer#{partition}")));
    item.insert("sk".into(), AttributeValue::N(Number::from(sort)));
    item.insert("round".into(), AttributeValue::N(Number::from(round)));
    item.insert("state".into(), text(8));
    item.insert("street".into(), text(24));
    item.insert("flag".into(), AttributeValue::Bool(true));
    item.insert("amount".into(), AttributeValue::N(Number::from(sort * 37)));
    let rest = size.saturating_sub(item.size() + 4);
    item.insert("note".into(), text(rest));
    item
}

fn put(store: &Store, table: &Table, new: Item) -> Outcome<()> {
    let key = Key::of(&table.key, &new).ok_or("an item without its key")?;
    let (key, new) = (&key, &new);
    now(store.transact(|transaction| async move {
        let row = transaction.row(table, key).await?;
        transaction.write(table, row, Change::Put(new.clone()), Actor::User)
    }))?;
    Ok(())
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

fn time(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn report(what: &str, figure: f64, unit: &str, aim: &str) {
    println!("{what:<66} {figure:>9.2} {unit:<8} {aim}");
}

/// PutItem of 400 bytes over existing items, with a stream of both images and without, interleaved.
fn put_with_and_without_stream() -> Outcome<()> {
    const ROUND: i64 = 2_000;
    let store = open()?;
    let plain = table(&store, "plain", None)?;
    let streamed = table(&store, "streamed", Some(StreamViewType::NewAndOldImages))?;
    let round = |table: &Table, round: i64| {
        let items: Vec<Item> = (0..ROUND).map(|at| item(at % 100, at, round, 400)).collect();
        time(|| items.into_iter().try_for_each(|item| put(&store, table, item)))
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    round(&plain, 0)?;
    round(&streamed, 0)?;
    for at in 1..40 {
        without.push(round(&plain, at)?);
        with.push(round(&streamed, at)?);
    }
    let (without, with) = (median(without), median(with));
    report(
        "PutItem 400 B, stream with both images / without a stream",
        with.as_secs_f64() / without.as_secs_f64(),
        "x",
        "at most 1.5",
    );
    report("  PutItem without a stream", without.as_secs_f64() * 1e6 / ROUND as f64, "µs", "");
    Ok(())
}

/// Whether the millionth record costs what the first did.
fn flat_to_the_last_record(records: i64) -> Outcome<()> {
    let store = open()?;
    let table = table(&store, "flat", Some(StreamViewType::NewAndOldImages))?;
    let step = records / 20;
    let mut steps = Vec::new();
    for number in 0..20 {
        let items: Vec<Item> = (0..step).map(|at| item(at % 100, at % 1_000, number * step + at, 400)).collect();
        steps.push(time(|| items.into_iter().try_for_each(|item| put(&store, &table, item)))?);
    }
    let (first, last) = (median(steps[1..6].to_vec()), median(steps[15..].to_vec()));
    report(
        &format!("PutItem: last quarter / first quarter of {records} records"),
        last.as_secs_f64() / first.as_secs_f64(),
        "x",
        "about 1",
    );
    Ok(())
}

fn stream_of(store: &Store, name: &str) -> Outcome<(Stream, Cursor)> {
    let (streams, _) = now(store.list_streams(&realm(), Some(name), None, 1))?;
    let stream = streams.into_iter().next().ok_or("no stream")?;
    let cursor = now(store.stream_cursor(&stream, &StreamStart::TrimHorizon))?;
    Ok((stream, cursor))
}

/// What this thread has had of a processor, where the system tells it: other work on the machine does not count.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Millions of records a second that pages of a thousand come to.
fn rate<P: Clone>(records: usize, start: P, read: impl Fn(P) -> Outcome<(usize, P)>) -> Outcome<f64> {
    let mut rounds = Vec::new();
    for _ in 0..9 {
        let (mut cursor, mut seen) = (start.clone(), 0);
        let (begin, clock) = (processor_time(), Instant::now());
        while seen < records {
            let (count, place) = read(cursor)?;
            seen += count;
            cursor = place;
        }
        let used = processor_time().zip(begin).map(|(end, begin)| end.saturating_sub(begin));
        rounds.push(used.unwrap_or_else(|| clock.elapsed()));
    }
    Ok(records as f64 / median(rounds).as_secs_f64() / 1e6)
}

/// An iterator over all of a stream.
fn iterator(store: &Store, stream: &Stream) -> Outcome<String> {
    let request = serde_json::json!({
        "StreamArn": stream.arn(), "ShardId": stream.shard_id(), "ShardIteratorType": "TRIM_HORIZON",
    });
    let request = json::request(Operation::GetShardIterator, request.to_string().as_bytes())?;
    match now(dispatch(store, &realm(), request))? {
        Response::GetShardIterator(answer) => Ok(answer.shard_iterator),
        _ => unreachable!("the answer of another operation"),
    }
}

/// GetRecords as a client of HTTP has it: the number of records, and the iterator behind them. The answer is written out.
fn answered(store: &Store, iterator: &str) -> Outcome<(usize, String)> {
    let request = format!(r#"{{"ShardIterator":"{iterator}"}}"#);
    let answer = now(dispatch(store, &realm(), json::request(Operation::GetRecords, request.as_bytes())?))?;
    std::hint::black_box(json::response(&answer));
    match answer {
        Response::GetRecords(page) => Ok((page.records.len(), page.next_shard_iterator.ok_or("the stream's end")?)),
        _ => unreachable!("the answer of another operation"),
    }
}

/// Reading a stream's pages, writing them out as GetRecords answers, and decoding every record.
fn reading() -> Outcome<()> {
    const RECORDS: i64 = 100_000;
    let store = open()?;
    for (name, size, view) in [
        ("400 B, both images", 400, StreamViewType::NewAndOldImages),
        ("100 B, new image", 100, StreamViewType::NewImage),
        ("keys only", 400, StreamViewType::KeysOnly),
    ] {
        let table = table(&store, &name.replace([' ', ','], "_"), Some(view))?;
        for at in 0..RECORDS {
            put(&store, &table, item(at % 100, at % 1_000, at, size))?;
        }
        let (stream, start) = stream_of(&store, &table.name)?;
        let decoded = rate(RECORDS as usize, start, |cursor| {
            let page = now(store.stream_records(&stream, cursor, 1_000, 1 << 20))?;
            Ok((page.records.len(), page.place))
        })?;
        let stored = rate(RECORDS as usize, start, |cursor| {
            let page = now(store.stored_records(&stream, cursor, 1_000, 1 << 20))?;
            Ok((page.records.len(), page.place))
        })?;
        report(&format!("records read a second, {name}"), stored, "million", "at least 1");
        let written = rate(RECORDS as usize, iterator(&store, &stream)?, |iterator| answered(&store, &iterator))?;
        report("  and written out as GetRecords' JSON", written, "million", "");
        report("  and decoded whole", decoded, "million", "");
    }
    Ok(())
}

/// A waker that counts.
#[derive(Default)]
struct Rings(AtomicU64);

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether a put costs the same however many records, streams and readers there are.
fn puts_among_followers() -> Outcome<()> {
    const ROUND: i64 = 2_000;
    const OTHERS: usize = 1_000;
    let (alone, crowded) = (open()?, open()?);
    let put_some = |store: &Store, table: &Table, round: i64| {
        let items: Vec<Item> = (0..ROUND).map(|at| item(at % 100, at, round, 400)).collect();
        time(|| items.into_iter().try_for_each(|item| put(store, table, item)))
    };
    let both = Some(StreamViewType::NewAndOldImages);
    let (single, among) = (table(&alone, "busy", both)?, table(&crowded, "busy", both)?);
    let mut tickets: Vec<Ticket> = Vec::new();
    for number in 0..OTHERS {
        let other = table(&crowded, &format!("other{number}"), both)?;
        tickets.extend((0..if number < 100 { 1 } else { 0 }).map(|_| crowded.follow(other.id)));
    }
    let rings = Arc::new(Rings::default());
    let waker = Waker::from(Arc::clone(&rings));
    let mut waiting: Vec<_> = tickets.iter().map(|ticket| Box::pin(ticket.changed())).collect();
    for changed in &mut waiting {
        assert!(changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    // Readers of this very table who are busy reading.
    let busy: Vec<Ticket> = (0..100).map(|_| crowded.follow(among.id)).collect();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..40 {
        without.push(put_some(&alone, &single, round)?);
        with.push(put_some(&crowded, &among, round)?);
    }
    let ratio = median(with[1..].to_vec()).as_secs_f64() / median(without[1..].to_vec()).as_secs_f64();
    report("PutItem among 1,000 streams, 200 followers / alone", ratio, "x", "about 1");
    let woken = rings.0.load(Ordering::Relaxed) + crowded.followers_woken();
    report(&format!("wake-ups of 100 idle followers in {} puts", 40 * ROUND), woken as f64, "", "0");
    drop((waiting, busy));
    Ok(())
}

/// A condition variable that a writer rings after its commit: the least that a hand-over between threads costs.
#[derive(Default)]
struct Doorbell {
    rung: Mutex<u64>,
    bell: Condvar,
}

impl Doorbell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.bell.notify_one();
    }

    fn wait_for(&self, count: u64) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while *rung < count {
            rung = self.bell.wait(rung).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// From the beginning of a put to the moment at which a reader that waited has read its record.
fn from_put_to_reader() -> Outcome<()> {
    const PUTS: u64 = 2_000;
    let store = open()?;
    let mut medians = Vec::new();
    for follows in [true, false] {
        let name = if follows { "followed" } else { "rung" };
        let table = table(&store, name, Some(StreamViewType::NewAndOldImages))?;
        let (stream, start) = stream_of(&store, name)?;
        let doorbell = Arc::new(Doorbell::default());
        let (has_read, hears): (Sender<Instant>, Receiver<Instant>) = channel();
        let reader = thread::spawn({
            let (store, doorbell, table_id) = (store.clone(), Arc::clone(&doorbell), table.id);
            move || -> Result<(), fdyno::error::Error> {
                let (mut cursor, mut seen) = (start, 0);
                while seen < PUTS {
                    let ticket = store.follow(table_id);
                    let page = now(store.stream_records(&stream, cursor, 1_000, 1 << 20))?;
                    seen += page.records.len() as u64;
                    cursor = page.place;
                    for _ in &page.records {
                        // Nobody listens any more after an error over there.
                        let _ = has_read.send(Instant::now());
                    }
                    if seen < PUTS && follows {
                        block_on(ticket.changed());
                    } else if seen < PUTS {
                        drop(ticket);
                        doorbell.wait_for(seen + 1);
                    }
                }
                Ok(())
            }
        });
        let mut samples = Vec::new();
        for at in 0..PUTS as i64 {
            // The reader has gone to sleep by the time that this one has made its item.
            thread::yield_now();
            let new = item(at % 100, at, 0, 400);
            let begin = Instant::now();
            put(&store, &table, new)?;
            doorbell.ring();
            samples.push(hears.recv()?.duration_since(begin));
        }
        reader.join().map_err(|_| "the reader panicked")??;
        medians.push(median(samples));
    }
    if let [followed, rung] = medians[..] {
        let ratio = followed.as_secs_f64() / rung.as_secs_f64();
        report("put to a reader that follows / to one that a condvar wakes", ratio, "x", "about 1");
        report("  put to a reader that follows", followed.as_secs_f64() * 1e6, "µs", "");
    }
    Ok(())
}

fn pages_and_copies(items: i64) -> Outcome<()> {
    let small = open()?;
    let large = open()?;
    let tables = [(&small, items / 100), (&large, items)];
    let mut firsts: Vec<(Duration, Duration)> = Vec::new();
    let resident_before = resident_bytes()?;
    let mut raw = 0;
    for (store, count) in tables {
        let table = table(store, "items", None)?;
        for at in 0..count {
            let new = item(at % (count / 100), at, 0, 1_000);
            raw += new.size();
            put(store, &table, new)?;
        }
        let partition = [AttributeValue::S("customer#0".to_owned())];
        let (mut scans, mut queries) = (Vec::new(), Vec::new());
        for _ in 0..101 {
            let scan =
                Scan { table: &table, index: None, segment: None, start: None, limit: Some(50), fetch: Fetch::Whole };
            scans.push(time(|| {
                now(store.scan(&scan, &|_| Ok(true)))?;
                Ok(())
            })?);
            let query = Query {
                table: &table,
                index: None,
                partition: &partition,
                sort_equal: &[],
                sort: &SortBound::Any,
                forward: true,
                start: None,
                limit: Some(50),
                fetch: Fetch::Whole,
            };
            queries.push(time(|| {
                now(store.query(&query, &|_| Ok(true)))?;
                Ok(())
            })?);
        }
        firsts.push((median(scans), median(queries)));
    }
    let resident = resident_bytes()?.saturating_sub(resident_before);
    report("memory / raw bytes of 1 KB items, no index, no stream", resident as f64 / raw as f64, "x", "at most 2");
    if let [(small_scan, small_query), (large_scan, large_query)] = firsts[..] {
        report(
            "first Scan page: table of 100 times the items / small table",
            large_scan.as_secs_f64() / small_scan.as_secs_f64(),
            "x",
            "about 1",
        );
        report(
            "first Query page: table of 100 times the items / small table",
            large_query.as_secs_f64() / small_query.as_secs_f64(),
            "x",
            "about 1",
        );
    }
    let mut forks = Vec::new();
    let mut fresh = Vec::new();
    for _ in 0..101 {
        let mut kept = None;
        forks.push(time(|| {
            kept = Some(now(large.fork())?);
            Ok(())
        })?);
        fresh.push(time(|| {
            drop(open()?);
            Ok(())
        })?);
        drop(kept);
    }
    report(&format!("fork of {items} items"), median(forks).as_secs_f64() * 1e6, "µs", "tens");
    report("fresh database", median(fresh).as_secs_f64() * 1e6, "µs", "tens");

    // Work, not time: segments together read each row once.
    let table = now(large.table(&realm(), "items"))?;
    let before = large.work();
    let mut seen = 0;
    for segment in 0..8 {
        let mut start = None;
        loop {
            let scan = Scan {
                table: &table,
                index: None,
                segment: Some((segment, 8)),
                start: start.as_ref(),
                limit: None,
                fetch: Fetch::Whole,
            };
            let page = now(large.scan(&scan, &|_| Ok(true)))?;
            seen += page.scanned_count;
            match page.last.and_then(|last| Key::of(&table.key, &last)) {
                Some(key) => start = Some(fdyno::store::Start { table: key, index: None }),
                None => break,
            }
        }
    }
    let read = large.work().since(&before).pairs_read;
    report(&format!("rows read by 8 scan segments / rows ({seen})"), read as f64 / seen as f64, "x", "1");
    Ok(())
}

/// Resident memory of this process, in bytes (Linux; elsewhere 0).
fn resident_bytes() -> Outcome<usize> {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else { return Ok(0) };
    let pages: usize = text.split_whitespace().nth(1).ok_or("statm")?.parse()?;
    Ok(pages * 4096)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let items = match arguments.iter().position(|argument| argument == "--items") {
        Some(at) => arguments.get(at + 1).ok_or("--items wants a number")?.parse()?,
        None => 1_000_000,
    };
    if arguments.iter().any(|argument| argument == "--reading") {
        return reading();
    }
    // First, while the process holds nothing yet: it measures memory.
    pages_and_copies(items)?;
    put_with_and_without_stream()?;
    reading()?;
    puts_among_followers()?;
    from_put_to_reader()?;
    flat_to_the_last_record(items)
}
