//! Tables and indexes as CreateTable and UpdateTable define them: their shapes, and the constraints on each part alone.

use serde::{Deserialize, Serialize};

use super::constraints::{Constraints, values};
use super::table_settings::{EncryptionInput, OnDemandInput, WarmInput};
use crate::error::Error;
use crate::store::{KeyAttribute, KeyKind, KeySchema, Projection, StreamViewType, Throughput};

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AttributeDefinition {
    pub attribute_name: Option<String>,
    pub attribute_type: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct KeySchemaElement {
    pub attribute_name: Option<String>,
    pub key_type: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ProjectionInput {
    pub projection_type: Option<String>,
    pub non_key_attributes: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ThroughputInput {
    pub read_capacity_units: Option<i64>,
    pub write_capacity_units: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct StreamSpecification {
    pub stream_enabled: Option<bool>,
    pub stream_view_type: Option<String>,
}

/// A local index, a global one, or the creation of a global one: the last two have throughput.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IndexInput {
    pub index_name: Option<String>,
    pub key_schema: Option<Vec<KeySchemaElement>>,
    pub projection: Option<ProjectionInput>,
    pub provisioned_throughput: Option<ThroughputInput>,
    pub on_demand_throughput: Option<OnDemandInput>,
    pub warm_throughput: Option<WarmInput>,
}

/// Largest capacity that DynamoDB takes for a number at all.
const MAX_THROUGHPUT: i64 = 1_000_000_000_000;

pub fn check_attributes(constraints: &mut Constraints, definitions: &[AttributeDefinition]) {
    for (at, definition) in definitions.iter().enumerate() {
        let path = format!("attributeDefinitions.{}.member", at + 1);
        let name_path = format!("{path}.attributeName");
        if let Some(name) = constraints.required(&name_path, &definition.attribute_name) {
            constraints.length(&name_path, name, 1, 255);
        }
        let type_path = format!("{path}.attributeType");
        let kind = constraints.required(&type_path, &definition.attribute_type);
        constraints.one_of(&type_path, kind.map(String::as_str), values::ATTRIBUTE_TYPE);
    }
}

/// `most` is how many elements the schema may have: two on tables and local indexes, eight on global ones.
pub fn check_key_schema(constraints: &mut Constraints, path: &str, schema: &[KeySchemaElement], most: usize) {
    constraints.size(path, &show_schema(schema), schema.len(), 1, most);
    for (at, element) in schema.iter().enumerate() {
        let name_path = format!("{path}.{}.member.attributeName", at + 1);
        if let Some(name) = constraints.required(&name_path, &element.attribute_name) {
            constraints.length(&name_path, name, 1, 255);
        }
        let type_path = format!("{path}.{}.member.keyType", at + 1);
        let kind = constraints.required(&type_path, &element.key_type);
        constraints.one_of(&type_path, kind.map(String::as_str), values::KEY_TYPE);
    }
}

fn show_schema(schema: &[KeySchemaElement]) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let show = |element: &KeySchemaElement| {
        format!(
            "KeySchemaElement(attributeName={}, keyType={})",
            text(&element.attribute_name),
            text(&element.key_type)
        )
    };
    format!("[{}]", schema.iter().map(show).collect::<Vec<_>>().join(", "))
}

pub fn check_throughput(constraints: &mut Constraints, path: &str, throughput: Option<&ThroughputInput>) {
    let Some(throughput) = throughput else { return };
    let units = [
        ("readCapacityUnits", &throughput.read_capacity_units),
        ("writeCapacityUnits", &throughput.write_capacity_units),
    ];
    for (name, value) in units {
        let path = format!("{path}.{name}");
        constraints.required(&path, value);
        constraints.range(&path, *value, 1, i64::MAX);
    }
}

pub fn check_index(constraints: &mut Constraints, path: &str, index: &IndexInput, most_key_elements: usize) {
    let name_path = format!("{path}.indexName");
    if let Some(name) = constraints.required(&name_path, &index.index_name) {
        constraints.name(&name_path, name);
    }
    let schema_path = format!("{path}.keySchema");
    if let Some(schema) = constraints.required(&schema_path, &index.key_schema) {
        check_key_schema(constraints, &schema_path, schema, most_key_elements);
    }
    let projection_path = format!("{path}.projection");
    if let Some(projection) = constraints.required(&projection_path, &index.projection) {
        check_projection(constraints, &projection_path, projection);
    }
    check_throughput(constraints, &format!("{path}.provisionedThroughput"), index.provisioned_throughput.as_ref());
}

pub fn check_projection(constraints: &mut Constraints, path: &str, projection: &ProjectionInput) {
    let type_path = format!("{path}.projectionType");
    constraints.one_of(&type_path, projection.projection_type.as_deref(), values::PROJECTION_TYPE);
    if let Some(names) = &projection.non_key_attributes {
        let path = format!("{path}.nonKeyAttributes");
        constraints.size(&path, &format!("[{}]", names.join(", ")), names.len(), 1, 20);
        for (at, name) in names.iter().enumerate() {
            constraints.length(&format!("{path}.{}.member", at + 1), name, 1, 255);
        }
    }
}

pub fn check_stream(constraints: &mut Constraints, stream: Option<&StreamSpecification>) {
    let Some(stream) = stream else { return };
    constraints.required("streamSpecification.streamEnabled", &stream.stream_enabled);
    let view = stream.stream_view_type.as_deref();
    constraints.one_of("streamSpecification.streamViewType", view, values::STREAM_VIEW_TYPE);
}

pub fn check_encryption(constraints: &mut Constraints, encryption: Option<&EncryptionInput>) {
    let kind = encryption.and_then(|encryption| encryption.sse_type.as_deref());
    constraints.one_of("sSESpecification.sSEType", kind, values::SSE_TYPE);
}

/// What DynamoDB says of a stream specification that contradicts itself, as the public notes `ack-api-quirks` measured it.
pub struct StreamMessages {
    enabled_without_view: &'static str,
    disabled_with_view: &'static str,
}

/// CreateTable's words.
pub const STREAM_OF_NEW_TABLE: StreamMessages = StreamMessages {
    enabled_without_view: "One or more parameter values were invalid: Table is being created with a stream enabled, UpdateViewType is required",
    disabled_with_view: "One or more parameter values were invalid: Table is being created with a stream disabled, UpdateViewType should not be specified",
};

/// UpdateTable's words.
pub const STREAM_OF_TABLE: StreamMessages = StreamMessages {
    enabled_without_view: "One or more parameter values were invalid: If stream is being enabled then UpdateViewType is required",
    disabled_with_view: "One or more parameter values were invalid: If stream is being disabled, then UpdateViewType must not be specified",
};

/// The stream to be opened; `None` when none is wanted.
pub fn stream_view(
    stream: Option<&StreamSpecification>,
    messages: &StreamMessages,
) -> Result<Option<StreamViewType>, Error> {
    let Some(stream) = stream else { return Ok(None) };
    let view = stream.stream_view_type.as_deref().and_then(StreamViewType::parse);
    match (stream.stream_enabled == Some(true), view) {
        (true, Some(view)) => Ok(Some(view)),
        (true, None) => Err(Error::validation(messages.enabled_without_view)),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(Error::validation(messages.disabled_with_view)),
    }
}

/// The definitions as the store keeps them, each name once.
pub fn attributes(definitions: &[AttributeDefinition]) -> Result<Vec<KeyAttribute>, Error> {
    let mut attributes: Vec<KeyAttribute> = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let name = definition.attribute_name.clone().unwrap_or_default();
        if attributes.iter().any(|other| other.name == name) {
            return Err(Error::validation("Cannot have two attributes with the same name"));
        }
        let kind = match definition.attribute_type.as_deref() {
            Some("N") => KeyKind::N,
            Some("B") => KeyKind::B,
            _ => KeyKind::S,
        };
        attributes.push(KeyAttribute { name, kind });
    }
    Ok(attributes)
}

/// Names of a key schema, partition attributes before sort attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyNames {
    pub partition: Vec<String>,
    pub sort: Vec<String>,
}

