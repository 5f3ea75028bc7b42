//! The compatibility page: every operation and parameter done, different or absent, from the table of operations itself.
//!
//! `docs/compatibility.md` is this module's output; a test compares the two. After a change run
//! `make compatibility` and commit the page.

use std::fmt::{self, Write};

use super::operations::{Operation, Service};
use super::parameters::{Parameter, Status};

/// What differs from DynamoDB beyond single parameters.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "One shard",
        "A stream has one logical shard, so its records have one total order. DynamoDB divides a stream into shards that \
         split and end; a consumer that follows shards finds here one that stays open until the stream is closed.",
    ),
    (
        "Consistency",
        "Reads are strictly serializable and indexes are written in the item's own transaction: what was written is read \
         at once, through global indexes too. `ConsistentRead` changes only the capacity that is reported.",
    ),
    (
        "Table states",
        "Tables and indexes are usable as soon as the operation that makes them answers. `CreateTable` answers CREATING as \
         on AWS, `DescribeTable` says ACTIVE from then on; `UpdateTable` has added or removed an index, its entries \
         included, when it answers; a deleted table is gone at once.",
    ),
    (
        "Conflicts",
        "Conflicts between concurrent transactions are retried inside the call. TransactionConflictException and \
         TransactionInProgressException do not occur. After 1,000 attempts, or a minute, a TransactWriteItems is cancelled, \
         with TransactionConflict as the reason of each of its items; any other request gets an InternalServerError. \
         Nothing has been written then.",
    ),
    (
        "Capacity",
        "Consumed capacity is reported by DynamoDB's rules and never throttled. \
         Attributes that a local index does not hold are fetched without being charged.",
    ),
    (
        "Batches",
        "`BatchWriteItem` leaves items unprocessed only if storage fails after a part of the batch was written; if it fails \
         before, the call fails and nothing is written. `BatchGetItem` leaves keys unprocessed when its answer reaches \
         16 MB.",
    ),
    (
        "Transactions",
        "What one request writes in one transaction (items, index entries, change records, and what was read for them) is bounded by 10,000,000 bytes, as on FoundationDB. A TransactWriteItems within DynamoDB's own limits fits unless long keys stand in many index entries: an entry holds the index's key and the table's (one of a vector index the vector, too: 4 bytes a dimension), is counted once as written and once as in conflict, and the old entry of an item that is replaced counts likewise. A hundred items with table keys of 3,000 bytes and five indexes whose keys have 300 exceed it when all of them are replaced. Then it gets a ValidationException and nothing is written.",
    ),
    (
        "What a cluster cannot take",
        "Of the requests that DynamoDB takes, a FoundationDB cluster cannot take one: a `TransactWriteItems` whose one \
         transaction would exceed 10,000,000 bytes (see Transactions). It gets a ValidationException, on every engine alike, \
         before anything is written. Everything larger is done in steps: a `BatchWriteItem` is split between items, the \
         filling of new indexes (`UpdateTable`) and the return of a deleted table's space (`DeleteTable`) go on in whichever \
         process is left if one ends.",
    ),
    (
        "Wording",
        "Messages are AWS's where they are known. Ours is the wording for attribute names that are empty or longer than \
         65,535 bytes, for placeholders longer than 255 bytes, and for names and values of more than 2 MB behind a \
         request's placeholders; the end of the messages about a policy's revision and a missing Kinesis destination; for the \
         members of GetShardIterator and DescribeStream that contradict each other or are missing, for sequence numbers, \
         iterators and ARNs that name nothing, for an ARN of another region, and for a timestamp in the future. That records \
         are trimmed or an iterator is too old is said in the words of botocore's model. GetRecords with a `Limit` out of \
         bounds is a ValidationException, where the model also names LimitExceededException. `Value` beside \
         `ComparisonOperator` in `Expected` is accepted, as DynamoDB is reported to \
         do, although its documentation says otherwise.",
    ),
    (
        "PartiQL",
        "Statements are lowered onto the same conditions, updates, reads and writes as every other operation. Messages are \
         AWS's where they have been seen. Ours is the wording for trees more than 200 levels deep, statements within \
         statements, sets of mixed types, names of maps that are no texts, items to insert that are no maps, an empty IN list, \
         ORDER BY of something else than an attribute, EXISTS outside of a transaction, a mix of reads and writes, and a \
         NextToken that is none; not confirmed is that of ORDER BY's refusals, of a LIMIT clause, of a wrong number of \
         parameters, and of most of what stands behind `Expected`. Statements of a batch are run in their order. A SELECT by several partition keys that is \
         ordered by the sort key alone is in that order within a page. What a local index reaches back to the table for is \
         not charged.",
    ),
    (
        "Vector search",
        "`SearchVectors` compares every vector of the partition: its answers are exact, where DynamoDB's are approximate, and \
         `VectorSearchRequestBytes` counts all of them. Search conditions on INLINE_FILTER attributes take what botocore's model \
         and the newer Developer Guide promise (comparisons, BETWEEN, IN, OR, NOT, begins_with, attribute_exists and \
         attribute_not_exists); in August 2026 DynamoDB took equality alone. Messages are AWS's where they have been seen. Ours is \
         the wording for a vector's number beyond 32-bit floats, for conditions on nested attributes or between attributes, for a \
         vector attribute that is a key, for too many or repeated elements of a search schema, for more than 20 projected \
         attributes, for answers of more than 16 MB, and for VectorIndexUpdates that contradict themselves.",
    ),
    (
        "Statistics",
        "`ItemCount`, `TableSizeBytes` and those of indexes are exact at every moment; DynamoDB refreshes them every six \
         hours. Item collection sizes are always given as between 0 and 1 GB, and there is no limit of 10 GB.",
    ),
    (
        "Settings without effect",
        "Throughput, warm throughput, table classes, encryption, Kinesis destinations, Contributor Insights and auto scaling are \
         validated, kept and described; nothing is throttled, encrypted, streamed, measured or scaled by them. Point-in-time \
         recovery is so far a setting too: the times that can be restored are told by the database's clock, but nothing can be \
         restored. AWS's limits on changes (four decreases of throughput a day and then one an hour, two changes of table \
         class in 30 days, four of encryption in 24 hours) hold by the database's clock; its short locks after a change of tags, \
         policies or deletion protection do not. The account's throughput quotas are told by `DescribeLimits` and not imposed.",
    ),
    (
        "Policies",
        "Resource policies are kept with their revisions and validated as documents. No request is refused because of one: \
         whoever has the database may do everything. `ConfirmRemoveSelfResourceAccess` therefore has nothing to confirm.",
    ),
    (
        "Tags",
        "`TagResource`, `UntagResource` and `ListTagsOfResource` on a table that does not exist answer AccessDeniedException if \
         the ARN names another account or the database's account is 000000000000, else ResourceNotFoundException.",
    ),
    (
        "Replicas",
        "Replicas and global tables of both versions are validated, kept and described as if ACTIVE at once. There is no second \
         copy: no data goes to another region, and a replica's region has no table of that name. A table with provisioned \
         capacity gets replicas without the auto scaling that AWS demands first. `CreateGlobalTable` works, although AWS no \
         longer makes new global tables of version 2017.11.29.",
    ),
    (
        "Time to live",
        "An item expires when the clock reaches the second that its attribute names (a number; a fraction counts as the next \
         second), and is deleted about a second later (`ttl_interval`), on AWS within days. Numbers five years (of 365 days) \
         or longer in the past are no times, as on AWS. `UpdateTimeToLive` is in force when it answers; the next one is \
         refused for an hour of the database's clock, as AWS documents.",
    ),
    (
        "Record times",
        "A change record's time is the time of its transaction's commit on the database's own clock, in whole seconds as \
         on AWS; `AT_TIMESTAMP` goes by its milliseconds, so a record told as of second 10 may lie behind 10.3. A clock set \
         to before 1970 has records of 1970.",
    ),
];

