//! Kinesis data streams as destinations of a table's changes: their shapes, and in which state what can be done with them.
//!
//! A destination is kept and shown and gets nothing: consumers read the table's own stream. States follow at once: an answer
//! says that a change has begun, the next description that it is done. As measured on AWS (the notes published as
//! ack-api-quirks, findings DDB-TABLE-268, 299 to 304 and 318, October 2026), where a stream that is not there is found out
//! later; here none is looked for. How the message about an unknown destination ends is ours.

use serde::{Deserialize, Serialize};

use super::constraints::{Constraints, values};
use crate::error::Error;
use crate::store::Precision;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConfigurationInput {
    pub approximate_creation_date_time_precision: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Configuration {
    pub approximate_creation_date_time_precision: &'static str,
}

impl ConfigurationInput {
    pub fn precision(&self) -> Option<Precision> {
        match self.approximate_creation_date_time_precision.as_deref()? {
            "MICROSECOND" => Some(Precision::Microsecond),
            _ => Some(Precision::Millisecond),
        }
    }
}

impl Configuration {
    pub const fn new(precision: Precision) -> Self {
        Self { approximate_creation_date_time_precision: precision_name(precision) }
    }
}

pub const fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Millisecond => "MILLISECOND",
        Precision::Microsecond => "MICROSECOND",
    }
}

/// The table and the stream, which a request must name; `path` is where its configuration stands.
pub fn check<'v>(
    table_name: &'v Option<String>,
    stream_arn: &'v Option<String>,
    path: &str,
    configuration: Option<&ConfigurationInput>,
) -> Result<(&'v str, &'v String), Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", table_name);
    let stream_arn = constraints.required("streamArn", stream_arn);
    if let Some(arn) = stream_arn {
        constraints.length("streamArn", arn, 37, 1024);
    }
    let precision = configuration.and_then(|given| given.approximate_creation_date_time_precision.as_deref());
    constraints.one_of(&format!("{path}.approximateCreationDateTimePrecision"), precision, values::PRECISION);
    constraints.finish((table_name, stream_arn))
}

pub fn invalid_state(why: &str) -> Error {
    Error::Validation(format!("Table is not in a valid state to enable Kinesis Streaming Destination: {why}"))
}
