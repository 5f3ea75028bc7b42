//! Vector indexes as CreateTable and UpdateTable define them and descriptions show them.
//!
//! Sources: botocore's model; Developer Guide, "Creating and searching vector indexes" and the quotas of vector indexes. Messages as
//! measured on DynamoDB (nubo-db/dynamodb-conformance, error-messages/vectorIndexes, 2026-08), unless it is said that they are ours.

use serde::{Deserialize, Serialize};

use super::constraints::{Constraints, values};
use super::table_definition::{self as definition, KeyNames, ProjectionInput};
use super::table_description::{ProjectionDescription, Shown};
use crate::error::Error;
use crate::store::{
    BillingMode, CapacitySettings, DistanceFunction, Index, IndexDefinition, IndexKind, IndexStatus, KeyAttribute,
    KeySchema, Projection, SearchAttribute, Statistics, Table, VectorSettings,
};

/// The most a table may have.
pub const MAX_VECTOR_INDEXES: usize = 5;
pub const MAX_DIMENSIONS: usize = 4096;
const MAX_FILTERS: usize = 18;
/// The vector, the attributes that searches filter by and those that are named, together.
const MAX_PROJECTED: usize = 20;

/// A vector index, or the creation of one.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct VectorIndexInput {
    pub index_name: Option<String>,
    vector_attribute: Option<VectorAttribute>,
    search_schema: Option<Vec<SearchElement>>,
    projection: Option<ProjectionInput>,
    dimensions: Option<i64>,
    distance_function: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VectorAttribute {
    attribute_name: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SearchElement {
    attribute_name: Option<String>,
    search_schema_element_type: Option<String>,
}

impl VectorIndexInput {
    pub fn check(&self, constraints: &mut Constraints, path: &str) {
        let name_path = format!("{path}.indexName");
        if let Some(name) = constraints.required(&name_path, &self.index_name) {
            constraints.name(&name_path, name);
        }
        if let Some(attribute) = constraints.required(&format!("{path}.vectorAttribute"), &self.vector_attribute) {
            let name_path = format!("{path}.vectorAttribute.attributeName");
            if let Some(name) = constraints.required(&name_path, &attribute.attribute_name) {
                constraints.length(&name_path, name, 1, 255);
            }
        }
        if let Some(schema) = &self.search_schema {
            constraints.unquoted_size(&format!("{path}.searchSchema"), schema.len(), 1, usize::MAX);
            for (at, element) in schema.iter().enumerate() {
                let path = format!("{path}.searchSchema.{}.member", at + 1);
                let name_path = format!("{path}.attributeName");
                if let Some(name) = constraints.required(&name_path, &element.attribute_name) {
                    constraints.length(&name_path, name, 0, 65_535);
                }
                let type_path = format!("{path}.searchSchemaElementType");
                let kind = constraints.required(&type_path, &element.search_schema_element_type);
                constraints.one_of(&type_path, kind.map(String::as_str), values::SEARCH_SCHEMA_ELEMENT_TYPE);
            }
        }
        if let Some(projection) = constraints.required(&format!("{path}.projection"), &self.projection) {
            definition::check_projection(constraints, &format!("{path}.projection"), projection);
        }
        let dimensions_path = format!("{path}.dimensions");
        constraints.required(&dimensions_path, &self.dimensions);
        constraints.range(&dimensions_path, self.dimensions, 1, i64::MAX);
        let function_path = format!("{path}.distanceFunction");
        let function = constraints.required(&function_path, &self.distance_function);
        constraints.one_of(&function_path, function.map(String::as_str), values::DISTANCE_FUNCTION);
    }

    /// The index; `attributes` are those that the table's definitions tell the types of.
    pub fn build(&self, attributes: &[KeyAttribute], table_key: &KeyNames) -> Result<IndexDefinition, Error> {
        let dimensions = self.dimensions.and_then(|dimensions| usize::try_from(dimensions).ok()).unwrap_or_default();
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(invalid(&format!("Number of dimensions must be between 1 and {MAX_DIMENSIONS} inclusive.")));
        }
        let attribute =
            self.vector_attribute.as_ref().and_then(|attribute| attribute.attribute_name.clone()).unwrap_or_default();
        let search_schema = self.search_schema(attributes)?;
        // A list is never the value of a key, nor of what is filtered by.
        if table_key.all().any(|name| *name == attribute)
            || search_schema.iter().any(|element| element.attribute.name == attribute)
        {
            return Err(invalid(&format!(
                "The vector attribute {attribute} cannot be a key attribute of the table or an element of SearchSchema"
            )));
        }
        let partition = search_schema.iter().filter(|element| element.is_partition);
        let key =
            KeySchema { partition: partition.map(|element| element.attribute.clone()).collect(), sort: Vec::new() };
        let projection = definition::projection(self.projection.as_ref())?;
        let filters = search_schema.len() - key.len();
        if let Projection::Include(names) = &projection
            && names.len() + filters + 1 > MAX_PROJECTED
        {
            return Err(invalid(&format!(
                "The total number of projected non-key attributes, the vector attribute and INLINE_FILTER elements exceeds \
                 the limit of {MAX_PROJECTED}"
            )));
        }
        let distance = self.distance_function.as_deref().and_then(DistanceFunction::parse);
        Ok(IndexDefinition {
            name: self.index_name.clone().unwrap_or_default(),
            kind: IndexKind::Vector,
            key,
            projection,
            throughput: None,
            capacity: CapacitySettings::default(),
            vector: Some(VectorSettings {
                attribute,
                dimensions,
                distance: distance.unwrap_or(DistanceFunction::Cosine),
                search_schema,
            }),
        })
    }

    /// That there is one partition key at most and eighteen attributes to filter by AWS documents; the wording is ours.
    fn search_schema(&self, attributes: &[KeyAttribute]) -> Result<Vec<SearchAttribute>, Error> {
        let mut schema: Vec<SearchAttribute> = Vec::new();
        for element in self.search_schema.iter().flatten() {
            let name = element.attribute_name.as_deref().unwrap_or_default();
            let attribute = attributes.iter().find(|attribute| attribute.name == name).cloned();
            let attribute = attribute
                .ok_or_else(|| invalid("One element in SearchSchema is not defined in attribute definitions"))?;
            if schema.iter().any(|other| other.attribute.name == name) {
                return Err(invalid(&format!("Duplicate attribute in SearchSchema: {name}")));
            }
            let is_partition = element.search_schema_element_type.as_deref() == Some("HASH");
            schema.push(SearchAttribute { attribute, is_partition });
        }
        let partitions = schema.iter().filter(|element| element.is_partition).count();
        if partitions > 1 {
            return Err(invalid("SearchSchema can have at most 1 HASH element"));
        }
        if schema.len() - partitions > MAX_FILTERS {
            return Err(invalid(&format!("SearchSchema can have at most {MAX_FILTERS} INLINE_FILTER elements")));
        }
        Ok(schema)
    }
}

