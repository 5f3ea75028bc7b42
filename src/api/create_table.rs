//! CreateTable.

mod from_source;

use serde::{Deserialize, Serialize};

use super::constraints::{Constraints, values};
use super::parameters::{Parameter, different, done};
use super::policy_document;
use super::resource::TableName;
use super::table_definition::{
    self as definition, AttributeDefinition, IndexInput, KeyNames, KeySchemaElement, StreamSpecification,
    ThroughputInput,
};
use super::table_description::{Shown, TableDescription};
use super::table_settings::{EncryptionInput, Of, OnDemandInput, WarmInput, check_maximum, new_capacity};
use super::tags::{self, TagInput};
use super::vector_indexes::{self, VectorIndexInput};
use crate::error::Error;
use crate::store::{
    BillingMode, CapacitySettings, ClassSetting, Encryption, IndexDefinition, IndexKind, KeyAttribute, Policy,
    Projection, Realm, Replication, Settings, Statistics, Store, TableClass, TableDefinition, Throughput,
};

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("AttributeDefinitions"),
    done("KeySchema"),
    done("LocalSecondaryIndexes"),
    done("GlobalSecondaryIndexes"),
    done("BillingMode"),
    different("ProvisionedThroughput", "kept and shown, never enforced"),
    done("StreamSpecification"),
    done("DeletionProtectionEnabled"),
    different("SSESpecification", "kept and shown; nothing is encrypted, and a key need not exist"),
    done("Tags"),
    different("TableClass", "kept and shown, without effect"),
    different("WarmThroughput", "kept and shown, without effect"),
    different("OnDemandThroughput", "kept and shown, never enforced"),
    different("ResourcePolicy", "kept and shown, without effect"),
    different("GlobalTableSourceArn", "the table is made like its source and tells of it; nothing is replicated"),
    different("GlobalTableSettingsReplicationMode", "kept and shown; no settings are replicated"),
    done("VectorIndexes"),
];

pub const MAX_LOCAL_INDEXES: usize = 5;
pub const MAX_GLOBAL_INDEXES: usize = 20;
/// Over all indexes of a table.
const MAX_PROJECTED_ATTRIBUTES: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    key_schema: Option<Vec<KeySchemaElement>>,
    local_secondary_indexes: Option<Vec<IndexInput>>,
    global_secondary_indexes: Option<Vec<IndexInput>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputInput>,
    stream_specification: Option<StreamSpecification>,
    deletion_protection_enabled: Option<bool>,
    #[serde(rename = "SSESpecification")]
    sse_specification: Option<EncryptionInput>,
    tags: Option<Vec<TagInput>>,
    table_class: Option<String>,
    warm_throughput: Option<WarmInput>,
    on_demand_throughput: Option<OnDemandInput>,
    resource_policy: Option<String>,
    global_table_source_arn: Option<String>,
    global_table_settings_replication_mode: Option<String>,
    vector_indexes: Option<Vec<VectorIndexInput>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_description: TableDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let (name, mut definition) = match &input.global_table_source_arn {
        Some(source) => from_source::define(store, realm, input, source).await?,
        None => define(realm, input, Constraints::new())?,
    };
    if let Some(text) = &input.resource_policy {
        let document = Some(policy_document::parse(&name.realm, text)?);
        definition.policy = Some(Policy { document, revision: store.clock().now().millis() });
    }
    let table = store.create_table(&name.realm, definition).await?;
    let nothing = (Statistics::default(), Vec::new());
    // As on AWS the answer still says CREATING; the table is usable, and DescribeTable says ACTIVE.
    let warm = input.warm_throughput.filter(|warm| !warm.is_empty());
    let shown = Shown { status: "CREATING", warm: warm.map(|_| "UPDATING"), encryption: "ENABLING" };
    Ok(Output { table_description: TableDescription::new(&table, shown, &nothing, store.clock().now()) })
}