/// The page.
pub fn markdown() -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _infallible = write_page(&mut page);
    page
}

fn write_page(page: &mut String) -> fmt::Result {
    writeln!(page, "# Compatibility\n")?;
    writeln!(
        page,
        "This page is generated from the table of operations (`src/api/operations.rs`), and a test keeps it so. It lists \
         every operation of DynamoDB and DynamoDB Streams in botocore's model and every parameter of those that fdyno \
         implements: done, different (and how), or absent. An absent operation answers UnknownOperationException, an \
         absent parameter ValidationException; both name what is missing.\n"
    )?;
    writeln!(page, "## Differences\n")?;
    for (title, text) in DIFFERENCES {
        writeln!(page, "* **{title}.** {text}")?;
    }
    for (service, title) in [(Service::DynamoDb, "DynamoDB"), (Service::Streams, "DynamoDB Streams")] {
        let mut operations: Vec<Operation> =
            Operation::all().iter().copied().filter(|operation| operation.service() == service).collect();
        operations.sort_unstable_by_key(|operation| operation.name());
        let done = operations.iter().filter(|operation| operation.status() != Status::Absent).count();
        writeln!(page, "\n## {title}: {done} of {} operations\n", operations.len())?;
        writeln!(page, "| operation | status |\n| --- | --- |")?;
        for operation in &operations {
            writeln!(page, "| {} | {} |", operation.name(), status(operation.status()))?;
        }
        for operation in operations {
            if !operation.parameters().is_empty() {
                write_parameters(page, operation)?;
            }
        }
    }
    Ok(())
}

