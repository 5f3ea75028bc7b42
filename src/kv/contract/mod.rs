//! What every engine must do: the key-value contract as tests, written once.
//!
//! A rule is a function that takes a way to make an empty database; the tables below name them all, and each engine
//! runs all of them by one line at the end of this file; those of embedded engines and of forks by one line more. A rule
//! left out of its table is reported as dead code. `model` compares engines with a naive map, `faults` and `clusters` test
//! what only those engines do; `double` is the client library that clusters are tested on, with data in this process
//! (`cluster_file`) or in another (`served`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cluster_file;
mod clusters;
mod conflicts;
mod double;
mod faults;
mod forks;
mod limits;
mod model;
mod reads;
mod served;
mod stamps;
mod threads;

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use self::cluster_file::ClusterFile;
use self::served::ServedCluster;
use super::{
    Bytes, Database, DiskOptions, Durability, Error, Isolation, Page, RangeRead, Result, Transaction, Version,
    Versionstamp, foundationdb,
};
use crate::clock::{Clock, Timestamp};

/// Makes an empty database of the engine under test.
type Make = fn(Clock) -> Database;

/// When the frozen clocks of these tests stand.
pub(super) const NOON: Timestamp = Timestamp(1_700_000_000_000);

fn clock() -> Clock {
    Clock::deterministic(NOON, 7)
}

/// The seeds of a random test; `FDYNO_SEEDS` asks for more of them than usual.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("FDYNO_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    0..asked.unwrap_or(usual)
}

