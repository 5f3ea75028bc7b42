//! What a restored table is: like its source, but for what the request overrides, and without what AWS does not restore.
//!
//! As documented (Developer Guide, "Restoring a table") and measured on AWS (the notes published as ack-api-quirks, findings
//! DDB-TABLE-215, 273, 279 to 281 and 442, October 2026): streams, time to live, recovery, tags, protection, policy and class are left
//! behind; indexes may be left out and renamed, but not added; throughput goes with the billing mode.

use serde::Serialize;

use super::constraints::{Constraints, values};
use super::create_table::billing_mode;
use super::table_definition::{self as definition, IndexInput, KeyNames, ThroughputInput};
use super::table_description::{Shown, TableDescription};
use super::table_settings::{EncryptionInput, Of, OnDemandInput, check_maximum, new_capacity};
use super::vector_indexes::{self, VectorIndexInput};
use crate::error::Error;
use crate::store::{
    BillingMode, CapacitySettings, Encryption, Index, IndexDefinition, IndexKind, OnDemand, Projection, Realm,
    Settings, Statistics, Store, Table, TableDefinition, Tags, Throughput,
};

/// The answer of both operations.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub table_description: TableDescription,
}

impl Output {
    /// As on AWS it still says CREATING.
    pub fn of(store: &Store, table: &Table) -> Self {
        let nothing = (Statistics::default(), Vec::new());
        Self { table_description: TableDescription::new(table, Shown::RESTORING, &nothing, store.clock().now()) }
    }
}

/// The overrides of a request.
#[derive(Clone, Copy, Debug)]
pub struct Overrides<'a> {
    pub billing_mode: Option<&'a str>,
    pub global_indexes: Option<&'a [IndexInput]>,
    pub local_indexes: Option<&'a [IndexInput]>,
    pub vector_indexes: Option<&'a [VectorIndexInput]>,
    pub throughput: Option<&'a ThroughputInput>,
    pub on_demand: Option<OnDemandInput>,
    pub encryption: Option<&'a EncryptionInput>,
}

