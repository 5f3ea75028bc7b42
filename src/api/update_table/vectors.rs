//! What UpdateTable does with vector indexes: makes one, or deletes one.

use serde::Deserialize;

use super::indexes::IndexName;
use crate::api::constraints::Constraints;
use crate::api::create_table::Indexes;
use crate::api::vector_indexes::{self, MAX_VECTOR_INDEXES, VectorIndexInput};
use crate::error::Error;
use crate::store::{IndexKind, Table, TableChange};

/// Exactly one of its members is given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct VectorUpdate {
    create: Option<VectorIndexInput>,
    delete: Option<IndexName>,
}

impl VectorUpdate {
    pub(super) fn check(&self, constraints: &mut Constraints, path: &str) {
        if let Some(create) = &self.create {
            create.check(constraints, &format!("{path}.create"));
        }
        if let Some(delete) = &self.delete {
            let name_path = format!("{path}.delete.indexName");
            if let Some(name) = constraints.required(&name_path, &delete.index_name) {
                constraints.name(&name_path, name);
            }
        }
    }
}

/// Adds what becomes of each index; their number is checked by the caller. Where no other source is known, messages are those of
/// global indexes with the other name.
pub(super) fn vector_changes(
    table: &Table,
    indexes: &Indexes<'_>,
    updates: Option<&[VectorUpdate]>,
    changes: &mut Vec<TableChange>,
) -> Result<(), Error> {
    if updates.is_some_and(<[_]>::is_empty) {
        return Err(invalid("List of VectorIndexUpdates is empty"));
    }
    for update in updates.unwrap_or_default() {
        changes.push(vector_change(table, indexes, update)?);
    }
    Ok(())
}

fn vector_change(table: &Table, indexes: &Indexes<'_>, update: &VectorUpdate) -> Result<TableChange, Error> {
    match (&update.create, &update.delete) {
        (Some(create), None) => {
            vector_indexes::check_billing(indexes.billing_mode)?;
            if table.index(create.index_name.as_deref().unwrap_or_default()).is_some() {
                return Err(Error::validation("Attempting to create an index which already exists"));
            }
            let index = create.build(indexes.attributes, indexes.table_key)?;
            vector_indexes::check_dimensions(table.vector_indexes().map(|(_, settings)| settings), &index)?;
            if table.vector_indexes().count() >= MAX_VECTOR_INDEXES {
                return Err(vector_indexes::too_many());
            }
            Ok(TableChange::CreateIndex(Box::new(index)))
        }
        (None, Some(delete)) => {
            let name = delete.index_name.as_deref().unwrap_or_default();
            match table.index(name) {
                Some(index) if index.kind == IndexKind::Vector => Ok(TableChange::DeleteIndex(name.to_owned())),
                Some(_) => Err(Error::Validation(format!("Cannot delete an index that is not a VectorIndex: {name}"))),
                None => Err(Error::ResourceNotFound(format!(
                    "Requested resource not found: Index {name} for table {}",
                    table.name
                ))),
            }
        }
        (None, None) => Err(invalid("One of VectorIndexUpdate.Create, VectorIndexUpdate.Delete must not be null")),
        _ => Err(invalid("Only one vector index action is allowed per VectorIndexUpdate object")),
    }
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}
