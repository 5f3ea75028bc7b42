//! The regions that replicas can be said to lie in.

use crate::error::Error;

/// Where the current version of global tables is offered.
const REGIONS: [&str; 37] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Where strongly consistent groups are offered.
const STRONG: [&str; 10] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

pub fn check(region: &str) -> Result<(), Error> {
    if REGIONS.contains(&region) {
        return Ok(());
    }
    Err(Error::Validation(format!(
        "Region {region} is not supported. The latest version of global tables are only supported in the following regions: \
         [{}]",
        REGIONS.join(", ")
    )))
}

pub fn is_strong(region: &str) -> bool {
    STRONG.contains(&region)
}