impl Overrides<'_> {
    pub fn check(&self, constraints: &mut Constraints) {
        constraints.one_of("billingModeOverride", self.billing_mode, values::BILLING_MODE);
        for (at, index) in self.global_indexes.unwrap_or_default().iter().enumerate() {
            let path = format!("globalSecondaryIndexOverride.{}.member", at + 1);
            definition::check_index(constraints, &path, index, 8);
        }
        for (at, index) in self.local_indexes.unwrap_or_default().iter().enumerate() {
            let path = format!("localSecondaryIndexOverride.{}.member", at + 1);
            definition::check_index(constraints, &path, index, 2);
        }
        for (at, index) in self.vector_indexes.unwrap_or_default().iter().enumerate() {
            index.check(constraints, &format!("vectorIndexOverride.{}.member", at + 1));
        }
        definition::check_throughput(constraints, "provisionedThroughputOverride", self.throughput);
        let kind = self.encryption.and_then(|encryption| encryption.sse_type.as_deref());
        constraints.one_of("sSESpecificationOverride.sSEType", kind, values::SSE_TYPE);
    }

    /// A key is of one region: who restores to another says which.
    pub fn check_region(&self, realm: &Realm, source: &str) -> Result<(), Error> {
        if source != realm.region && self.encryption.is_none() {
            return Err(invalid("sseSpecificationOverride must be provided for cross-region restores"));
        }
        Ok(())
    }

    /// What the table `name` of `realm` is, made from `source`.
    pub fn define(&self, realm: &Realm, name: &str, source: &Table) -> Result<TableDefinition, Error> {
        let (mode, throughput) = self.billing(source)?;
        check_maximum(realm, Of::Table, self.throughput)?;
        let locals = self.indexes(realm, source, IndexKind::Local, mode)?;
        let globals = self.indexes(realm, source, IndexKind::Global, mode)?;
        let indexes = [locals, globals, self.vectors(source, mode)?].concat();
        for (at, index) in indexes.iter().enumerate() {
            if indexes.iter().skip(at + 1).any(|other| other.name == index.name) {
                return Err(Error::Validation(format!(
                    "One or more parameter values were invalid: Duplicate index name: {}",
                    index.name
                )));
            }
        }
        let typed = || indexes.iter().flat_map(IndexDefinition::typed_attributes);
        let is_used = |name: &str| source.key.contains(name) || typed().any(|attribute| attribute.name == name);
        let used = source.attribute_definitions.iter().filter(|attribute| is_used(&attribute.name));
        let key_arn = match self.encryption {
            Some(encryption) => encryption.key_arn(realm)?,
            None => source.settings.encryption.key_arn.clone(),
        };
        Ok(TableDefinition {
            name: name.to_owned(),
            attribute_definitions: used.cloned().collect(),
            key: source.key.clone(),
            indexes,
            stream: None,
            billing_mode: mode,
            throughput,
            deletion_protection: false,
            settings: Settings {
                capacity: self.capacity(realm, source, mode)?,
                encryption: Encryption::new(key_arn),
                ..Settings::default()
            },
            tags: Tags::new(),
            policy: None,
        })
    }

    fn billing(&self, source: &Table) -> Result<(BillingMode, Option<Throughput>), Error> {
        let given = definition::throughput(self.throughput)?;
        match (billing_mode(self.billing_mode), given) {
            (Some(BillingMode::PayPerRequest), Some(_)) => {
                Err(invalid("Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST"))
            }
            (Some(BillingMode::PayPerRequest), None) => Ok((BillingMode::PayPerRequest, None)),
            (Some(BillingMode::Provisioned), None) => {
                Err(invalid("Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED"))
            }
            (Some(BillingMode::Provisioned), given) => Ok((BillingMode::Provisioned, given)),
            (None, Some(_)) if source.billing_mode == BillingMode::PayPerRequest => {
                Err(invalid("Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED"))
            }
            (None, given) => Ok((source.billing_mode, given.or(source.throughput))),
        }
    }

    fn capacity(&self, realm: &Realm, source: &Table, mode: BillingMode) -> Result<CapacitySettings, Error> {
        let given = self.on_demand.filter(|on_demand| !on_demand.is_empty());
        let Some(given) = given else { return Ok(kept_capacity(&source.settings.capacity, mode)) };
        if mode == BillingMode::Provisioned {
            let member = match given.max_read_request_units {
                Some(_) => "MaxReadRequestUnits",
                None => "MaxWriteRequestUnits",
            };
            return Err(invalid(&format!(
                "Cannot override {member} for OnDemandThroughput unless BillingModeOverride is PAY_PER_REQUEST"
            )));
        }
        new_capacity(realm, Of::Table, (mode, None), Some(given), None)
    }

    /// The indexes of one kind: those that the request names, or else all.
    fn indexes(
        &self,
        realm: &Realm,
        source: &Table,
        kind: IndexKind,
        mode: BillingMode,
    ) -> Result<Vec<IndexDefinition>, Error> {
        let given = if kind == IndexKind::Local { self.local_indexes } else { self.global_indexes };
        let mut left: Vec<&Index> = source.indexes.iter().filter(|index| index.kind == kind).collect();
        let Some(given) = given else { return left.into_iter().map(|index| kept(index, mode)).collect() };
        let mut indexes = Vec::with_capacity(given.len());
        for input in given {
            let name = input.index_name.clone().unwrap_or_default();
            let key = KeyNames::of(input.key_schema.as_deref().unwrap_or_default(), kind == IndexKind::Global)?;
            let projection = definition::projection(input.projection.as_ref())?;
            let is_it = |index: &&Index| {
                let mut names = index.key.attributes().map(|attribute| &attribute.name);
                index.key.partition.len() == key.partition.len()
                    && names.by_ref().eq(key.all())
                    && same_projection(&index.projection, &projection)
            };
            let at = left.iter().position(is_it).ok_or_else(|| no_such_index(&name))?;
            let found = left.remove(at);
            let throughput = self.index_throughput(input, &name, kind, mode)?;
            check_maximum(realm, Of::Index(&name), input.provisioned_throughput.as_ref())?;
            let capacity = if kind == IndexKind::Local {
                CapacitySettings::default()
            } else {
                let (on_demand, warm) = (input.on_demand_throughput, input.warm_throughput);
                new_capacity(realm, Of::Index(&name), (mode, throughput), on_demand, warm)?
            };
            indexes.push(IndexDefinition { name, projection, throughput, capacity, ..found.definition() });
        }
        Ok(indexes)
    }

    /// The vector indexes: those that the request names, or else all.
    fn vectors(&self, source: &Table, mode: BillingMode) -> Result<Vec<IndexDefinition>, Error> {
        let mut left: Vec<IndexDefinition> = source.vector_indexes().map(|(index, _)| index.definition()).collect();
        let indexes = match self.vector_indexes {
            None => left,
            Some(given) => {
                let mut indexes = Vec::with_capacity(given.len());
                for input in given {
                    let built = input.build(&source.attribute_definitions, &KeyNames::from(&source.key))?;
                    let at = left.iter().position(|index| {
                        index.vector == built.vector && same_projection(&index.projection, &built.projection)
                    });
                    let found = left.remove(at.ok_or_else(|| no_such_index(&built.name))?);
                    indexes.push(IndexDefinition { name: built.name, ..found });
                }
                indexes
            }
        };
        if !indexes.is_empty() {
            vector_indexes::check_billing(mode)?;
        }
        Ok(indexes)
    }

    fn index_throughput(
        &self,
        input: &IndexInput,
        name: &str,
        kind: IndexKind,
        mode: BillingMode,
    ) -> Result<Option<Throughput>, Error> {
        let given = definition::throughput(input.provisioned_throughput.as_ref())?;
        match (kind, mode, given) {
            (IndexKind::Global, BillingMode::Provisioned, None) => Err(no_throughput(name)),
            (IndexKind::Global, BillingMode::PayPerRequest, Some(_)) => Err(invalid(&match self.billing_mode {
                Some(_) => format!(
                    "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST for index {name}"
                ),
                None => {
                    format!("Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED for index {name}")
                }
            })),
            (_, _, given) => Ok(given),
        }
    }
}