impl From<&KeySchema> for KeyNames {
    fn from(key: &KeySchema) -> Self {
        let names = |attributes: &[KeyAttribute]| attributes.iter().map(|attribute| attribute.name.clone()).collect();
        Self { partition: names(&key.partition), sort: names(&key.sort) }
    }
}

impl KeyNames {
    /// `several`: whether there may be more than one of each, as on global indexes, where four of each are the limit.
    pub fn of(schema: &[KeySchemaElement], several: bool) -> Result<Self, Error> {
        let mut names = Self::default();
        for (at, element) in schema.iter().enumerate() {
            let name = element.attribute_name.clone().unwrap_or_default();
            let is_partition = element.key_type.as_deref() == Some("HASH");
            if at == 0 && !is_partition {
                return Err(Error::validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
            }
            if names.all().any(|other| *other == name) {
                return Err(Error::validation(
                    "Invalid KeySchema: Both the Hash Key and the Range Key element in the KeySchema have the same name",
                ));
            }
            if is_partition && (!names.sort.is_empty() || at == 1 && !several) {
                return Err(Error::validation(
                    "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
                ));
            }
            if is_partition { names.partition.push(name) } else { names.sort.push(name) }
        }
        if names.partition.len() > 4 || names.sort.len() > 4 {
            return Err(Error::validation(
                "One or more parameter values were invalid: A key schema can have at most 4 HASH and 4 RANGE attributes",
            ));
        }
        Ok(names)
    }

    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.partition.iter().chain(&self.sort)
    }

    /// The schema with the attributes' types; `None` when one is not defined.
    pub fn resolve(&self, attributes: &[KeyAttribute]) -> Option<KeySchema> {
        let find = |names: &[String]| -> Option<Vec<KeyAttribute>> {
            names.iter().map(|name| attributes.iter().find(|attribute| attribute.name == *name).cloned()).collect()
        };
        Some(KeySchema { partition: find(&self.partition)?, sort: find(&self.sort)? })
    }
}

pub fn projection(projection: Option<&ProjectionInput>) -> Result<Projection, Error> {
    let invalid = |text: &str| Err(Error::Validation(format!("One or more parameter values were invalid: {text}")));
    let names = projection.and_then(|projection| projection.non_key_attributes.clone());
    match (projection.and_then(|projection| projection.projection_type.as_deref()), names) {
        (Some("ALL"), None) => Ok(Projection::All),
        (Some("KEYS_ONLY"), None) => Ok(Projection::KeysOnly),
        (Some("INCLUDE"), Some(names)) => Ok(Projection::Include(names)),
        (Some("INCLUDE"), None) => invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
        (Some(kind), Some(_)) => invalid(&format!("ProjectionType is {kind}, but NonKeyAttributes is specified")),
        _ => invalid("Unknown ProjectionType: null"),
    }
}

pub fn throughput(throughput: Option<&ThroughputInput>) -> Result<Option<Throughput>, Error> {
    let Some(input) = throughput else { return Ok(None) };
    let units = |name: &str, value: Option<i64>| match value {
        Some(value) if value > MAX_THROUGHPUT => {
            Err(Error::Validation(format!("Given value {value} for {name} is out of bounds")))
        }
        value => Ok(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(1)),
    };
    let read = units("ReadCapacityUnits", input.read_capacity_units)?;
    let write = units("WriteCapacityUnits", input.write_capacity_units)?;
    Ok(Some(Throughput { read, write }))
}
