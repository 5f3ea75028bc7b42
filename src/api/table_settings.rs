//! Settings of a table as CreateTable and UpdateTable give them: capacity, class, encryption. Their shapes, their rules.
//!
//! Rules and messages as measured on AWS (the notes published as ack-api-quirks, October 2026: findings DDB-TABLE-038, 039,
//! 044, 051, 059, 141, 171, 442, 456).

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::table_definition::ThroughputInput;
use crate::error::Error;
use crate::store::{BillingMode, CapacitySettings, OnDemandChange, Realm, Throughput};

/// What one table may be given, as `DescribeLimits` says.
pub const MOST_OF_A_TABLE: u64 = 40_000;
/// What all tables of a region may be given together.
pub const MOST_OF_AN_ACCOUNT: u64 = 80_000;

const INITIAL: &str = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html\
                       #on-demand-capacity-mode-initial";

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OnDemandInput {
    pub max_read_request_units: Option<i64>,
    max_write_request_units: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct WarmInput {
    read_units_per_second: Option<i64>,
    write_units_per_second: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EncryptionInput {
    enabled: Option<bool>,
    #[serde(rename = "SSEType")]
    pub sse_type: Option<String>,
    #[serde(rename = "KMSMasterKeyId")]
    kms_master_key_id: Option<String>,
}

/// Whose capacity a message speaks of.
#[derive(Clone, Copy)]
pub enum Of<'a> {
    Table,
    Index(&'a str),
}

impl Of<'_> {
    /// As on-demand throughput says it.
    fn on_demand(self) -> String {
        match self {
            Self::Table => "table".to_owned(),
            Self::Index(name) => format!("index : {name}"),
        }
    }

    /// As warm throughput says it.
    fn warm(self) -> String {
        match self {
            Self::Table => "table".to_owned(),
            Self::Index(name) => format!("index {name}"),
        }
    }
}

impl OnDemandInput {
    /// One without members counts as absent.
    pub const fn is_empty(&self) -> bool {
        self.max_read_request_units.is_none() && self.max_write_request_units.is_none()
    }

    fn members(self) -> [(&'static str, &'static str, Option<i64>); 2] {
        [
            ("MaxReadRequestUnits", "TableMaxReadCapacityUnits", self.max_read_request_units),
            ("MaxWriteRequestUnits", "TableMaxWriteCapacityUnits", self.max_write_request_units),
        ]
    }

    /// The change it asks for. `may_clear`: -1 removes a limit, which a new table has none of.
    pub fn change(
        self,
        realm: &Realm,
        of: Of<'_>,
        billing_mode: BillingMode,
        may_clear: bool,
    ) -> Result<OnDemandChange, Error> {
        for (member, limit, value) in self.members() {
            let Some(value) = value else { continue };
            if billing_mode == BillingMode::Provisioned {
                let of = match of {
                    Of::Table => String::new(),
                    Of::Index(name) => format!(" for index : {name}"),
                };
                // A new table's message has no article, and a full stop.
                let (the, stop) = if may_clear { ("the ", "") } else { ("", ".") };
                return Err(invalid(&format!(
                    "{member} for OnDemandThroughput{of} cannot be specified when {the}table BillingMode is PROVISIONED{stop}"
                )));
            }
            if value < 1 && !(may_clear && value == -1) {
                return Err(invalid(&format!(
                    "Requested {member} for OnDemandThroughput for {} is outside of valid range",
                    of.on_demand()
                )));
            }
            check_limit(realm, value, &format!("{member} for OnDemandThroughput for {}", of.on_demand()), limit)?;
        }
        Ok(OnDemandChange { read: self.max_read_request_units, write: self.max_write_request_units })
    }
}

impl WarmInput {
    pub const fn is_empty(&self) -> bool {
        self.read_units_per_second.is_none() && self.write_units_per_second.is_none()
    }

    /// What is to be warm, of which nothing is below `now`; `lower` says what is wrong with less.
    fn asked(self, realm: &Realm, of: Of<'_>, now: Throughput, lower: [&str; 2]) -> Result<Throughput, Error> {
        let units = |member: &str, limit: &str, given: Option<i64>, now: u64, lower: &str| {
            let Some(given) = given else { return Ok(now) };
            let what = format!("{member} for WarmThroughput for {}", of.warm());
            let Some(units) = u64::try_from(given).ok().filter(|units| *units >= now) else {
                return Err(invalid(&format!("Requested {what} is lower than {lower}")));
            };
            check_limit(realm, given, &what, limit)?;
            Ok(units)
        };
        let [read, write] = lower;
        Ok(Throughput {
            read: units("ReadUnitsPerSecond", "TableMaxReadCapacityUnits", self.read_units_per_second, now.read, read)?,
            write: units(
                "WriteUnitsPerSecond",
                "TableMaxWriteCapacityUnits",
                self.write_units_per_second,
                now.write,
                write,
            )?,
        })
    }

    /// Of a table or an index that is `now` warm.
    pub fn raised(self, realm: &Realm, of: Of<'_>, now: Throughput) -> Result<Throughput, Error> {
        let lower = "current WarmThroughput, decreasing WarmThroughput is not supported";
        self.asked(realm, of, now, [lower, lower])
    }
}

/// The capacity settings of a new table or a new index, whose throughput has been checked.
pub fn new_capacity(
    realm: &Realm,
    of: Of<'_>,
    (billing_mode, throughput): (BillingMode, Option<Throughput>),
    on_demand: Option<OnDemandInput>,
    warm: Option<WarmInput>,
) -> Result<CapacitySettings, Error> {
    let mut capacity = CapacitySettings::default();
    if let Some(on_demand) = on_demand {
        capacity.change_on_demand(on_demand.change(realm, of, billing_mode, false)?);
    }
    if let Some(warm) = warm.filter(|warm| !warm.is_empty()) {
        let least = capacity.warm(billing_mode, throughput);
        let initial = format!("initial throughput for OnDemand. See: {INITIAL}");
        let lower = match billing_mode {
            BillingMode::PayPerRequest => [initial.as_str(), initial.as_str()],
            BillingMode::Provisioned => {
                ["ReadCapacityUnits of ProvisionedThroughput", "WriteCapacityUnits of ProvisionedThroughput"]
            }
        };
        capacity.warm = Some(warm.asked(realm, of, least, lower)?);
    }
    Ok(capacity)
}

/// What one table may not be given.
pub fn check_maximum(realm: &Realm, of: Of<'_>, throughput: Option<&ThroughputInput>) -> Result<(), Error> {
    let Some(throughput) = throughput else { return Ok(()) };
    let units = [
        ("ReadCapacityUnits", throughput.read_capacity_units),
        ("WriteCapacityUnits", throughput.write_capacity_units),
    ];
    for (name, value) in units {
        let Some(value) = value.filter(|value| u64::try_from(*value).is_ok_and(|value| value > MOST_OF_A_TABLE)) else {
            continue;
        };
        let (subject, scope) = match of {
            Of::Table => (format!("{name}, {value}"), "table"),
            Of::Index(index) => (format!("{name} for index {index}, {value}"), "index"),
        };
        return Err(Error::LimitExceeded(format!(
            "The requested {subject}, is above the per {scope} maximum for the account in {}. Per {scope} maximum: \
             {MOST_OF_A_TABLE}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher \
             limits.",
            realm.region
        )));
    }
    Ok(())
}

fn check_limit(realm: &Realm, value: i64, what: &str, limit: &str) -> Result<(), Error> {
    if u64::try_from(value).is_ok_and(|value| value > MOST_OF_A_TABLE) {
        return Err(Error::LimitExceeded(format!(
            "Subscriber limit exceeded: Requested {what} exceeds {limit} of the account in region {}",
            realm.region
        )));
    }
    Ok(())
}

impl EncryptionInput {
    /// The ARN of the key it asks for; none is AWS's own.
    pub fn key_arn(&self, realm: &Realm) -> Result<Option<String>, Error> {
        let (kind, key) = (self.sse_type.as_deref(), self.kms_master_key_id.as_deref());
        match (self.enabled, kind, key) {
            (Some(false), Some(_), _) => Err(invalid("SSEType can not be specified if Enabled is false")),
            (Some(false), None, Some(_)) => Err(invalid("KMSMasterKeyId can not be specified if Enabled is false")),
            (_, Some("AES256"), _) => Err(invalid("SSEType AES256 is not supported")),
            (_, None, Some(_)) => Err(invalid("SSEType KMS is required if KMSMasterKeyId is specified")),
            (Some(false), None, None) | (None, None, None) => Ok(None),
            (_, _, key) => key_arn(realm, key.unwrap_or(MANAGED_KEY)).map(Some),
        }
    }

    /// What it changes of a table that is encrypted with the key `now`.
    pub fn change(&self, realm: &Realm, now: Option<&str>) -> Result<Option<String>, Error> {
        let asked = self.key_arn(realm)?;
        if asked.is_none() && now.is_none() {
            return Err(invalid("Table is already encrypted by default"));
        }
        // Only who names the key by its ARN is told so: under another name it would be encrypted again.
        if asked.is_some() && asked.as_deref() == now && self.kms_master_key_id.as_deref() == now {
            return Err(invalid(
                "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change \
                 Master Key",
            ));
        }
        Ok(asked)
    }
}

/// The key that AWS manages for DynamoDB in each account.
pub const MANAGED_KEY: &str = "alias/aws/dynamodb";

/// The ARN of the key that is called `key`: there is no key service here, so every name stands for a key of its own.
pub fn key_arn(realm: &Realm, key: &str) -> Result<String, Error> {
    let own = |id: &str| format!("arn:{}:kms:{}:{}:key/{id}", realm.partition(), realm.region, realm.account);
    let name = match key.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "kms", region, _, resource] if *region == realm.region => *resource,
        ["arn", _, _, region, ..] => {
            return Err(Error::Validation(format!(
                "KMS validation error: com.amazonaws.services.kms.model.NotFoundException: Invalid arn {region}"
            )));
        }
        _ => key,
    };
    match name.strip_prefix("key/") {
        Some(_) if key.starts_with("arn:") => Ok(key.to_owned()),
        _ if name.starts_with("alias/") => {
            let digits = format!("{:032x}", xxh3_128(own(name).as_bytes()));
            let part = |range| digits.get(range).unwrap_or_default();
            let id = [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-");
            Ok(own(&id))
        }
        id => Ok(own(id.unwrap_or(name))),
    }
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm { account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
    }

    fn encryption(enabled: Option<bool>, kind: Option<&str>, key: Option<&str>) -> EncryptionInput {
        EncryptionInput { enabled, sse_type: kind.map(str::to_owned), kms_master_key_id: key.map(str::to_owned) }
    }

    fn text<T>(result: Result<T, Error>) -> String {
        let text = result.err().map(|error| error.to_string()).unwrap_or_default();
        text.replace("One or more parameter values were invalid: ", "")
    }

    #[test]
    fn keys_are_called_by_id_alias_and_arn() -> Result<(), Error> {
        let arn = "arn:aws:kms:us-east-1:123456789012:key/k";
        for name in ["k", "key/k", arn] {
            assert_eq!(key_arn(&realm(), name)?, arn);
        }
        let alias = key_arn(&realm(), "alias/mine")?;
        assert_eq!(key_arn(&realm(), "arn:aws:kms:us-east-1:123456789012:alias/mine")?, alias);
        assert_ne!(key_arn(&realm(), MANAGED_KEY)?, alias);
        assert_eq!(alias.len(), arn.len() + 35);
        assert!(key_arn(&realm(), &arn.replace("us-east-1", "us-west-2")).is_err());
        Ok(())
    }

    #[test]
    fn encryption_has_its_rules() -> Result<(), Error> {
        let realm = realm();
        for (input, message) in [
            (encryption(Some(false), Some("KMS"), None), "SSEType can not be specified if Enabled is false"),
            (encryption(Some(false), None, Some("k")), "KMSMasterKeyId can not be specified if Enabled is false"),
            (encryption(Some(true), Some("AES256"), None), "SSEType AES256 is not supported"),
            (encryption(Some(true), None, Some("k")), "SSEType KMS is required if KMSMasterKeyId is specified"),
        ] {
            assert_eq!(text(input.key_arn(&realm)), message);
        }
        let managed = key_arn(&realm, MANAGED_KEY)?;
        for on in [encryption(Some(true), None, None), encryption(None, Some("KMS"), None)] {
            assert_eq!(on.key_arn(&realm)?, Some(managed.clone()));
            assert_eq!(on.change(&realm, Some(&managed))?, Some(managed.clone()));
        }
        let named = encryption(Some(true), Some("KMS"), Some(&managed));
        assert!(text(named.change(&realm, Some(&managed))).starts_with("Table is already encrypted with given"));
        for off in [encryption(Some(false), None, None), encryption(None, None, None)] {
            assert_eq!(text(off.change(&realm, None)), "Table is already encrypted by default");
            assert_eq!(off.change(&realm, Some(&managed))?, None);
        }
        Ok(())
    }

    #[test]
    fn limits_on_demand_go_with_the_mode_and_have_bounds() -> Result<(), Error> {
        let change = |read, write, mode, may_clear| {
            let input = OnDemandInput { max_read_request_units: read, max_write_request_units: write };
            input.change(&realm(), Of::Table, mode, may_clear)
        };
        let (on_demand, provisioned) = (BillingMode::PayPerRequest, BillingMode::Provisioned);
        assert_eq!(change(Some(5), None, on_demand, false)?, OnDemandChange { read: Some(5), write: None });
        assert_eq!(change(None, Some(-1), on_demand, true)?.write, Some(-1));
        let range = "Requested MaxWriteRequestUnits for OnDemandThroughput for table is outside of valid range";
        for (value, may_clear) in [(0, true), (-2, true), (-1, false)] {
            assert_eq!(text(change(None, Some(value), on_demand, may_clear)), range);
        }
        assert_eq!(
            text(change(Some(1), None, provisioned, true)),
            "MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
        );
        assert_eq!(
            text(change(Some(40_001), None, on_demand, true)),
            "Subscriber limit exceeded: Requested MaxReadRequestUnits for OnDemandThroughput for table exceeds \
             TableMaxReadCapacityUnits of the account in region us-east-1"
        );
        Ok(())
    }

    #[test]
    fn what_is_warm_never_cools() -> Result<(), Error> {
        let warm = |read, write| WarmInput { read_units_per_second: read, write_units_per_second: write };
        let new = |mode, throughput, warm| new_capacity(&realm(), Of::Table, (mode, throughput), None, Some(warm));
        let ten = Some(Throughput { read: 10, write: 10 });
        assert_eq!(
            new(BillingMode::PayPerRequest, None, warm(Some(12_001), None))?.warm,
            Some(Throughput { read: 12_001, write: 4_000 })
        );
        assert_eq!(new(BillingMode::PayPerRequest, None, warm(None, None))?.warm, None);
        assert_eq!(
            text(new(BillingMode::PayPerRequest, None, warm(Some(1), Some(1)))),
            format!(
                "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than initial throughput for \
                     OnDemand. See: {INITIAL}"
            )
        );
        assert_eq!(
            text(new(BillingMode::Provisioned, ten, warm(Some(10), Some(5)))),
            "Requested WriteUnitsPerSecond for WarmThroughput for table is lower than WriteCapacityUnits of \
             ProvisionedThroughput"
        );
        let now = Throughput { read: 10, write: 10 };
        assert_eq!(warm(Some(11), None).raised(&realm(), Of::Index("i"), now)?, Throughput { read: 11, write: 10 });
        assert_eq!(
            text(warm(Some(9), None).raised(&realm(), Of::Index("i"), now)),
            "Requested ReadUnitsPerSecond for WarmThroughput for index i is lower than current WarmThroughput, decreasing \
             WarmThroughput is not supported"
        );
        Ok(())
    }
}
