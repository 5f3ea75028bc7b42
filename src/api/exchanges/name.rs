//! What exchanges are called: kinds, ids, ARNs.
//!
//! Ids are as AWS's are: the milliseconds of the beginning in fourteen digits, and something random.

use crate::api::constraints::Constraints;
use crate::error::Error;
use crate::store::{Exchange, Realm, Store};

/// Shortest and longest ARN. Source: botocore's model.
const ARN_LENGTHS: (usize, usize) = (37, 1024);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BulkPut,
    Export,
    Import,
}

impl Kind {
    /// As the store keeps it, and as ARNs say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BulkPut => "bulk-operation",
            Self::Export => "export",
            Self::Import => "import",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::BulkPut, Self::Export, Self::Import].into_iter().find(|kind| kind.name() == name)
    }

    /// What tokens of its pages are for.
    pub const fn token_purpose(self) -> &'static str {
        match self {
            Self::BulkPut => "fdyno ListBulkOperations NextToken",
            Self::Export => "fdyno ListExports NextToken",
            Self::Import => "fdyno ListImports NextToken",
        }
    }

    pub fn exchange(self, realm: &Realm, table: &str, id: &str) -> Exchange {
        // Bulk operations of all tables are listed in the order of their beginnings.
        let table = if self == Self::BulkPut { "" } else { table };
        Exchange { realm: realm.clone(), kind: self.name().to_owned(), table: table.to_owned(), id: id.to_owned() }
    }

    /// One that begins now.
    pub fn new_exchange(self, store: &Store, realm: &Realm, table: &str) -> Exchange {
        let (now, random) = (store.clock().now().millis(), store.clock().random_u64() >> 32);
        self.exchange(realm, table, &format!("{now:014}-{random:08x}"))
    }
}

/// The ARN of one that reads or writes `table`.
pub fn arn(exchange: &Exchange, table: &str) -> String {
    format!("{}/{}/{}", exchange.realm.table_arn(table), exchange.kind, exchange.id)
}

/// The ARN of a request, which must be there.
pub fn constrain_arn<'v>(constraints: &mut Constraints, path: &str, arn: &'v Option<String>) -> Option<&'v String> {
    let arn = constraints.required(path, arn)?;
    constraints.length(path, arn, ARN_LENGTHS.0, ARN_LENGTHS.1);
    Some(arn)
}

/// The exchange that an ARN of this kind names in `realm`, and its table; `None` if it names one that cannot be there.
pub fn parse_arn<'a>(realm: &Realm, kind: Kind, text: &'a str) -> Result<Option<(Exchange, &'a str)>, Error> {
    let invalid = || Error::Validation(format!("Invalid {} ARN: {text}", kind.name()));
    let mut parts = text.splitn(6, ':');
    let (Some("arn"), Some(partition), Some("dynamodb"), Some(region), Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(invalid());
    };
    let names: Vec<&str> = resource.split('/').collect();
    let ["table", table, found, id] = names.as_slice() else { return Err(invalid()) };
    if *found != kind.name() || table.is_empty() || id.is_empty() {
        return Err(invalid());
    }
    let is_here = region == realm.region && account == realm.account && partition == realm.partition();
    Ok(is_here.then(|| (kind.exchange(realm, table, id), *table)))
}
