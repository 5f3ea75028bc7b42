"""The list: small defects, each with the tests that must turn red when it is in the tree.

A mutation names a file, the text it replaces there, which must occur once, and commands of `cargo test`. What a command
names after its target is a filter; each command must fail by itself, so that a suite is not kept honest by its neighbour.
`run.py` applies them; `tests/python/test_mutations.py` checks that each still can be applied.
"""

from __future__ import annotations

from dataclasses import dataclass

ANY_ENGINE = "--test model whatever_happens"
ON_A_CLUSTER = "--test model on_a_cluster"
RACES = "--test model threads::"
STREAMS = "--test streams on_one_thread"
STORE = "--test store"
FOLLOW = "--lib store::tests::follow"
CHECKPOINTS = "--lib store::tests::checkpoints"
RESTORES = "--lib store::tests::restores"
IN_MEMORY = "--test restores a_table_in_memory"


@dataclass(frozen=True)
class Mutation:
    name: str
    #: What is wrong with the tree then, as a sentence.
    defect: str
    file: str
    before: str
    after: str
    #: Arguments of `cargo test`: a target, and a part of the names of the tests to run.
    tests: tuple[str, ...]


MUTATIONS = [
    # The change stream.
    Mutation(
        "skip-a-record",
        "A page of GetRecords loses what follows its fifth record, and the next one goes on behind it.",
        "src/store/stream.rs",
        "                        page.records.push(record);\n",
        "                        if page.records.len() < 5 {\n"
        "                            page.records.push(record);\n"
        "                        }\n",
        (ANY_ENGINE, ON_A_CLUSTER),
    ),
    Mutation(
        "remove-without-a-record",
        "A deletion writes no change record.",
        "src/store/write.rs",
        "        self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n",
        "        if new.is_some() {\n"
        "            self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n"
        "        }\n",
        (f"{STORE} a_change_and_its_record_come_together_and_in_order", ON_A_CLUSTER),
    ),
    Mutation(
        "tell-twice",
        "Each write leaves two change records.",
        "src/store/write.rs",
        "        self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n",
        "        self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n"
        "        self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n",
        (f"{STORE} a_change_and_its_record_come_together_and_in_order", ON_A_CLUSTER),
    ),
    Mutation(
        "tell-of-no-change",
        "The write of an equal item leaves a change record.",
        "src/store/write.rs",
        "            Change::Put(item) if old.as_ref().is_some_and(|old| old.item == item) => return Ok(unchanged(old)),\n",
        "",
        (ANY_ENGINE,),
    ),
    Mutation(
        "latest-too-early",
        "LATEST begins at the last commit instead of behind it.",
        "src/store/stream.rs",
        "                StreamStart::Latest => now,\n",
        "                StreamStart::Latest => self.position_of(transaction.read_version().await?),\n",
        (f"{STORE} every_kind_of_start_begins_where_it_says",),
    ),
    Mutation(
        "one-place-for-all-changes-of-a-transaction",
        "The records of a transaction's changes have one place in the stream, so that the last of them hides the others.",
        "src/store/write.rs",
        "        let user_version = self.0.next_user_version.fetch_add(1, Ordering::Relaxed);\n",
        "        let user_version = self.0.next_user_version.load(Ordering::Relaxed);\n",
        (f"{STORE} each_change_of_a_transaction_has_a_record_of_its_own_in_the_order_of_the_writes", ANY_ENGINE),
    ),
    # Following a stream.
    Mutation(
        "wake-nobody",
        "A commit does not tell those who wait for it.",
        "src/store/follow.rs",
        "        if let Some(board) = board {\n            self.wake(board.change());\n        }\n",
        "        drop(board);\n",
        (
            f"{FOLLOW}::a_ticket_notices_what_is_committed_after_it_was_taken",
            f"{FOLLOW}::a_wait_polled_with_another_waker_wakes_that_one",
        ),
    ),
    Mutation(
        "miss-a-commit-between-look-and-wait",
        "A commit wakes who waits already, and is not counted for who has looked and is about to wait.",
        "src/store/follow.rs",
        "        state.changes += 1;\n",
        "",
        (f"{FOLLOW}::a_ticket_notices_what_is_committed_after_it_was_taken",),
    ),
    Mutation(
        "wake-before-the-commit",
        "Followers are told when a record is written, not when it is committed: they look too early, and then wait.",
        "src/store/write.rs",
        "            self.kv().after_commit(move || followers.tell(table_id));\n",
        "            followers.tell(table_id);\n",
        (f"{FOLLOW}::a_table_without_a_stream_and_a_transaction_that_fails_tell_nothing",),
    ),
    Mutation(
        "tell-nobody-of-a-commit-that-turned-out",
        "A commit of which it turns out that it was made is told to nobody who waits for it.",
        "src/kv/retry.rs",
        "                    transaction.turned_out_committed();\n",
        "",
        ("--lib kv::contract::faults::a_commit_that_turns_out_to_have_been_made_is_followed_by_what_was_to_follow_it",),
    ),
    # Consumers.
    Mutation(
        "move-a-checkpoint-from-anywhere",
        "A checkpoint is moved though it is not where its consumer expects it.",
        "src/store/checkpoint.rs",
        "            && found.as_ref().map(|found| &found.place) != expected\n",
        "            && found.is_none()\n"
        "            && expected.is_some()\n",
        (
            f"{CHECKPOINTS}::a_checkpoint_moves_from_where_it_is_expected_and_from_nowhere_else",
            f"{CHECKPOINTS}::an_unknown_outcome_never_moves_a_checkpoint_twice",
        ),
    ),
    Mutation(
        "move-a-checkpoint-without-conflict",
        "A move reads where its checkpoint is without a conflict, so that two consumers of one name get on together.",
        "src/store/checkpoint.rs",
        "        let found = kv.get(&key, Isolation::Serializable).await?;\n"
        "        let found = found.map(",
        "        let found = kv.get(&key, Isolation::Snapshot).await?;\n"
        "        let found = found.map(",
        (f"{CHECKPOINTS}::of_two_moves_from_one_place_that_run_together_only_one_gets_on",),
    ),
    # Time to live. That a step looks at each row again only guards against a damaged index: it reads entries and rows in one
    # snapshot, and the rows with conflict, which `rows-without-conflict` takes away.
    Mutation(
        "expire-too-early",
        "A step deletes as well what expires within the next second.",
        "src/store/expire.rs",
        "        let (space, now) = (table.space(self), self.clock().now());\n",
        "        let (space, now) = (table.space(self), self.clock().now().plus_millis(1_000));\n",
        ("--lib store::tests::expiry::whatever_fails_each_item_is_deleted_once_and_only_when_it_has_expired",),
    ),
    Mutation(
        "expire-a-second-early",
        "Whoever looks takes an item for expired a second before it is.",
        "src/store/time_to_live.rs",
        "    let now = now.seconds();\n    (Number",
        "    let now = now.seconds() + 1;\n    (Number",
        (STREAMS,),
    ),
    Mutation(
        "expire-what-was-given-more-time",
        "A step reads rows outside of its transaction, so that nobody who changes them makes it conflict.",
        "src/store/expire.rs",
        "try_join_all(keys.iter().map(|key| transaction.row(table, key))).await? {\n",
        "try_join_all(keys.iter().map(|key| async move {\n"
        "                Transaction::new(self.clone(), self.database().begin()).row(table, key).await\n"
        "            }))\n"
        "            .await?\n"
        "            {\n",
        ("--test streams on_many_threads",),
    ),
    Mutation(
        "tell-twice-what-expired",
        "An item that expires leaves two change records.",
        "src/store/write.rs",
        "        self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n",
        "        self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n"
        "        if actor == Actor::TimeToLive {\n"
        "            self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;\n"
        "        }\n",
        (STREAMS,),
    ),
    Mutation(
        "leave-the-entry-of-what-expired",
        "The hidden index keeps the entry of an item that is deleted.",
        "src/store/time_to_live.rs",
        "        if let Some(old) = old {\n            self.kv().clear(&old)?;\n",
        "        if let Some(old) = old.filter(|_| new.is_some()) {\n            self.kv().clear(&old)?;\n",
        (STREAMS,),
    ),
    Mutation(
        "expire-what-is-older-than-five-years",
        "An item is deleted though it says that it expired five years ago.",
        "src/store/time_to_live.rs",
        "const OLDEST_SECONDS: i64 = 5 *",
        "const OLDEST_SECONDS: i64 = 6 *",
        (STREAMS,),
    ),
    Mutation(
        "leap-over-the-moments",
        "A clock that travels does not stop where items expire: they are deleted when it has arrived.",
        "src/store/advance.rs",
        "        self.pass_moments(to.millis().saturating_sub(self.clock().now().millis())).await?;\n",
        "        let _ = to;\n",
        (STREAMS,),
    ),
    Mutation(
        "expire-in-a-users-name",
        "What the service deletes is told as if a user had deleted it.",
        "src/store/expire.rs",
        "Change::Delete, Actor::TimeToLive)?;\n",
        "Change::Delete, Actor::User)?;\n",
        ("--lib store::tests::expiry::a_copy_goes_on_letting_items_expire",),
    ),
    # Stamps.
    Mutation(
        "reuse-a-stamp-in-memory",
        "Two neighbouring commits in memory get one stamp.",
        "src/kv/memory.rs",
        "        let stamp = Versionstamp::new(version, 0);\n",
        "        let stamp = Versionstamp::new(Version(version.0 | 1), 0);\n",
        ("--lib kv::contract::memory::stamped_keys_rise_from_commit_to_commit",),
    ),
    Mutation(
        "reuse-a-stamp-on-disk",
        "All commits of a round get one stamp.",
        "src/kv/disk/committer.rs",
        "        let batch = u16::try_from(self.admitted.len()).unwrap_or(u16::MAX);\n",
        "        let batch = 0;\n",
        ("--test crash nothing_acknowledged_is_lost_when_a_process_that_syncs_is_killed",),
    ),
    Mutation(
        "reuse-a-stamp-on-a-cluster",
        "The cluster is asked to set the key as it stands, instead of stamping it.",
        "src/kv/foundationdb/stamped.rs",
        "                let key = with_offset(stamped.key, stamped.offset);\n"
        "                transaction.atomic_op(&key, &stamped.value, MutationType::SetVersionstampedKey);\n",
        "                transaction.set(&stamped.key, &stamped.value);\n",
        ("--lib kv::contract::foundationdb_double::stamped_keys_rise", ON_A_CLUSTER),
    ),
    Mutation(
        "versions-begin-anew",
        "A database on disk forgets its last version when it is closed.",
        "src/kv/disk/mod.rs",
        "            version: progress.version,\n",
        "            version: Version::MIN,\n",
        ("--lib kv::disk::tests::versions_rise_over_restarts",),
    ),
    # Conflicts.
    Mutation(
        "drop-a-conflict",
        "A cleared range conflicts with nobody who read in it.",
        "src/kv/conflicts.rs",
        "        key_conflicts || written.ranges.iter().any(|(begin, end)| self.reads_in(begin, end))\n",
        "        key_conflicts\n",
        ("--lib kv::contract::memory::clearing_conflicts", "--lib kv::contract::disk::clearing_conflicts"),
    ),
    Mutation(
        "drop-a-conflict-within-a-round",
        "Commits of one round on disk are not checked against each other.",
        "src/kv/disk/committer.rs",
        "committed.iter().map(|footprint| &**footprint).chain(self.footprints());\n",
        "committed.iter().map(|footprint| &**footprint);\n",
        ("--lib kv::contract::disk_synced::threads_count_without_losing_one",),
    ),
    Mutation(
        "drop-a-conflict-on-a-cluster",
        "The client is not told what a range read looked at.",
        "src/kv/foundationdb/transaction.rs",
        "            Isolation::Serializable => self.add_conflict(&begin, &end, ConflictRangeType::Read),\n",
        "            Isolation::Serializable => Ok(()),\n",
        ("--lib kv::contract::foundationdb_double::a_phantom_in_a_read_range_is_refused",),
    ),
    Mutation(
        "rows-without-conflict",
        "A write reads the row it replaces without a conflict.",
        "src/store/write.rs",
        "self.kv().get(&row_key, Isolation::Serializable).await?) };\n",
        "self.kv().get(&row_key, Isolation::Snapshot).await?) };\n",
        (RACES,),
    ),
    # When a commit is told and seen.
    Mutation(
        "publish-early",
        "A round on disk is applied and published before the log has accepted it.",
        "src/kv/disk/committer.rs",
        "        if let Err(error) = bench.log.append(frame, shared.options.durability.is_synced()) {\n",
        "        let early = shared.tree.apply(result.clone().into_iter(), progress);\n"
        "        {\n"
        "            let mut state = shared.state.lock();\n"
        "            (state.version, state.sequence) = (progress.version, early);\n"
        "        }\n"
        "        if let Err(error) = bench.log.append(frame, shared.options.durability.is_synced()) {\n",
        ("--test faults whichever_call_fails_every_commit_is_there_or_has_failed",),
    ),
    Mutation(
        "acknowledge-what-the-log-refused",
        "A commit on disk succeeds although the log did not take it.",
        "src/kv/disk/committer.rs",
        "                admitted.promise.keep(Err(error.clone()));\n"
        "            }\n"
        "            return;\n"
        "        }\n"
        "        bench.progress = progress;\n",
        "                admitted.promise.keep(Ok(Some(admitted.stamp)));\n"
        "            }\n"
        "            drop(error);\n"
        "            return;\n"
        "        }\n"
        "        bench.progress = progress;\n",
        ("--test faults whichever_call_fails_every_commit_is_there_or_has_failed",),
    ),
    Mutation(
        "acknowledge-unsynced",
        "durability=\"fsync\" syncs no commit.",
        "src/kv/disk/committer.rs",
        "bench.log.append(frame, shared.options.durability.is_synced()) {\n",
        "bench.log.append(frame, false) {\n",
        ("--test faults after_a_loss_of_power_all_that_was_synced_is_there",),
    ),
    Mutation(
        "acknowledge-a-refused-commit-of-a-cluster",
        "A commit that the cluster refused is told as done.",
        "src/kv/foundationdb/transaction.rs",
        "            return Err(error::of_commit(**error));\n",
        "            let _ = error;\n            return Ok(Some(Versionstamp::MIN));\n",
        ("--lib kv::contract::foundationdb_double::write_skew_is_refused", ON_A_CLUSTER),
    ),
    # Unknown outcomes.
    Mutation(
        "fence-without-a-mark",
        "A fence that finds no commit leaves no mark, so that a late attempt lands and the body runs again.",
        "src/kv/retry.rs",
        "        transaction.set(id, [FENCED].as_slice())?;\n",
        "",
        (
            "--lib kv::contract::faults::a_late_attempt_never_lands_after_its_fence",
            "--lib kv::contract::clusters::a_late_blind_write_never_lands",
        ),
    ),
    Mutation(
        "late-attempts-pass-the-fence",
        "An attempt does not conflict with the mark of its fence.",
        "src/kv/retry.rs",
        "    transaction.add_read_conflict_key(id)?;\n",
        "",
        (
            "--lib kv::contract::faults::a_late_blind_write_never_lands",
            "--lib kv::contract::clusters::a_late_blind_write_never_lands",
        ),
    ),
    Mutation(
        "unknown-is-not-done",
        "After an unknown outcome the body runs again without a fence.",
        "src/kv/retry.rs",
        "                let settled = self.settle(id, removed.as_deref(), error).await?;\n",
        "                let _ = (id, removed);\n"
        "                let settled = Attempt::Again(error);\n",
        (
            "--lib kv::contract::faults::every_kind_of_fault_fires_and_the_retry_loop_loses_and_doubles_nothing",
            "--lib kv::contract::clusters::under_every_code_the_retry_loop_loses_and_doubles_nothing",
            ANY_ENGINE,
        ),
    ),
    Mutation(
        "unknown-is-done",
        "An unknown outcome is taken for a commit.",
        "src/kv/retry.rs",
        "                let settled = self.settle(id, removed.as_deref(), error).await?;\n",
        "                let _ = (id, removed, error);\n"
        "                let settled = Attempt::Committed(None);\n",
        (
            "--lib kv::contract::faults::every_kind_of_fault_fires_and_the_retry_loop_loses_and_doubles_nothing",
            "--lib kv::contract::clusters::under_every_code_the_retry_loop_loses_and_doubles_nothing",
            ANY_ENGINE,
        ),
    ),
    # Schemas and background work.
    Mutation(
        "no-schema-fence",
        "A stale definition is believed.",
        "src/store/schema.rs",
        "        if stored.as_deref() == Some(&table.version.to_be_bytes()[..]) {\n",
        "        if stored.is_some() {\n",
        (f"{STORE} a_stale_schema_writes_nothing", "--lib store::tests::processes::a_schema_changed_by_one_process"),
    ),
    Mutation(
        "a-schema-fence-without-conflict",
        "A write reads its table's version without a conflict.",
        "src/store/write.rs",
        "        self.store().fence(self.kv(), table, Isolation::Serializable).await\n",
        "        self.store().fence(self.kv(), table, Isolation::Snapshot).await\n",
        (f"{STORE} schema_changes_race_writers_and_nothing_is_lost",),
    ),
    Mutation(
        "no-lease",
        "Maintenance goes on though another process has the lease.",
        "src/store/lease.rs",
        "            if holds && lease.holder != self.0.worker {\n",
        "            if holds && lease.holder != self.0.worker && lease.until_millis == 0 {\n",
        ("--lib store::tests::processes::one_process_at_a_time_maintains",),
    ),
    Mutation(
        "forget-a-request-token",
        "A transaction's client token is not stored with it.",
        "src/store/token.rs",
        "        self.kv().set(&keys.token(realm.names(), token), keyspace::encode_versioned_json(FORMAT, value)?)?;\n",
        "",
        (ANY_ENGINE,),
    ),
    # Large items, trimming, indexes, copies.
    Mutation(
        "trim-without-free",
        "A trimmed record leaves the large item it owned behind.",
        "src/store/trim.rs",
        "                release(kv, &space, blob).await?;\n",
        "                let _ = (release, blob);\n",
        (f"{STORE} a_large_item_is_stored_once_and_freed_when_its_last_record_is_trimmed", ANY_ENGINE),
    ),
    Mutation(
        "free-what-records-show",
        "A large item is freed with its row though records of a closed stream point to it.",
        "src/store/write.rs",
        "                Some(blob) if table.latest_stream_label.is_some() => "
        "self.put_record(id, space, &Record::release(blob)),\n",
        "",
        (f"{STORE} a_blob_that_a_closed_streams_records_show_outlives_its_row",),
    ),
    # What is kept of the past.
    Mutation(
        "log-nothing",
        "Changes are not logged, though recovery to a point in time is on.",
        "src/store/write.rs",
        "        if table.is_logged() {\n",
        "        if table.is_logged() && table.version == 0 {\n",
        (IN_MEMORY, f"{RESTORES}::a_backup_is_the_table_as_it_was"),
    ),
    Mutation(
        "restore-a-millisecond-before",
        "What was committed at the very moment that is restored is left out.",
        "src/store/history.rs",
        "position_at(at.plus_millis(1))",
        "position_at(at)",
        (IN_MEMORY,),
    ),
    Mutation(
        "undo-to-the-last-change",
        "An item is restored to what it was before its last change, not before the first one after the moment.",
        "src/store/past.rs",
        "            if place >= before && !changed.contains_key(&row) {\n",
        "            if place >= before {\n",
        (IN_MEMORY, f"{RESTORES}::the_past_is_read_page_by_page"),
    ),
    Mutation(
        "restore-what-was-made-since",
        "An item that was not there at the moment is restored as it is now.",
        "src/store/past.rs",
        "        sources.entry(pair.key.to_vec()).or_insert(Source::Row(pair.value));\n",
        "        sources.insert(pair.key.to_vec(), Source::Row(pair.value));\n",
        (IN_MEMORY, f"{RESTORES}::a_backup_is_the_table_as_it_was"),
    ),
    Mutation(
        "trim-what-is-held",
        "The log is trimmed though something is being filled from it.",
        "src/store/history.rs",
        "            needed = Some(needed.map_or(held, |needed| needed.min(held)));\n",
        "            needed = needed.map(|needed| needed.min(held));\n",
        (f"{RESTORES}::a_restore_to_a_moment_outlives_the_end_of_the_recovery",),
    ),
    Mutation(
        "sweep-what-is-held",
        "The rows of a deleted table are swept while a backup is being made of them.",
        "src/store/sweep.rs",
        "        if !matches!(job.swept, Swept::Index(_)) && self.is_held(kv, id.table).await? {\n",
        "        if matches!(job.swept, Swept::Index(_)) && self.is_held(kv, id.table).await? {\n",
        (f"{RESTORES}::a_table_that_is_deleted_stays", IN_MEMORY),
    ),
    Mutation(
        "free-what-the-log-shows",
        "A large item that is replaced is freed at once though the log shows it.",
        "src/store/write.rs",
        "                Some(_) if table.is_logged() => Ok(()),\n",
        "",
        (IN_MEMORY,),
    ),
    Mutation(
        "forget-that-two-own-a-blob",
        "No note says that a change record and a logged change both show a large item.",
        "src/store/history.rs",
        "            self.kv().set(&space.owned_twice(blob), &[][..])?;\n",
        "            let _ = blob;\n",
        (f"{RESTORES}::a_large_item_lives_as_long_as_a_stream_or_the_log_shows_it", IN_MEMORY),
    ),
    Mutation(
        "trim-too-soon",
        "Records are trimmed after 20 hours.",
        "src/store/mod.rs",
        "record_retention_millis: 24 * 60 * 60 * 1000, buckets: None }\n",
        "record_retention_millis: 20 * 60 * 60 * 1000, buckets: None }\n",
        (f"{STORE} streams_outlive_their_table_by_24_hours_and_close", ANY_ENGINE),
    ),
    Mutation(
        "leave-an-old-entry",
        "An index keeps the entry of what an item was before.",
        "src/store/write.rs",
        "            self.kv().clear(&old_entry.key)?;\n",
        "            let _ = old_entry;\n",
        (f"{STORE} indexes_follow_their_items_and_are_filled_when_added_late", ANY_ENGINE),
    ),
    Mutation(
        "keep-an-old-vector",
        "An item whose vector changes keeps the old one in the index, as long as the entry's key is the same.",
        "src/store/write.rs",
        "            && old_entry.as_ref() != Some(new_entry)\n",
        "            && old_entry.as_ref().is_none_or(|old_entry| old_entry.key != new_entry.key)\n",
        ("--lib store::tests::vectors::an_index_of_vectors", ANY_ENGINE),
    ),
    Mutation(
        "search-one-page",
        "A search of vectors ends behind its first page.",
        "src/store/search.rs",
        "                Some(pair) if page.more => progress.left.clone().after(&pair.key),\n",
        "                Some(_) if page.pairs.is_empty() => progress.left.clone(),\n",
        ("--lib store::tests::vectors::a_search_that_takes",),
    ),
    Mutation(
        "show-what-has-left-the-index",
        "A search of several snapshots shows items by the scores that they had in an earlier one.",
        "src/store/search.rs",
        "            if !at_once {\n",
        "            if false {\n",
        ("--lib store::tests::vectors::what_changes_between",),
    ),
    Mutation(
        "nearest-last",
        "A search of vectors keeps the farthest instead of the nearest.",
        "src/store/search.rs",
        ".filter(|farthest| candidate < **farthest)",
        ".filter(|farthest| candidate > **farthest)",
        (ANY_ENGINE,),
    ),
    Mutation(
        "a-copy-without-an-incarnation",
        "A copy goes on under its source's incarnation, so that its sequence numbers may fall.",
        "src/store/copy.rs",
        "            transaction.set(&keyspace.incarnation(), &self.incarnation.to_be_bytes()[..])?;\n",
        "            transaction.set(&keyspace.incarnation(), &state.source_incarnation.to_be_bytes()[..])?;\n",
        ("--test copy streams_go_on_over_the_seam_between_any_two_engines",),
    ),
    # What a crash leaves of a database on disk.
    Mutation(
        "take-damage-for-a-torn-end",
        "A log that is damaged in its middle is cut off there, without a word.",
        "src/kv/disk/log.rs",
        "        if frame::any_behind(self.number, &self.bytes, self.end, self.last) {\n",
        "        if self.end > self.bytes.len() {\n",
        (
            "--lib kv::disk::log::tests::damage_with_commits_of_the_same_segment_behind_it",
            "--lib kv::disk::tests::damage_anywhere_is_an_error_and_never_a_silent_loss",
        ),
    ),
    Mutation(
        "keep-a-torn-end",
        "What tore stays in the log, and the next commit is written behind it.",
        "src/kv/disk/log.rs",
        "        let frames = self.bytes.get(..self.end).unwrap_or_default();\n",
        "        let frames = self.bytes.as_slice();\n",
        ("--lib kv::disk::tests::a_torn_end_is_cut_off_wherever_it_tore",),
    ),
    Mutation(
        "believe-any-frame",
        "The checksum of a frame of the log is not looked at.",
        "src/kv/disk/frame.rs",
        "    if length > MAX_PAYLOAD || checksum(payload, segment, offset as u64) != expected {\n",
        "    if length > MAX_PAYLOAD || checksum(payload, segment, offset as u64) == expected.wrapping_add(1) {\n",
        ("--lib kv::disk::frame::tests", "--lib kv::disk::tests::damage_anywhere_is_an_error"),
    ),
    Mutation(
        "forget-what-is-in-memory",
        "A get is not told that a key is in memory, and looks in tables alone.",
        "src/kv/disk/tree.rs",
        "            self.unflushed.note(TableFilter::get_hash(&key));\n",
        "",
        ("--lib kv::contract::disk::random_transactions_read_and_leave_what_a_naive_map_does",),
    ),
    Mutation(
        "read-what-was-merged-away",
        "An earlier snapshot reads tables that have lost what it sees.",
        "src/kv/disk/unflushed.rs",
        "        (sequence >= state.since && !in_memory).then(|| Arc::clone(&state.tables))\n",
        "        (!in_memory).then(|| Arc::clone(&state.tables))\n",
        (
            "--lib kv::disk::unflushed::tests::what_was_noted_is_in_memory_until_it_is_in_tables",
            "--lib kv::disk::tests::a_snapshot_stays_as_it_was_while_the_tree_is_flushed_and_merged",
        ),
    ),
    Mutation(
        "remove-the-log-unflushed",
        "The log is removed before the tree holds what was in it.",
        "src/kv/disk/worker.rs",
        "        self.tree.flush(self.oldest_read())?;\n",
        "",
        ("--lib kv::disk::tests::what_was_committed_is_there_after_a_kill_between_any_two_commits",),
    ),
    # HTTP.
    Mutation(
        "believe-any-signature",
        "A signature is not compared with the right one.",
        "src/http/verify.rs",
        "                mac.verify_slice(&given).is_ok()\n",
        "                mac.verify_slice(&given).is_ok() || !given.is_empty()\n",
        ("--lib http::verify::tests::what_was_signed_passes", "--test http with_credentials_a_signature"),
    ),
    Mutation(
        "cut-off-what-is-under-way",
        "A server that stops does not wait for the requests under way.",
        "src/http/server.rs",
        "    drop(tokio::time::timeout(grace, door.emptied()).await);\n",
        "    let _ = grace;\n",
        ("--test http a_server_that_stops_answers_what_is_under_way",),
    ),
    Mutation(
        "keep-who-is-quiet",
        "At the limit of connections the new one waits until another one goes by itself.",
        "src/http/door.rs",
        "            self.door.make_room();\n            freed.await;\n",
        "            freed.await;\n",
        ("--test http a_thousand_idle_connections",),
    ),
]
