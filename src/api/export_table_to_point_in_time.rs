//! ExportTableToPointInTime: begins to write a table's items to a bucket. What the steps do is in `exchanges::export`.

use serde::{Deserialize, Serialize};

use super::constraints::{Constraints, values};
use super::continuous_backups::table_not_found;
use super::exchanges::export::{Export, Incremental, Place};
use super::exchanges::import::Status;
use super::exchanges::{self, Course, FilterSpecification, Kind};
use super::export_description::{ExportDescription, IncrementalExportSpecification};
use super::json;
use super::parameters::{Parameter, different, done};
use super::resource::TableName;
use super::transact_write_items::digest;
use super::wire::Timestamp;
use crate::clock;
use crate::error::Error;
use crate::store::{Exchange, Realm, Store, Table};

pub const PARAMETERS: &[Parameter] = &[
    done("TableArn"),
    done("ExportTime"),
    done("ClientToken"),
    different("S3Bucket", "a folder"),
    different("S3BucketOwner", "kept and shown"),
    done("S3Prefix"),
    different("S3SseAlgorithm", "kept and shown; nothing is encrypted"),
    different("S3SseKmsKeyId", "kept and shown; nothing is encrypted, and a key need not exist"),
    done("ExportFormat"),
    done("ExportType"),
    done("IncrementalExportSpecification"),
    done("FilterSpecification"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_arn: Option<String>,
    export_time: Option<Timestamp>,
    client_token: Option<String>,
    s3_bucket: Option<String>,
    s3_bucket_owner: Option<String>,
    s3_prefix: Option<String>,
    s3_sse_algorithm: Option<String>,
    s3_sse_kms_key_id: Option<String>,
    export_format: Option<String>,
    export_type: Option<String>,
    incremental_export_specification: Option<IncrementalExportSpecification>,
    filter_specification: Option<FilterSpecification>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub export_description: ExportDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let (arn, bucket) = input.check()?;
    exchanges::buckets(store)?;
    exchanges::check_writable(input.s3_prefix.as_deref())?;
    let name = TableName::parse(realm, arn)?;
    let table = store.current_table(&name.realm, name.name).await;
    let table = table.map_err(|error| table_not_found(error, name.name))?;
    let filter = input.filter_specification.as_ref();
    if let Some(filter) = filter {
        filter.parse(&table.key)?;
    }
    let filter = filter.map(json::encode).transpose()?.map(|text| String::from_utf8_lossy(&text).into_owned());
    let now = store.clock().now();
    let (at, as_of, incremental) = match input.span(now)? {
        None => {
            let at = moment(&table, input.export_time, now)?;
            (at, store.as_of(&name.realm, name.name, input.export_time.map(|_| at)).await, None)
        }
        Some((from, to, view)) => {
            let (from, to) = (moment(&table, Some(from), now)?, moment(&table, Some(to), now)?);
            // Everything before the first millisecond, and before the last.
            let before = |at: clock::Timestamp| at.plus_millis(-1);
            let since = store.as_of(&name.realm, name.name, Some(before(from))).await;
            let since = since.map_err(|error| table_not_found(error, name.name))?;
            let incremental = Incremental { from_millis: from.millis(), from: since, view: view.to_owned() };
            (to, store.as_of(&name.realm, name.name, Some(before(to))).await, Some(incremental))
        }
    };
    let as_of = as_of.map_err(|error| table_not_found(error, name.name))?;
    exchanges::check_quota(store, &name.realm, Kind::Export).await?;

    let exchange = Kind::Export.new_exchange(store, &name.realm, name.name);
    let export = Export {
        course: Course::begin(store, input.client_token.as_deref()),
        table: name.name.to_owned(),
        table_uuid: table.uuid.clone(),
        at_millis: at.millis(),
        as_of,
        incremental,
        bucket: bucket.to_owned(),
        owner: input.s3_bucket_owner.clone(),
        prefix: input.s3_prefix.clone(),
        sse_algorithm: input.s3_sse_algorithm.clone(),
        sse_key: input.s3_sse_kms_key_id.clone(),
        format: input.export_format.clone().unwrap_or_else(|| "DYNAMODB_JSON".to_owned()),
        filter,
        key_schema: table.key.clone(),
        status: Status::InProgress,
        place: Place::default(),
        items: 0,
        bytes: 0,
    };
    let asked = (
        (arn, input.export_time.map(|at| at.0.millis()), bucket, &export.owner, &export.prefix),
        (&export.sse_algorithm, &export.sse_key, &export.format, &export.filter),
        (&input.export_type, input.incremental_export_specification.as_ref().map(asked_span)),
    );
    let (digest, token) = (&digest(&asked)?, input.client_token.as_deref());
    let (realm, exchange, export) = (&*name.realm, &exchange, &export);
    let (exchange, export): (Exchange, Export) = store
        .transact(|transaction| async move {
            if let Some(earlier) = exchanges::repeated(&transaction, realm, token, digest).await? {
                return Ok(earlier);
            }
            exchanges::begin(&transaction, exchange, export, digest)?;
            Ok((exchange.clone(), export.clone()))
        })
        .await?;
    exchanges::keep_working(store)?;
    Ok(Output { export_description: ExportDescription::new(&exchange, export)? })
}

/// The moment that is asked for, now if none is.
fn moment(table: &Table, asked: Option<Timestamp>, now: clock::Timestamp) -> Result<clock::Timestamp, Error> {
    let name = &table.name;
    let Some(recovery) = table.settings.point_in_time else {
        return Err(Error::PointInTimeRecoveryUnavailable(format!(
            "Point in time recovery is not enabled for table '{name}'"
        )));
    };
    let Some(Timestamp(at)) = asked else { return Ok(now) };
    if at < recovery.earliest(now) || at > now {
        return Err(Error::InvalidExportTime(
            "The specified ExportTime is outside of the point in time recovery window".to_owned(),
        ));
    }
    Ok(at)
}

/// What a specification asks for, as a digest takes it.
fn asked_span(given: &IncrementalExportSpecification) -> (Option<i64>, Option<i64>, Option<&str>) {
    let millis = |at: Option<Timestamp>| at.map(|at| at.0.millis());
    (millis(given.export_from_time), millis(given.export_to_time), given.export_view_type.as_deref())
}

/// The shortest and the longest time whose changes can be exported. Source: Amazon DynamoDB Developer Guide, "Requesting a
/// table export".
const SHORTEST_MILLIS: i64 = 15 * 60 * 1000;
const LONGEST_MILLIS: i64 = 24 * 60 * 60 * 1000;

impl Input {
    /// The time whose changes are asked for, if any are, and the view of them.
    fn span(&self, now: clock::Timestamp) -> Result<Option<(Timestamp, Timestamp, &str)>, Error> {
        let given = self.incremental_export_specification.as_ref();
        let invalid = |text: &str| Error::Validation(format!("One or more parameter values were invalid: {text}"));
        let given = match (self.export_type.as_deref(), given) {
            (Some("INCREMENTAL_EXPORT"), Some(given)) => given,
            (Some("INCREMENTAL_EXPORT"), None) => {
                return Err(invalid(
                    "IncrementalExportSpecification must be specified if ExportType is INCREMENTAL_EXPORT",
                ));
            }
            (_, Some(_)) => {
                return Err(invalid(
                    "IncrementalExportSpecification can be specified only if ExportType is INCREMENTAL_EXPORT",
                ));
            }
            (_, None) => return Ok(None),
        };
        if self.export_time.is_some() {
            return Err(invalid("ExportTime cannot be specified if ExportType is INCREMENTAL_EXPORT"));
        }
        let from = given.export_from_time.ok_or_else(|| invalid("ExportFromTime must be specified"))?;
        let to = given.export_to_time.unwrap_or(Timestamp(now));
        let length = to.0.millis().saturating_sub(from.0.millis());
        if !(SHORTEST_MILLIS..=LONGEST_MILLIS).contains(&length) {
            return Err(invalid("ExportFromTime and ExportToTime must be between 15 minutes and 24 hours apart"));
        }
        Ok(Some((from, to, given.export_view_type.as_deref().unwrap_or("NEW_AND_OLD_IMAGES"))))
    }

    fn check(&self) -> Result<(&String, &String), Error> {
        let mut constraints = Constraints::new();
        let arn = constraints.required("tableArn", &self.table_arn);
        if let Some(arn) = arn {
            constraints.length("tableArn", arn, 1, 1024);
        }
        exchanges::check_token(&mut constraints, self.client_token.as_deref());
        let bucket = exchanges::check_bucket(&mut constraints, "s3Bucket", &self.s3_bucket);
        exchanges::check_owner(&mut constraints, "s3BucketOwner", self.s3_bucket_owner.as_deref());
        exchanges::check_prefix(&mut constraints, "s3Prefix", self.s3_prefix.as_deref());
        constraints.one_of("s3SseAlgorithm", self.s3_sse_algorithm.as_deref(), values::SSE_TYPE);
        if let Some(key) = &self.s3_sse_kms_key_id {
            constraints.length("s3SseKmsKeyId", key, 1, 2048);
        }
        constraints.one_of("exportFormat", self.export_format.as_deref(), values::EXPORT_FORMAT);
        let view = self.incremental_export_specification.as_ref().and_then(|given| given.export_view_type.as_deref());
        let path = "incrementalExportSpecification.exportViewType";
        constraints.one_of(path, view, values::EXPORT_VIEW_TYPE);
        constraints.one_of("exportType", self.export_type.as_deref(), values::EXPORT_TYPE);
        constraints.finish((arn, bucket))
    }
}