/// Wakes a thread that waits for one future. A thread may wait within a wait, so each has a mark of its own: what the
/// inner one was woken for is not what the outer one waits for.
struct Bell {
    thread: Thread,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Waits for a future on this thread, also within a future that another wait polls.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        while !bell.rung.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

fn put(database: &Database, key: &str, value: &str) -> Versionstamp {
    let transaction = database.begin();
    transaction.set(key.as_bytes(), value.as_bytes()).unwrap();
    wait(transaction.commit()).unwrap().unwrap()
}

fn remove(database: &Database, key: &str) {
    let transaction = database.begin();
    transaction.clear(key.as_bytes()).unwrap();
    wait(transaction.commit()).unwrap();
}

fn fill(database: &Database, keys: &str) {
    let transaction = database.begin();
    for key in keys.chars() {
        transaction.set(key.to_string().as_bytes(), key.to_uppercase().to_string().as_bytes()).unwrap();
    }
    wait(transaction.commit()).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn get(transaction: &Transaction, key: &str) -> Option<String> {
    wait(transaction.get(key.as_bytes(), Isolation::Serializable)).unwrap().map(|value| text(&value))
}

fn peek(transaction: &Transaction, key: &str) -> Option<String> {
    wait(transaction.get(key.as_bytes(), Isolation::Snapshot)).unwrap().map(|value| text(&value))
}

fn stored(database: &Database, key: &str) -> Option<String> {
    get(&database.begin(), key)
}

fn range(transaction: &Transaction, read: &RangeRead) -> Page {
    wait(transaction.range(read)).unwrap()
}

/// The keys of a page, one after the other.
fn keys(page: &Page) -> String {
    page.pairs.iter().map(|pair| text(&pair.key)).collect()
}

fn values(page: &Page) -> String {
    page.pairs.iter().map(|pair| text(&pair.value)).collect()
}

fn number(value: Option<Bytes>) -> i64 {
    value.map_or(0, |value| i64::from_le_bytes(value.as_ref().try_into().unwrap()))
}

fn stored_number(database: &Database, key: &[u8]) -> i64 {
    number(wait(database.begin().get(key, Isolation::Snapshot)).unwrap())
}

/// A commit id, where one is asked for: fresh at each call.
fn fresh_id(database: &Database) -> impl Fn() -> Vec<u8> + use<> {
    let clock = database.clock().clone();
    move || format!("id/{}", clock.random_uuid()).into_bytes()
}

macro_rules! rules {
    ($table:ident: $($file:ident: [$($rule:ident,)*])*) => {
        macro_rules! $table {
            ($engine:ident, $make:expr) => {
                mod $engine {
                    use super::*;
                    $($(#[test] fn $rule() { $file::$rule($make); })*)*
                }
            };
        }
    };
}

rules! {
    engine:
    reads: [
        a_committed_key_is_read_back_and_an_absent_one_is_none,
        a_transaction_reads_the_snapshot_of_its_first_read,
        an_acknowledged_commit_is_visible_to_every_later_transaction,
        a_transaction_reads_its_own_sets_and_clears,
        a_dropped_transaction_leaves_no_trace,
        a_transaction_is_unusable_after_its_commit,
        ranges_come_in_byte_order_both_ways,
        a_limit_ends_a_range_and_says_there_may_be_more,
        a_byte_limit_ends_a_range_with_the_pair_that_meets_it,
        a_range_shows_own_writes_both_ways_and_within_limits,
        a_range_skips_what_was_cleared_both_ways,
        a_set_after_a_range_clear_survives_and_one_before_does_not,
        an_empty_range_is_empty_and_an_inverted_one_an_error,
        a_prefix_range_holds_exactly_the_keys_with_that_prefix,
        snapshot_reads_see_own_writes,
        several_reads_can_be_issued_together,
        an_add_counts_absent_as_zero_and_wraps_around,
        an_add_extends_short_values_and_cuts_long_ones,
        an_add_is_read_back_on_top_of_own_and_stored_values,
    ]
    conflicts: [
        of_two_updates_of_one_value_only_one_commits,
        write_skew_is_refused,
        a_phantom_in_a_read_range_is_refused,
        a_key_removed_from_a_read_range_is_refused,
        a_key_read_as_absent_and_then_written_is_refused,
        a_limited_forward_read_conflicts_as_far_as_it_read,
        a_limited_reverse_read_conflicts_as_far_as_it_read,
        a_range_that_meets_no_limit_conflicts_to_its_end,
        snapshot_reads_add_no_conflicts,
        blind_writes_never_conflict,
        reading_own_writes_adds_no_conflict,
        a_range_conflicts_only_where_own_writes_do_not_answer,
        clearing_conflicts_with_readers_even_of_absent_keys,
        adds_do_not_conflict_with_each_other_but_with_readers,
        reading_an_add_conflicts_with_what_it_adds_to,
        explicit_conflicts_act_like_reads_and_writes,
        read_only_transactions_always_commit,
        writing_the_same_value_again_still_conflicts,
        a_conflict_is_found_behind_thousands_of_commits,
        the_retry_loop_runs_the_body_again_after_a_conflict,
        a_body_that_fails_commits_nothing_and_keeps_its_error,
        what_is_to_follow_a_commit_follows_the_attempt_that_commits_and_no_other,
    ]
    stamps: [
        stamped_keys_rise_from_commit_to_commit,
        all_stamped_writes_of_a_transaction_share_the_stamp_that_commit_returns,
        what_a_stamp_may_fall_into_is_unreadable_until_commit,
        a_limited_range_that_stops_before_a_stamp_is_readable,
        below_the_own_read_version_stamps_leave_everything_readable,
        a_stamped_value_is_unreadable_and_clearing_makes_it_readable,
        a_later_clear_covers_a_stamped_key,
        a_set_over_a_stamped_value_wins,
        an_add_to_a_stamped_value_adds_to_its_first_bytes,
        a_stamp_outside_its_key_or_value_is_an_error,
        a_stamped_key_is_a_phantom_to_readers_of_its_range,
    ]
    limits: [
        the_largest_key_is_accepted_and_one_byte_more_is_not,
        the_largest_value_is_accepted_and_one_byte_more_is_not,
        the_largest_transaction_is_accepted_and_one_byte_more_is_not,
        conflict_ranges_count_towards_the_transaction,
        keys_from_ff_on_are_refused,
        a_key_too_long_to_exist_reads_as_absent,
    ]
    model: [
        random_transactions_read_and_leave_what_a_naive_map_does,
        overlapping_transactions_are_as_if_run_one_after_the_other,
    ]
    threads: [
        threads_count_without_losing_one,
        transfers_between_accounts_keep_the_sum,
        snapshots_never_show_half_a_transaction,
        versions_are_published_in_order,
    ]
}

rules! {
    embedded_engine:
    reads: [
        work_is_counted,
    ]
    conflicts: [
        the_retry_loop_gives_up_in_the_end,
        the_retry_loop_gives_up_after_a_minute,
    ]
    stamps: [
        versions_rise_while_the_clock_stands_still_or_goes_back,
        versions_tell_the_time_of_the_clock,
        the_read_version_is_the_last_commit,
    ]
    limits: [
        a_snapshot_beyond_five_seconds_is_too_old_to_read,
        a_snapshot_beyond_five_seconds_is_too_old_to_commit,
        readers_of_one_version_age_each_by_itself,
        a_transaction_without_reads_does_not_age,
        an_old_reader_does_not_hold_up_the_rest,
    ]
}

rules! {
    forking_engine:
    forks: [
        a_fork_and_its_origin_change_apart,
        a_transaction_begun_before_a_fork_stays_with_the_origin,
        a_fork_takes_the_same_work_whatever_the_size,
    ]
}

fn without_faults(clock: Clock) -> Database {
    Database::faults(clock, crate::kv::faults::Plan::none())
}

thread_local! {
    /// Where the databases of a test lie, until it ends.
    static DIRECTORIES: std::cell::RefCell<Vec<tempfile::TempDir>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn on_disk(clock: Clock, durability: Durability) -> Database {
    let directory = tempfile::tempdir().unwrap();
    // Small enough that the random tests flush and merge.
    let options = DiskOptions { durability, flush_bytes: 4_000, ..DiskOptions::default() };
    let database = Database::disk(directory.path(), options, clock).unwrap();
    DIRECTORIES.with_borrow_mut(|directories| directories.push(directory));
    database
}

thread_local! {
    static CLUSTERS: std::cell::RefCell<Vec<ClusterFile>> = const { std::cell::RefCell::new(Vec::new()) };
    static SERVED: std::cell::RefCell<Vec<ServedCluster>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn options(cluster: &ClusterFile) -> foundationdb::Options {
    options_of(cluster.path())
}

fn options_of(cluster_file: PathBuf) -> foundationdb::Options {
    let (cluster_file, library) = (Some(cluster_file), Some(double::library("dev")));
    foundationdb::Options { cluster_file, library, ..foundationdb::Options::default() }
}

fn on_a_cluster(clock: Clock) -> Database {
    let cluster = ClusterFile::new("seed=1");
    let database = Database::foundationdb(&options(&cluster), clock).unwrap();
    CLUSTERS.with_borrow_mut(|clusters| clusters.push(cluster));
    database
}

fn on_a_served_cluster(clock: Clock) -> Database {
    let cluster = ServedCluster::new();
    let database = Database::foundationdb(&options_of(cluster.file("fdb.cluster", "seed=1")), clock).unwrap();
    SERVED.with_borrow_mut(|clusters| clusters.push(cluster));
    database
}

engine!(memory, Database::memory);
engine!(disk, |clock| on_disk(clock, Durability::Buffered));
engine!(disk_synced, |clock| on_disk(clock, Durability::Fsync));
engine!(faults_without_faults, without_faults);
engine!(foundationdb_double, on_a_cluster);
engine!(foundationdb_double_served, on_a_served_cluster);
embedded_engine!(memory_embedded, Database::memory);
embedded_engine!(disk_embedded, |clock| on_disk(clock, Durability::Buffered));
embedded_engine!(disk_synced_embedded, |clock| on_disk(clock, Durability::Fsync));
embedded_engine!(faults_without_faults_embedded, without_faults);
forking_engine!(memory_forks, Database::memory);
forking_engine!(faults_without_faults_forks, without_faults);

#[test]
fn memory_futures_are_ready_at_their_first_poll() {
    let database = Database::memory(clock());
    let body = async {
        let count = database
            .run(Vec::new, |transaction| async move {
                let count = number(transaction.get(b"count", Isolation::Serializable).await?);
                transaction.range(&RangeRead::prefix(b"c")).await?;
                transaction.add(b"count", 1)?;
                Ok::<_, Error>(count + 1)
            })
            .await?;
        Ok::<_, Error>(count)
    };
    let outcome = pin!(body).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(outcome, Poll::Ready(Ok(1)));
}

#[test]
fn futures_can_be_sent_to_other_threads() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let database = Database::memory(clock());
    let run = sendable(database.run(Vec::new, |transaction| async move { transaction.set(b"k", b"v".as_slice()) }));
    wait(run).unwrap();
    let transaction = sendable(database.begin());
    let read = RangeRead::prefix(b"");
    drop(sendable(transaction.range(&read)));
    drop(sendable(transaction.get(b"k", Isolation::Snapshot)));
    drop(sendable(transaction.read_version()));
    wait(sendable(transaction.commit())).unwrap();
}