/// The vector indexes of a new table.
pub fn build(
    inputs: Option<&[VectorIndexInput]>,
    billing_mode: BillingMode,
    attributes: &[KeyAttribute],
    table_key: &KeyNames,
) -> Result<Vec<IndexDefinition>, Error> {
    let Some(inputs) = inputs else { return Ok(Vec::new()) };
    if inputs.is_empty() {
        return Err(invalid("List of VectorIndexes is empty"));
    }
    check_billing(billing_mode)?;
    let mut built: Vec<IndexDefinition> = Vec::with_capacity(inputs.len());
    for input in inputs {
        let index = input.build(attributes, table_key)?;
        check_dimensions(built.iter().filter_map(|other| other.vector.as_ref()), &index)?;
        built.push(index);
    }
    if built.len() > MAX_VECTOR_INDEXES {
        return Err(too_many());
    }
    Ok(built)
}

pub fn check_billing(billing_mode: BillingMode) -> Result<(), Error> {
    match billing_mode {
        BillingMode::PayPerRequest => Ok(()),
        BillingMode::Provisioned => Err(invalid("Vector indexes are only supported for PAY_PER_REQUEST tables")),
    }
}

/// All indexes of one attribute have the same dimensions.
pub fn check_dimensions<'a>(
    mut others: impl Iterator<Item = &'a VectorSettings>,
    index: &IndexDefinition,
) -> Result<(), Error> {
    let Some(settings) = &index.vector else { return Ok(()) };
    if others.any(|other| other.attribute == settings.attribute && other.dimensions != settings.dimensions) {
        return Err(invalid(&format!(
            "Conflicting attribute definition for '{}'. All VectorIndexes on the same vector attribute must use the same \
             dimensions.",
            settings.attribute
        )));
    }
    Ok(())
}

pub fn too_many() -> Error {
    invalid(&format!("VectorIndex count exceeds the per-table limit of {MAX_VECTOR_INDEXES}"))
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}

/// What a vector index is, as a description shows it and a backup keeps it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VectorIndexInfo {
    index_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    search_schema: Vec<SearchElementDescription>,
    projection: ProjectionDescription,
    vector_attribute: VectorAttributeDescription,
    dimensions: usize,
    distance_function: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VectorIndexDescription {
    #[serde(flatten)]
    info: VectorIndexInfo,
    index_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    backfilling: Option<bool>,
    index_size_bytes: i64,
    item_count: i64,
    index_arn: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VectorAttributeDescription {
    attribute_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SearchElementDescription {
    attribute_name: String,
    search_schema_element_type: &'static str,
}

impl VectorIndexInfo {
    pub fn new(index: &Index, settings: &VectorSettings) -> Self {
        let element = |element: &SearchAttribute| SearchElementDescription {
            attribute_name: element.attribute.name.clone(),
            search_schema_element_type: if element.is_partition { "HASH" } else { "INLINE_FILTER" },
        };
        Self {
            index_name: index.name.clone(),
            search_schema: settings.search_schema.iter().map(element).collect(),
            projection: ProjectionDescription::new(&index.projection),
            vector_attribute: VectorAttributeDescription { attribute_name: settings.attribute.clone() },
            dimensions: settings.dimensions,
            distance_function: settings.distance.name(),
        }
    }
}

impl VectorIndexDescription {
    pub fn new(table: &Table, index: &Index, settings: &VectorSettings, shown: Shown, counted: Statistics) -> Self {
        Self {
            info: VectorIndexInfo::new(index, settings),
            index_status: shown.status_of(index),
            backfilling: (index.status == IndexStatus::Creating).then_some(true),
            index_size_bytes: counted.bytes,
            item_count: counted.items,
            index_arn: table.realm.index_arn(&table.name, &index.name),
        }
    }
}