/// The whole validation: what the request defines, or the error it meets first. What it breaks of the model is added to
/// `constraints`.
pub fn define<'a>(
    realm: &'a Realm,
    input: &'a Input,
    mut constraints: Constraints,
) -> Result<(TableName<'a>, TableDefinition), Error> {
    let definitions = constraints.required("attributeDefinitions", &input.attribute_definitions);
    definition::check_attributes(&mut constraints, definitions.map_or(&[], Vec::as_slice));
    let table_name = constraints.table("tableName", &input.table_name);
    let schema = constraints.required("keySchema", &input.key_schema);
    if let Some(schema) = schema {
        definition::check_key_schema(&mut constraints, "keySchema", schema, 2);
    }
    // The captures show global indexes reported before local ones.
    let globals = input.global_secondary_indexes.as_deref();
    for (at, index) in globals.unwrap_or_default().iter().enumerate() {
        definition::check_index(&mut constraints, &format!("globalSecondaryIndexes.{}.member", at + 1), index, 8);
    }
    let locals = input.local_secondary_indexes.as_deref();
    for (at, index) in locals.unwrap_or_default().iter().enumerate() {
        definition::check_index(&mut constraints, &format!("localSecondaryIndexes.{}.member", at + 1), index, 2);
    }
    let vectors = input.vector_indexes.as_deref();
    for (at, index) in vectors.unwrap_or_default().iter().enumerate() {
        index.check(&mut constraints, &format!("vectorIndexes.{}.member", at + 1));
    }
    constraints.one_of("billingMode", input.billing_mode.as_deref(), values::BILLING_MODE);
    definition::check_throughput(&mut constraints, "provisionedThroughput", input.provisioned_throughput.as_ref());
    definition::check_stream(&mut constraints, input.stream_specification.as_ref());
    definition::check_encryption(&mut constraints, input.sse_specification.as_ref());
    input.check_settings_mode(&mut constraints);
    constraints.one_of("tableClass", input.table_class.as_deref(), values::TABLE_CLASS);
    let (definitions, table_name, schema) = constraints.finish((definitions, table_name, schema))?;

    let name = TableName::parse(realm, table_name)?;
    let attributes = definition::attributes(definitions)?;
    let billing_mode = billing_mode(input.billing_mode.as_deref()).unwrap_or(BillingMode::Provisioned);
    let throughput = check_billing(billing_mode, definition::throughput(input.provisioned_throughput.as_ref())?)?;
    let key = KeyNames::of(schema, false)?;
    check_maximum(&name.realm, Of::Table, input.provisioned_throughput.as_ref())?;
    let indexes = Indexes { realm: &name.realm, billing_mode, attributes: &attributes, table_key: &key };
    let mut built = indexes.build(IndexKind::Local, locals)?;
    built.extend(indexes.build(IndexKind::Global, globals)?);
    built.extend(vector_indexes::build(vectors, billing_mode, &attributes, &key)?);
    check_definitions(&key, &built, &attributes)?;
    check_projected(&built)?;
    let key = key.resolve(&attributes).ok_or_else(undefined_key)?;
    let settings = input.settings(&name.realm, billing_mode, throughput)?;
    let definition = TableDefinition {
        name: name.name.to_owned(),
        attribute_definitions: attributes,
        key,
        indexes: built,
        stream: definition::stream_view(input.stream_specification.as_ref(), &definition::STREAM_OF_NEW_TABLE)?,
        billing_mode,
        throughput,
        deletion_protection: input.deletion_protection_enabled == Some(true),
        settings,
        tags: tags::given(input.tags.as_deref().unwrap_or_default())?,
        policy: None,
    };
    Ok((name, definition))
}

