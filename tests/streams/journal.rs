//! What writers did, as they know it themselves: the evidence that streams are judged by.
//!
//! Every put and update leaves a mark in its item that no other ever leaves, so a record says by its images which
//! mutation made it and which it replaced.

use serde_json::{Value as Json, json};

use crate::house::Span;

/// Written by one mutation only: writer, number of its request, part of the request.
pub type Mark = String;

/// One of the two tables.
pub type Table = usize;

/// An item's key: which table, whose it is, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub table: Table,
    /// The one writer that writes it, or everybody.
    pub owner: Option<usize>,
    pub number: u8,
}

/// What a part of an acknowledged request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Leaves this mark, so there is a record with it in its new image.
    Writes(Mark),
    /// Removes the item with this mark.
    Removes(Mark),
    /// Removes whatever is there, if anything.
    RemovesAny,
    /// Changes nothing, so there is no record.
    Nothing,
}

#[derive(Clone, Debug)]
pub struct Part {
    pub spot: Spot,
    pub effect: Effect,
    /// The mark that was replaced, if the answer tells: an inner `None` is an item that was not there.
    pub replaced: Option<Option<Mark>>,
}

impl Part {
    pub const fn new(spot: Spot, effect: Effect) -> Self {
        Self { spot, effect, replaced: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Refused, or failed before anything happened.
    Not,
    /// The writer never heard, or was told that nobody knows.
    Unknown,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// In the order of the request.
    pub parts: Vec<Part>,
    pub outcome: Outcome,
    pub span: Span,
}

impl Spot {
    /// The key as a request gives it, and a record shows it.
    pub fn key(self) -> Json {
        let name = self.owner.map_or_else(|| "shared".to_owned(), |owner| format!("writer-{owner}"));
        match self.table {
            0 => json!({ "pk": { "S": name }, "sk": { "N": self.number.to_string() } }),
            _ => json!({ "id": { "S": format!("{name}-{}", self.number) } }),
        }
    }
}

/// The two tables, with indexes of every kind between them and streams that show both images.
pub const TABLES: [&str; 2] = ["orders", "notes"];

/// The request that gives the first of them one more index, which is then filled from what is there.
pub fn add_index() -> Json {
    json!({
        "TableName": TABLES[0],
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" },
            { "AttributeName": "sk", "AttributeType": "N" },
            { "AttributeName": "mark", "AttributeType": "S" },
        ],
        "GlobalSecondaryIndexUpdates": [{ "Create": {
            "IndexName": "by_mark",
            "KeySchema": [{ "AttributeName": "mark", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "KEYS_ONLY" },
        } }],
    })
}

/// The request that creates one of them.
pub fn create_table(table: Table) -> Json {
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let key = |partition: &str, sort: Option<&str>| {
        let sort = sort.map(|sort| json!({ "AttributeName": sort, "KeyType": "RANGE" }));
        let partition = json!({ "AttributeName": partition, "KeyType": "HASH" });
        Json::Array([Some(partition), sort].into_iter().flatten().collect())
    };
    let index = |name: &str, key: Json, projection: Json| json!({ "IndexName": name, "KeySchema": key, "Projection": projection });
    let mut request = json!({
        "TableName": TABLES[table],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    let all = json!({ "ProjectionType": "ALL" });
    if table == 0 {
        request["AttributeDefinitions"] = json!([
            attribute("pk", "S"),
            attribute("sk", "N"),
            attribute("group", "S"),
            attribute("score", "N"),
            attribute("data", "B"),
        ]);
        request["KeySchema"] = key("pk", Some("sk"));
        request["LocalSecondaryIndexes"] = json!([index("by_score", key("pk", Some("score")), all)]);
        let some = json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": ["mark", "tags"] });
        request["GlobalSecondaryIndexes"] = json!([
            index("by_group", key("group", Some("score")), some),
            index("by_data", key("data", None), json!({ "ProjectionType": "KEYS_ONLY" })),
        ]);
    } else {
        request["AttributeDefinitions"] = json!([attribute("id", "S"), attribute("score", "N")]);
        request["KeySchema"] = key("id", None);
        request["GlobalSecondaryIndexes"] = json!([index("by_score", key("score", None), all)]);
    }
    request
}
