//! Who follows a table is woken by its commits, and by nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Wake;
use std::thread::{self, Thread};

use super::*;
use crate::kv::{DiskOptions, Durability};

/// Counts how often it is rung, and wakes the thread it belongs to.
struct Bell {
    thread: Thread,
    rings: AtomicUsize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn bell() -> Arc<Bell> {
    Arc::new(Bell { thread: thread::current(), rings: AtomicUsize::new(0) })
}

/// Waits on this thread, without any timer.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(bell());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

fn memory() -> Result<Store, Error> {
    now(Store::open(kv::Database::memory(frozen()), "follow".into()))
}

fn named(store: &Store, name: &str, stream: Option<StreamViewType>) -> Result<Arc<Table>, Error> {
    let key = KeySchema { partition: vec![attribute("id")], sort: vec![] };
    let definition = TableDefinition {
        name: name.to_owned(),
        attribute_definitions: vec![attribute("id")],
        key,
        indexes: vec![],
        stream,
        billing_mode: BillingMode::PayPerRequest,
        throughput: None,
        deletion_protection: false,
        settings: Settings::default(),
        tags: Tags::new(),
        policy: None,
    };
    wait(store.create_table(&realm(), definition))
}

/// Whether what a ticket waits for has happened.
fn has_changed(ticket: &Ticket) -> bool {
    pin!(ticket.changed()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

const KEYS: Option<StreamViewType> = Some(StreamViewType::KeysOnly);

#[test]
fn a_ticket_notices_what_is_committed_after_it_was_taken_by_any_clone_of_the_handle() -> Outcome {
    let store = memory()?;
    let (followed, other) = (named(&store, "followed", KEYS)?, named(&store, "other", KEYS)?);
    put(&store, &followed, 0..1)?;
    let ticket = store.follow(followed.id);
    assert!(!has_changed(&ticket), "what was before it is no change");
    put(&store, &other, 0..1)?;
    put(&store, &followed, 0..1)?;
    assert!(!has_changed(&ticket), "another table's record is none, nor a write that changes nothing");
    put(&store.clone(), &followed, 1..2)?;
    assert!(has_changed(&ticket) && has_changed(&ticket));
    let ticket = store.follow(followed.id);
    assert!(!has_changed(&ticket), "a new one begins anew");
    Ok(())
}

#[test]
fn a_table_without_a_stream_and_a_transaction_that_fails_tell_nothing() -> Outcome {
    let store = memory()?;
    let (quiet, told) = (named(&store, "quiet", None)?, named(&store, "told", KEYS)?);
    let tickets = [store.follow(quiet.id), store.follow(told.id)];
    put(&store, &quiet, 0..1)?;
    let key = Key { partition: vec![AttributeValue::S("1".to_owned())], sort: vec![] };
    let (key, table) = (&key, &*told);
    let failed = now(store.transact(|transaction| async move {
        let row = transaction.row(table, key).await?;
        transaction.write(table, row, Change::Put(key.to_item(&table.key)), Actor::User)?;
        Err::<(), _>(Error::validation("no"))
    }));
    assert!(failed.is_err());
    assert!(tickets.iter().all(|ticket| !has_changed(ticket)));
    Ok(())
}

#[test]
fn the_end_of_a_stream_and_of_its_table_are_changes() -> Outcome {
    let store = memory()?;
    let one = named(&store, "one", KEYS)?;
    let ticket = store.follow(one.id);
    now(store.change_table(&realm(), "one", &[TableChange::DisableStream]))?;
    assert!(has_changed(&ticket));
    let ticket = store.follow(one.id);
    now(store.change_table(&realm(), "one", &[TableChange::EnableStream(StreamViewType::KeysOnly)]))?;
    assert!(has_changed(&ticket));
    let ticket = store.follow(one.id);
    now(store.delete_table(&realm(), "one"))?;
    assert!(has_changed(&ticket));
    let quiet = named(&store, "quiet", None)?;
    let ticket = store.follow(quiet.id);
    now(store.delete_table(&realm(), "quiet"))?;
    assert!(has_changed(&ticket), "the end of a table that had none, too");
    Ok(())
}

#[test]
fn whoever_waits_looks_again_when_the_clock_was_moved() -> Outcome {
    let store = memory()?;
    let one = named(&store, "one", KEYS)?;
    let tickets = || [store.follow(one.id), store.follow_nothing()];
    let told = |tickets: [Ticket; 2]| tickets.each_ref().map(has_changed);
    let waiting = tickets();
    assert_eq!(told(waiting), [false, false]);
    let waiting = tickets();
    now(store.advance(HOUR))?;
    assert_eq!(told(waiting), [true, true]);
    let waiting = tickets();
    now(store.travel_to(Timestamp(0)))?;
    assert_eq!(told(waiting), [true, true], "backwards too");
    let waiting = tickets();
    now(store.resume_system_time())?;
    assert_eq!(told(waiting), [true, true]);
    let waiting = tickets();
    now(store.freeze_clock())?;
    assert_eq!(told(waiting), [true, true]);
    Ok(())
}

#[test]
fn closing_a_database_ends_the_waiting_though_one_in_memory_goes_on() -> Outcome {
    let store = memory()?;
    let one = named(&store, "one", KEYS)?;
    let (ticket, before) = (store.follow(one.id), store.closings());
    store.close();
    assert!(has_changed(&ticket) && store.closings() != before);
    let ticket = store.follow(one.id);
    assert!(!has_changed(&ticket));
    put(&store, &one, 0..1)?;
    assert!(has_changed(&ticket));
    Ok(())
}

#[test]
fn who_waits_can_be_woken_by_hand_and_who_waits_for_nothing_only_so_or_by_the_end() -> Outcome {
    let store = memory()?;
    let (one, other) = (named(&store, "one", KEYS)?, named(&store, "other", KEYS)?);
    let tickets = [store.follow(one.id), store.follow(other.id), store.follow_nothing()];
    let changed = || tickets.each_ref().map(has_changed);
    put(&store, &one, 0..1)?;
    assert_eq!(changed(), [true, false, false]);
    // Woken between its look and its wait, it does not begin to wait.
    store.wake_followers(Some(other.id));
    assert_eq!(changed(), [true, true, false]);
    store.wake_followers(None);
    assert_eq!(changed(), [true, true, true]);
    let (waiting, waker) = (store.clone(), Barrier::new(2));
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let ticket = waiting.follow_nothing();
            waker.wait();
            wait(ticket.changed());
        });
        waker.wait();
        store.wake_followers(None);
        waits.join()
    })
    .map_err(|_| Error::validation("the waiting thread panicked"))?;
    let ticket = store.follow_nothing();
    assert!(!has_changed(&ticket));
    store.close();
    assert!(has_changed(&ticket));
    Ok(())
}