fn write_parameters(page: &mut String, operation: Operation) -> fmt::Result {
    writeln!(page, "\n### {}\n", operation.name())?;
    let names = |wanted: Status| -> Vec<String> {
        let parameters = operation.parameters().iter().filter(|parameter| parameter.status == wanted);
        parameters.map(|parameter| format!("`{}`", parameter.name)).collect()
    };
    writeln!(page, "* done: {}", names(Status::Done).join(", "))?;
    for Parameter { name, status } in operation.parameters() {
        if let Status::Different(how) = status {
            writeln!(page, "* different: `{name}`: {how}")?;
        }
    }
    let absent = names(Status::Absent);
    if !absent.is_empty() {
        writeln!(page, "* absent: {}", absent.join(", "))?;
    }
    Ok(())
}

fn status(status: Status) -> String {
    match status {
        Status::Done => "done".to_owned(),
        Status::Different(how) => format!("different: {how}"),
        Status::Absent => "absent".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");

    /// Operations and the members of their inputs, from botocore's models: a line each, `service Operation Member …`.
    const MODEL: &str = include_str!("../../tests/data/operations.txt");

    fn model() -> impl Iterator<Item = (&'static str, &'static str, BTreeSet<&'static str>)> {
        MODEL.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?, words.collect()))
        })
    }

    #[test]
    fn the_committed_page_is_what_the_table_says() -> std::io::Result<()> {
        if std::env::var_os("FDYNO_WRITE_DOCS").is_some() {
            std::fs::write(PAGE, markdown())?;
        }
        assert_eq!(
            std::fs::read_to_string(PAGE)?,
            markdown(),
            "run `make compatibility`, which is `FDYNO_WRITE_DOCS=1 cargo test --lib the_committed_page`"
        );
        Ok(())
    }

    #[test]
    fn the_table_lists_the_operations_of_the_models_and_no_others() {
        let listed: BTreeSet<_> =
            Operation::all().iter().map(|operation| (operation.service().name(), operation.name())).collect();
        let modelled: BTreeSet<_> = model().map(|(service, name, _)| (service, name)).collect();
        assert_eq!(listed, modelled);
        assert_eq!(listed.len(), Operation::all().len());
    }

    #[test]
    fn every_parameter_of_an_implemented_operation_has_a_status() {
        for (service, name, members) in model() {
            let Some(operation) = Operation::find(service, name) else { continue };
            if operation.status() == Status::Absent {
                continue;
            }
            let names =
                || operation.parameters().iter().map(|parameter| parameter.name).filter(|name| !name.contains('.'));
            assert_eq!(names().collect::<BTreeSet<_>>(), members, "{name}");
            assert_eq!(names().count(), members.len(), "{name}");
        }
    }

    #[test]
    fn every_parameter_of_an_implemented_operation_is_read_and_unknown_ones_are_not() {
        for (service, name, members) in model() {
            let Some(operation) = Operation::find(service, name) else { continue };
            if operation.status() == Status::Absent {
                continue;
            }
            for member in members {
                let body = format!(r#"{{"{member}":null}}"#);
                assert!(crate::api::json::request(operation, body.as_bytes()).is_ok(), "{name}.{member}");
            }
            assert!(crate::api::json::request(operation, br#"{"Frobnicate":null}"#).is_err(), "{name}");
        }
    }
}