/// An index that is restored as it was.
fn kept(index: &Index, mode: BillingMode) -> Result<IndexDefinition, Error> {
    let throughput = match (index.kind, mode) {
        (IndexKind::Global, BillingMode::Provisioned) => {
            Some(index.throughput.ok_or_else(|| no_throughput(&index.name))?)
        }
        _ => None,
    };
    Ok(IndexDefinition { throughput, capacity: kept_capacity(&index.capacity, mode), ..index.definition() })
}

/// What is kept of it: how much is served on demand, at most.
fn kept_capacity(capacity: &CapacitySettings, mode: BillingMode) -> CapacitySettings {
    let most_on_demand = match mode {
        BillingMode::PayPerRequest => capacity.most_on_demand,
        BillingMode::Provisioned => OnDemand::default(),
    };
    CapacitySettings { most_on_demand, ..CapacitySettings::default() }
}

fn same_projection(one: &Projection, other: &Projection) -> bool {
    match (one, other) {
        (Projection::Include(one), Projection::Include(other)) => {
            one.len() == other.len() && one.iter().all(|name| other.contains(name))
        }
        (one, other) => one == other,
    }
}

fn no_such_index(name: &str) -> Error {
    invalid(&format!(
        "Index {name} does not match a secondary index that existed in the source table and cannot be created during the \
         restore operation"
    ))
}

fn no_throughput(index: &str) -> Error {
    invalid(&format!("Must specify provisioned throughput for index {index}"))
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("Invalid Request: {text}"))
}
