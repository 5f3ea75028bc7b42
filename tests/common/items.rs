//! The table that tests and benchmarks of clusters write to, as a request for it.

use serde_json::{Value, json};

/// CreateTable of `items`, by `id`, whose stream tells both images.
pub fn table() -> Value {
    json!({
        "TableName": "items",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    })
}
