//! ImportTable: begins to make a table of the objects of a bucket. What the steps do is in `exchanges::import`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::constraints::{Constraints, values};
use super::create_table;
use super::exchanges::import::{CsvOptions, FormatOptions, Import, Status};
use super::exchanges::{self, BucketSource, Course, Kind};
use super::import_description::ImportTableDescription;
use super::parameters::{Parameter, different, done};
use super::table_definition::{AttributeDefinition, IndexInput, KeySchemaElement, ThroughputInput};
use super::table_settings::{EncryptionInput, OnDemandInput};
use super::transact_write_items::digest;
use super::vector_indexes::VectorIndexInput;
use crate::error::Error;
use crate::store::{Exchange, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("ClientToken"),
    different("S3BucketSource", "the bucket is a folder; its owner is kept and shown"),
    different("InputFormat", "ION in its text form, a struct a line"),
    done("InputFormatOptions"),
    done("InputCompressionType"),
    done("TableCreationParameters"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    client_token: Option<String>,
    s3_bucket_source: Option<BucketSource>,
    input_format: Option<String>,
    input_format_options: Option<FormatOptions>,
    input_compression_type: Option<String>,
    table_creation_parameters: Option<TableParameters>,
}

/// A part of CreateTable's members.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TableParameters {
    table_name: Option<String>,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    key_schema: Option<Vec<KeySchemaElement>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputInput>,
    on_demand_throughput: Option<OnDemandInput>,
    #[serde(rename = "SSESpecification")]
    sse_specification: Option<EncryptionInput>,
    global_secondary_indexes: Option<Vec<IndexInput>>,
    vector_indexes: Option<Vec<VectorIndexInput>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub import_table_description: ImportTableDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let (source, format, parameters) = input.check()?;
    let parameters =
        without_nulls(serde_json::to_value(parameters).map_err(|error| Error::InternalServerError(error.to_string()))?);
    let creation: create_table::Input =
        serde_json::from_value(parameters.clone()).map_err(|error| Error::Serialization(error.to_string()))?;
    let within = Constraints::within("tableCreationParameters.");
    let (name, definition) = create_table::define(realm, &creation, within)?;
    exchanges::buckets(store)?;
    exchanges::check_quota(store, &name.realm, Kind::Import).await?;

    let uuid = store.clock().random_uuid();
    let exchange = Kind::Import.new_exchange(store, &name.realm, name.name);
    let import = Import {
        course: Course::begin(store, input.client_token.as_deref()),
        table_uuid: uuid.clone(),
        source: source.clone(),
        format: format.to_owned(),
        options: input.input_format_options.clone(),
        compression: input.input_compression_type.clone().unwrap_or_else(|| "NONE".to_owned()),
        parameters,
        status: Status::InProgress,
        place: exchanges::Place::default(),
        log_bytes: 0,
        errors: 0,
        processed_bytes: 0,
        processed_items: 0,
        imported_items: 0,
    };
    let asked = (&import.source, &import.format, &import.options, &import.compression, &import.parameters);
    let (digest, token) = (&digest(&asked)?, input.client_token.as_deref());
    let (realm, exchange, import, definition, uuid) = (&*name.realm, &exchange, &import, &definition, &uuid);
    let (exchange, import): (Exchange, Import) = store
        .transact(|transaction| async move {
            if let Some(earlier) = exchanges::repeated(&transaction, realm, token, digest).await? {
                return Ok(earlier);
            }
            transaction.create_table(realm, definition, uuid, true).await?;
            exchanges::begin(&transaction, exchange, import, digest)?;
            Ok((exchange.clone(), import.clone()))
        })
        .await?;
    store.forget_table(&exchange.realm, &exchange.table);
    exchanges::keep_working(store)?;
    Ok(Output { import_table_description: ImportTableDescription::new(&exchange, import) })
}

impl Input {
    fn check(&self) -> Result<(&BucketSource, &str, &TableParameters), Error> {
        let mut constraints = Constraints::new();
        exchanges::check_token(&mut constraints, self.client_token.as_deref());
        let source = constraints.required("s3BucketSource", &self.s3_bucket_source);
        if let Some(source) = source {
            source.check(&mut constraints, "s3BucketSource");
        }
        let format = constraints.required("inputFormat", &self.input_format);
        constraints.one_of("inputFormat", format.map(String::as_str), values::INPUT_FORMAT);
        let csv = self.input_format_options.as_ref().and_then(|options| options.csv.as_ref());
        if let Some(csv) = csv {
            check_csv(&mut constraints, csv);
        }
        constraints.one_of("inputCompressionType", self.input_compression_type.as_deref(), values::COMPRESSION);
        let parameters = constraints.required("tableCreationParameters", &self.table_creation_parameters);
        let (source, format, parameters) = constraints.finish((source, format, parameters))?;
        if csv.is_some() && format != "CSV" {
            return Err(Error::validation(
                "One or more parameter values were invalid: InputFormatOptions.Csv can be specified only if InputFormat is CSV",
            ));
        }
        Ok((source, format, parameters))
    }
}

/// Rules of botocore's model.
fn check_csv(constraints: &mut Constraints, csv: &CsvOptions) {
    if let Some(delimiter) = &csv.delimiter {
        let path = "inputFormatOptions.csv.delimiter";
        let holds = delimiter.chars().all(|letter| ",;:|\t ".contains(letter));
        constraints.pattern(path, delimiter, holds, "[,;:|\\t ]");
        constraints.length(path, delimiter, 1, 1);
    }
    if let Some(headers) = &csv.header_list {
        let path = "inputFormatOptions.csv.headerList";
        constraints.size(path, &format_args!("[{}]", headers.join(", ")), headers.len(), 1, 255);
        for (at, header) in headers.iter().enumerate() {
            let path = format!("{path}.{}.member", at + 1);
            let holds = header.bytes().all(|byte| (0x20..=0x7E).contains(&byte) && byte != b'"' && byte != b',');
            constraints.pattern(&path, header, holds, "[\\x20-\\x21\\x23-\\x2B\\x2D-\\x7E]*");
            constraints.length(&path, header, 1, 65_536);
        }
    }
}

/// Members that were not given are not told.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(n, value)| (n, without_nulls(value)))
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        value => value,
    }
}