impl Input {
    fn settings(
        &self,
        realm: &Realm,
        billing_mode: BillingMode,
        throughput: Option<Throughput>,
    ) -> Result<Settings, Error> {
        let (on_demand, warm) = (self.on_demand_throughput, self.warm_throughput);
        let key_arn = self.sse_specification.as_ref().map_or(Ok(None), |encryption| encryption.key_arn(realm))?;
        Ok(Settings {
            capacity: new_capacity(realm, Of::Table, (billing_mode, throughput), on_demand, warm)?,
            class: ClassSetting::new(self.table_class.as_deref().and_then(TableClass::parse).unwrap_or_default()),
            encryption: Encryption::new(key_arn),
            replication: Replication { settings_mode: self.settings_mode()?, ..Replication::default() },
            ..Settings::default()
        })
    }

    fn check_settings_mode(&self, constraints: &mut Constraints) {
        let mode = self.global_table_settings_replication_mode.as_deref();
        constraints.one_of("globalTableSettingsReplicationMode", mode, values::SETTINGS_REPLICATION_MODE);
    }

    /// Whether a table of its own is to share its settings.
    fn settings_mode(&self) -> Result<Option<bool>, Error> {
        match self.global_table_settings_replication_mode.as_deref() {
            Some(mode @ "ENABLED_WITH_OVERRIDES") => Err(Error::Validation(format!(
                "Value '{mode}' at 'GlobalTableSettingsReplicationMode' failed to satisfy constraint: Only ENABLED and \
                 DISABLED settings replication are supported for a Regional Table."
            ))),
            mode => Ok(mode.map(|mode| mode == "ENABLED")),
        }
    }
}

pub fn billing_mode(text: Option<&str>) -> Option<BillingMode> {
    match text? {
        "PAY_PER_REQUEST" => Some(BillingMode::PayPerRequest),
        _ => Some(BillingMode::Provisioned),
    }
}

/// Throughput goes with PROVISIONED, and only with it.
pub fn check_billing(mode: BillingMode, throughput: Option<Throughput>) -> Result<Option<Throughput>, Error> {
    match (mode, throughput) {
        (BillingMode::PayPerRequest, Some(_)) => Err(Error::validation(
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified \
             when BillingMode is PAY_PER_REQUEST",
        )),
        (BillingMode::Provisioned, None) => Err(Error::validation(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified \
             when BillingMode is PROVISIONED",
        )),
        (_, throughput) => Ok(throughput),
    }
}

/// What an index is checked against.
pub struct Indexes<'a> {
    pub realm: &'a Realm,
    pub billing_mode: BillingMode,
    pub attributes: &'a [KeyAttribute],
    pub table_key: &'a KeyNames,
}

