//! A table as the replica of a table of another account or region: what it is made of is the source's.
//!
//! The source is a table of this database that shares its settings. Nothing is replicated; the new table tells of the source
//! as its replica. AWS documents the members (API reference of CreateTable); the wording of what is wrong with them is ours.

use super::Input;
use crate::api::constraints::Constraints;
use crate::api::describe_table::no_such_table;
use crate::api::resource::{ResourceArn, ResourceKind, TableName};
use crate::api::tags;
use crate::error::Error;
use crate::store::{Index, Realm, Replica, Replication, Settings, Store, StreamViewType, TableDefinition};

pub(super) async fn define<'a>(
    store: &Store,
    realm: &'a Realm,
    input: &'a Input,
    source: &str,
) -> Result<(TableName<'a>, TableDefinition), Error> {
    let mut constraints = Constraints::new();
    let table_name = constraints.table("tableName", &input.table_name);
    constraints.length("globalTableSourceArn", source, 1, 1024);
    input.check_settings_mode(&mut constraints);
    let name = TableName::parse(realm, constraints.finish(table_name)?)?;
    if input.global_table_settings_replication_mode.as_deref() != Some("ENABLED") {
        return Err(invalid(
            "GlobalTableSettingsReplicationMode must be ENABLED when GlobalTableSourceArn is specified",
        ));
    }
    if let Some(member) = input.of_the_source() {
        return Err(invalid(&format!("{member} cannot be specified when GlobalTableSourceArn is specified")));
    }
    let resource = ResourceArn::parse(source)?;
    if resource.kind != ResourceKind::Table || resource.table != name.name || resource.realm == *name.realm {
        return Err(invalid(
            "GlobalTableSourceArn must be the ARN of a table of the same name in another account or region",
        ));
    }
    let table = store.current_table(&resource.realm, resource.table).await;
    let table = table.map_err(|error| no_such_table(error, resource.table))?;
    if table.settings.replication.settings_mode != Some(true) {
        return Err(invalid("GlobalTableSettingsReplicationMode of the source table must be ENABLED"));
    }
    let now = store.clock().now().millis();
    let replica = Replica {
        region: resource.realm.region.clone(),
        source_arn: Some(source.to_owned()),
        added_millis: now,
        ..Replica::default()
    };
    let definition = TableDefinition {
        name: name.name.to_owned(),
        attribute_definitions: table.attribute_definitions.clone(),
        key: table.key.clone(),
        indexes: table.indexes.iter().map(Index::definition).collect(),
        stream: Some(table.stream.as_ref().map_or(StreamViewType::NewAndOldImages, |stream| stream.view)),
        billing_mode: table.billing_mode,
        throughput: table.throughput,
        deletion_protection: input.deletion_protection_enabled == Some(true),
        settings: Settings {
            capacity: table.settings.capacity.clone(),
            class: table.settings.class.clone(),
            replication: Replication { replicas: vec![replica], ..Replication::default() },
            ..Settings::default()
        },
        tags: tags::given(input.tags.as_deref().unwrap_or_default())?,
        policy: None,
    };
    Ok((name, definition))
}

impl Input {
    /// What is given although it is the source's.
    fn of_the_source(&self) -> Option<&'static str> {
        let members = [
            ("AttributeDefinitions", self.attribute_definitions.is_some()),
            ("KeySchema", self.key_schema.is_some()),
            ("LocalSecondaryIndexes", self.local_secondary_indexes.is_some()),
            ("GlobalSecondaryIndexes", self.global_secondary_indexes.is_some()),
            ("BillingMode", self.billing_mode.is_some()),
            ("ProvisionedThroughput", self.provisioned_throughput.is_some()),
            ("StreamSpecification", self.stream_specification.is_some()),
            ("SSESpecification", self.sse_specification.is_some()),
            ("TableClass", self.table_class.is_some()),
            ("WarmThroughput", self.warm_throughput.is_some()),
            ("OnDemandThroughput", self.on_demand_throughput.is_some()),
            ("VectorIndexes", self.vector_indexes.is_some()),
        ];
        members.into_iter().find(|(_, given)| *given).map(|(member, _)| member)
    }
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}
