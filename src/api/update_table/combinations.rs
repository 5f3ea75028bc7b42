//! Which changes one UpdateTable may make: most must be alone. Checked before the table is looked for.

use super::Input;
use crate::error::Error;

impl Input {
    /// That it asks for something, and for nothing that does not go together.
    pub(super) fn check_combinations(&self) -> Result<(), Error> {
        let concerns = self.concerns();
        let asked = concerns.iter().filter(|asked| **asked).count();
        if asked == 0 {
            // What the request has is not missed, although it asks for nothing by itself.
            let consistency = if self.multi_region_consistency.is_none() { " MultiRegionConsistency," } else { "" };
            return Err(Error::Validation(format!(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, \
                 SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn,{consistency} \
                 DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"
            )));
        }
        let alone = |what: &str| Err(invalid(&format!("{what} must be the only operation in the request")));
        let (makes_index, changes_index_set) = self.makes_or_deletes_index();
        let changes_iops = self.provisioned_throughput.is_some() || self.billing_mode.as_deref() == Some("PROVISIONED");
        match () {
            () if asked == 1 => Ok(()),
            () if self.replica_updates.is_some()
                && (self.multi_region_consistency.is_some() || self.global_table_witness_updates.is_some()) =>
            {
                Err(invalid("Requests that modify replicas or witnesses must not also modify other fields"))
            }
            () if self.replica_updates.is_some() => alone("Replica modification"),
            () if self.sse_specification.is_some() => alone("Server-Side Encryption modification"),
            () if self.table_class.is_some() => alone("TableClass modification"),
            () if self.deletion_protection_enabled.is_some() => alone("DeletionProtection modification"),
            () if self.disassociation_protection_enabled.is_some() => alone("DisassociationProtection modification"),
            () if self.changes_warm() && makes_index => {
                Err(invalid("Create global secondary index cannot be specified when updating WarmThroughput"))
            }
            () if self.changes_warm() => alone("WarmThroughput"),
            () if self.changes_on_demand() && (asked > 2 || self.billing_mode.is_none()) => {
                Err(invalid("OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"))
            }
            () if self.stream_specification.is_some() && changes_iops => {
                Err(invalid("You cannot modify stream status while updating table IOPS"))
            }
            () if changes_index_set && changes_iops => {
                Err(invalid("You cannot create or delete index while updating table IOPS"))
            }
            () if changes_index_set && self.stream_specification.is_some() => {
                Err(invalid("You cannot create or delete index while changing stream status"))
            }
            () => Ok(()),
        }
    }

    /// What it may ask for, and whether it does. A structure without members asks for nothing.
    fn concerns(&self) -> [bool; 13] {
        [
            self.billing_mode.is_some(),
            self.provisioned_throughput.is_some(),
            self.global_secondary_index_updates.is_some(),
            self.stream_specification.is_some(),
            self.deletion_protection_enabled.is_some(),
            self.sse_specification.is_some(),
            self.table_class.is_some(),
            self.changes_on_demand(),
            self.changes_warm(),
            self.replica_updates.is_some(),
            self.global_table_settings_replication_mode.is_some(),
            self.disassociation_protection_enabled.is_some(),
            self.vector_index_updates.is_some(),
        ]
    }

    fn changes_on_demand(&self) -> bool {
        self.on_demand_throughput.is_some_and(|on_demand| !on_demand.is_empty())
    }

    fn changes_warm(&self) -> bool {
        self.warm_throughput.is_some_and(|warm| !warm.is_empty())
    }

    fn makes_or_deletes_index(&self) -> (bool, bool) {
        let updates = || self.global_secondary_index_updates.iter().flatten();
        let makes = updates().any(|update| update.create.is_some());
        let changes_vectors = self.vector_index_updates.is_some();
        (makes, makes || changes_vectors || updates().any(|update| update.delete.is_some()))
    }
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}