#[test]
fn idle_followers_of_other_tables_are_never_woken_and_each_of_this_one_once_for_a_commit() -> Outcome {
    let store = memory()?;
    let (busy, idle) = (named(&store, "busy", KEYS)?, named(&store, "idle", KEYS)?);
    let bell = bell();
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let tickets: Vec<Ticket> =
        (0..100).map(|number| store.follow(if number < 97 { idle.id } else { busy.id })).collect();
    let mut waiting: Vec<_> = tickets.iter().map(|ticket| Box::pin(ticket.changed())).collect();
    assert!(waiting.iter_mut().all(|changed| changed.as_mut().poll(&mut context).is_pending()));
    put(&store, &busy, 0..1_000)?;
    assert_eq!((bell.rings.load(Ordering::SeqCst), store.followers_woken()), (3, 3));
    let ready =
        waiting.iter_mut().filter_map(|changed| changed.as_mut().poll(&mut context).is_ready().then_some(())).count();
    assert_eq!(ready, 3);
    drop(waiting);
    put(&store, &idle, 0..1)?;
    assert_eq!(store.followers_woken(), 3, "who gave up waiting is not called");
    Ok(())
}

#[test]
fn a_wait_polled_with_another_waker_wakes_that_one() -> Outcome {
    let store = memory()?;
    let one = named(&store, "one", KEYS)?;
    let ticket = store.follow(one.id);
    let mut changed = pin!(ticket.changed());
    let bells = [bell(), bell()];
    for bell in &bells {
        let waker = Waker::from(Arc::clone(bell));
        assert!(changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    put(&store, &one, 0..1)?;
    assert_eq!(bells.map(|bell| bell.rings.load(Ordering::SeqCst)), [0, 1]);
    Ok(())
}

#[test]
fn boards_that_nobody_looks_at_any_more_are_cleared_away() -> Outcome {
    let store = memory()?;
    for table_id in 0..10_000 {
        drop(store.follow(table_id));
    }
    assert!(store.0.followers.boards_kept() < 200);
    Ok(())
}

/// Reads all of a stream by tickets alone while others write: whoever misses one wake-up waits for ever.
fn follow_to_the_end(store: &Store, writers: usize, each: usize) -> Outcome {
    let table = named(store, "raced", KEYS)?;
    let (streams, _) = wait(store.list_streams(&realm(), Some("raced"), None, 1))?;
    let stream = streams.first().ok_or_else(|| corrupt("no stream"))?;
    let start = wait(store.stream_cursor(stream, &StreamStart::TrimHorizon))?;
    let barrier = Barrier::new(writers + 2);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let (mut cursor, mut seen) = (start, 0);
                    while seen < writers * each {
                        let ticket = store.follow(table.id);
                        let page = wait(store.stream_records(stream, cursor, 7, 1 << 20))?;
                        seen += page.records.len();
                        cursor = page.place;
                        if page.is_last && seen < writers * each {
                            wait(ticket.changed());
                        }
                    }
                    Ok::<_, Error>(seen)
                })
            })
            .collect();
        for writer in 0..writers {
            let (barrier, table) = (&barrier, &table);
            scope.spawn(move || {
                barrier.wait();
                for id in 0..each {
                    let key = Key { partition: vec![AttributeValue::S(format!("{writer}-{id}"))], sort: vec![] };
                    let (key, table) = (&key, &**table);
                    let written = wait(store.transact(|transaction| async move {
                        let row = transaction.row(table, key).await?;
                        transaction.write(table, row, Change::Put(key.to_item(&table.key)), Actor::User)
                    }));
                    assert!(written.is_ok(), "{written:?}");
                }
            });
        }
        for reader in readers {
            assert!(matches!(reader.join(), Ok(Ok(seen)) if seen == writers * each));
        }
    });
    Ok(())
}

#[test]
fn readers_that_wait_for_tickets_alone_miss_no_commit() -> Outcome {
    follow_to_the_end(&memory()?, 3, 400)?;
    for durability in [Durability::Buffered, Durability::Fsync] {
        let directory = tempfile::tempdir().map_err(|error| corrupt(&error.to_string()))?;
        let options = DiskOptions { durability, ..DiskOptions::default() };
        let database = kv::Database::disk(directory.path(), options, frozen())?;
        follow_to_the_end(&wait(Store::open(database, "follow".into()))?, 3, 60)?;
    }
    Ok(())
}

#[test]
fn where_others_commit_as_well_a_wait_is_bounded_and_grows() -> Outcome {
    assert_eq!(memory()?.poll_interval(0), None);
    let [shared, _] = processes(&frozen())?;
    let millis = |misses| shared.poll_interval(misses).map(|interval| interval.as_millis());
    assert_eq!([0, 1, 2, 3, 4, 99].map(millis), [50, 100, 200, 400, 500, 500].map(Some));
    Ok(())
}