impl Indexes<'_> {
    fn build(&self, kind: IndexKind, inputs: Option<&[IndexInput]>) -> Result<Vec<IndexDefinition>, Error> {
        let Some(inputs) = inputs else { return Ok(Vec::new()) };
        let (list, most, too_many) = match kind {
            IndexKind::Local => ("LocalSecondaryIndexes", MAX_LOCAL_INDEXES, "Number of LocalSecondaryIndexes exceeds"),
            IndexKind::Global | IndexKind::Vector => {
                ("GlobalSecondaryIndexes", MAX_GLOBAL_INDEXES, "GlobalSecondaryIndex count exceeds the")
            }
        };
        if inputs.is_empty() {
            return Err(invalid(&format!("List of {list} is empty")));
        }
        if kind == IndexKind::Local && self.table_key.sort.is_empty() {
            return Err(invalid(
                "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
            ));
        }
        let mut built: Vec<IndexDefinition> = Vec::with_capacity(inputs.len());
        for input in inputs {
            built.push(self.build_one(kind, input)?);
        }
        if inputs.len() > most {
            return Err(invalid(&format!("{too_many} per-table limit of {most}")));
        }
        Ok(built)
    }

    pub fn build_one(&self, kind: IndexKind, input: &IndexInput) -> Result<IndexDefinition, Error> {
        let name = input.index_name.clone().unwrap_or_default();
        let key = KeyNames::of(input.key_schema.as_deref().unwrap_or_default(), kind == IndexKind::Global)?;
        let resolved = key.resolve(self.attributes).ok_or_else(|| undefined_index_keys(&key, self.attributes))?;
        if kind == IndexKind::Local {
            self.check_local(&name, &key)?;
        }
        let projection = definition::projection(input.projection.as_ref())?;
        let throughput = definition::throughput(input.provisioned_throughput.as_ref())?;
        match (kind, self.billing_mode, throughput) {
            (IndexKind::Global, BillingMode::PayPerRequest, Some(_)) => Err(invalid(&format!(
                "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            ))),
            (IndexKind::Global, BillingMode::Provisioned, None) => {
                Err(invalid(&format!("ProvisionedThroughput must be specified for index: {name}")))
            }
            (IndexKind::Local, ..) => Ok(IndexDefinition {
                capacity: CapacitySettings::default(),
                name,
                kind,
                key: resolved,
                projection,
                throughput,
                vector: None,
            }),
            _ => {
                let of = Of::Index(&name);
                check_maximum(self.realm, of, input.provisioned_throughput.as_ref())?;
                let mode = (self.billing_mode, throughput);
                let (on_demand, warm) = (input.on_demand_throughput, input.warm_throughput);
                let capacity = new_capacity(self.realm, of, mode, on_demand, warm)?;
                Ok(IndexDefinition { name, kind, key: resolved, projection, throughput, capacity, vector: None })
            }
        }
    }

    fn check_local(&self, name: &str, key: &KeyNames) -> Result<(), Error> {
        if key.sort.is_empty() {
            return Err(invalid(&format!("Index KeySchema does not have a range key for index: {name}")));
        }
        if key.partition != self.table_key.partition {
            return Err(invalid(&format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash \
                 key: {}, table hash key: {}",
                key.partition.join(", "),
                self.table_key.partition.join(", ")
            )));
        }
        Ok(())
    }
}

/// Every key attribute is defined, every definition is used, and no two indexes share a name.
fn check_definitions(key: &KeyNames, indexes: &[IndexDefinition], attributes: &[KeyAttribute]) -> Result<(), Error> {
    if key.resolve(attributes).is_none() {
        return Err(if indexes.is_empty() { undefined_key() } else { undefined_index_keys(key, attributes) });
    }
    for (at, index) in indexes.iter().enumerate() {
        if indexes.iter().skip(at + 1).any(|other| other.name == index.name) {
            return Err(invalid(&format!("Duplicate index name: {}", index.name)));
        }
    }
    let mut used: Vec<&str> = key.all().map(String::as_str).collect();
    for attribute in indexes.iter().flat_map(IndexDefinition::typed_attributes) {
        if !used.contains(&attribute.name.as_str()) {
            used.push(&attribute.name);
        }
    }
    if used.len() == attributes.len() {
        return Ok(());
    }
    if indexes.is_empty() {
        return Err(invalid(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        ));
    }
    let defined: Vec<&str> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    Err(invalid(&format!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        defined.join(", "),
        used.join(", ")
    )))
}

/// Vector indexes have a limit of their own.
fn check_projected(indexes: &[IndexDefinition]) -> Result<(), Error> {
    let count: usize = indexes
        .iter()
        .filter(|index| index.vector.is_none())
        .map(|index| if let Projection::Include(names) = &index.projection { names.len() } else { 0 })
        .sum();
    if count > MAX_PROJECTED_ATTRIBUTES {
        return Err(invalid(&format!(
            "The total number of projected NonKeyAttributes exceeds the per-table limit of {MAX_PROJECTED_ATTRIBUTES}"
        )));
    }
    Ok(())
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}

fn undefined_key() -> Error {
    Error::validation("Invalid KeySchema: Some index key attribute have no definition")
}

fn undefined_index_keys(key: &KeyNames, attributes: &[KeyAttribute]) -> Error {
    let keys: Vec<&str> = key.all().map(String::as_str).collect();
    let defined: Vec<&str> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    invalid(&format!(
        "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
        keys.join(", "),
        defined.join(", ")
    ))
}

#[cfg(test)]
mod tests;
