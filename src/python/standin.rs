//! TEMPORARY: a tiny stand-in for `crate::api` and `crate::store`, so that the boundary can be built and tested before
//! they exist. To remove: delete this file and let `dispatch` use `crate::{api, store}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Time(f64),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Tree, E> {
                Ok(Tree::Int(v))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Tree, E> {
                Ok(Tree::Int(i64::try_from(v).unwrap_or(i64::MAX)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Tree, E> {
                Ok(Tree::Text(v.to_owned()))
            }
            fn visit_byte_buf<E>(self, v: Vec<u8>) -> Result<Tree, E> {
                Ok(Tree::Bytes(v))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    list.push(element);
                }
                Ok(Tree::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut tree = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, Tree>()? {
                    let value = match value {
                        Tree::Text(text) if key == "B" => Tree::Bytes(decode(text)),
                        value => value,
                    };
                    tree.insert(key, value);
                }
                Ok(Tree::Map(tree))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn decode(text: String) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(&text).unwrap_or_else(|_| text.into_bytes())
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(v) => serializer.serialize_bool(*v),
            Self::Int(v) => serializer.serialize_i64(*v),
            Self::Text(v) => serializer.serialize_str(v),
            Self::Bytes(v) => serializer.serialize_bytes(v),
            Self::Time(v) => serializer.serialize_newtype_struct("Timestamp", v),
            Self::List(v) => v.serialize(serializer),
            Self::Map(v) => v.serialize(serializer),
        }
    }
}

impl Tree {
    fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(name),
            _ => None,
        }
    }
    fn text(&self, name: &str) -> String {
        match self.get(name) {
            Some(Self::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }
    fn map(pairs: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        Self::Map(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

pub mod store {
    use super::*;
    use crate::clock::Clock;
    use crate::error::Error;
    use parking_lot::Mutex;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Realm {
        pub account: String,
        pub region: String,
    }

    #[derive(Clone, Debug)]
    pub struct Table {
        pub key: Vec<String>,
        pub items: BTreeMap<String, Tree>,
    }

    pub type Tables = BTreeMap<(Realm, String), Table>;

    #[derive(Clone)]
    pub struct Store {
        pub tables: Arc<Mutex<Tables>>,
        clock: Clock,
    }

    impl Store {
        pub async fn open() -> Result<Self, Error> {
            Ok(Self { tables: Arc::default(), clock: Clock::system() })
        }
        pub async fn fork(&self) -> Result<Self, Error> {
            let tables = self.tables.lock().clone();
            Ok(Self { tables: Arc::new(Mutex::new(tables)), clock: self.clock.twin() })
        }
        pub const fn clock(&self) -> &Clock {
            &self.clock
        }
    }
}

pub mod api {
    use super::store::{Realm, Store, Table, Tables};
    use super::*;
    use crate::error::Error;

    pub type Response = Tree;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Operation(&'static str, Service);
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Service(&'static str);
    impl Service {
        pub const fn name(self) -> &'static str {
            self.0
        }
    }
    const D: Service = Service("dynamodb");
    const S: Service = Service("dynamodbstreams");
    const ALL: &[Operation] = &[
        Operation("CreateTable", D),
        Operation("DescribeTable", D),
        Operation("DeleteTable", D),
        Operation("ListTables", D),
        Operation("PutItem", D),
        Operation("GetItem", D),
        Operation("DeleteItem", D),
        Operation("UpdateItem", D),
        Operation("Query", D),
        Operation("Scan", D),
        Operation("BatchWriteItem", D),
        Operation("BatchGetItem", D),
        Operation("UpdateTable", D),
        Operation("TransactWriteItems", D),
        Operation("TransactGetItems", D),
        Operation("ListStreams", S),
        Operation("DescribeStream", S),
        Operation("GetShardIterator", S),
        Operation("GetRecords", S),
    ];
    impl Operation {
        pub const fn all() -> &'static [Self] {
            ALL
        }
        pub const fn name(self) -> &'static str {
            self.0
        }
        pub const fn service(self) -> Service {
            self.1
        }
        pub fn parse<'de, De: Deserializer<'de>>(self, deserializer: De) -> Result<Request, De::Error> {
            Ok(Request(self, Tree::deserialize(deserializer)?))
        }
    }
    pub struct Request(Operation, Tree);

    pub mod json {
        use super::{Error, Operation, Request};
        pub fn request(operation: Operation, body: &[u8]) -> Result<Request, Error> {
            let mut deserializer = serde_json::Deserializer::from_slice(body);
            operation.parse(&mut deserializer).map_err(|error| Error::Serialization(error.to_string()))
        }
    }

    pub fn image(_item: &crate::item::Item) -> Tree {
        Tree::map([("stand-in", Tree::Null)])
    }

    fn missing() -> Error {
        Error::ResourceNotFound("Requested resource not found".to_owned())
    }

    fn key_of(table: &Table, item: &Tree) -> String {
        table.key.iter().map(|name| format!("{:?}", item.get(name))).collect()
    }

    fn describe(realm: &Realm, name: &str, table: &Table) -> Tree {
        let arn = format!("arn:aws:dynamodb:{}:{}:table/{name}", realm.region, realm.account);
        Tree::map([
            ("TableName", Tree::Text(name.to_owned())),
            ("TableStatus", Tree::Text("ACTIVE".to_owned())),
            ("TableArn", Tree::Text(arn)),
            ("CreationDateTime", Tree::Time(1_700_000_000.25)),
            ("ItemCount", Tree::Int(i64::try_from(table.items.len()).unwrap_or(0))),
        ])
    }

    fn put(tables: &mut Tables, realm: &Realm, table: &str, request: &Tree) -> Result<(), Error> {
        let table = tables.get_mut(&(realm.clone(), table.to_owned())).ok_or_else(missing)?;
        let item = request.get("Item").cloned().unwrap_or(Tree::Null);
        let key = key_of(table, &item);
        if request.get("ConditionExpression").is_some() && table.items.contains_key(&key) {
            let asked = request.text("ReturnValuesOnConditionCheckFailure") == "ALL_OLD";
            return Err(Error::ConditionalCheckFailed { item: asked.then(Box::default) });
        }
        table.items.insert(key, item);
        Ok(())
    }

    pub async fn dispatch(store: &Store, realm: &Realm, request: Request) -> Result<Response, Error> {
        let Request(operation, input) = request;
        let name = input.text("TableName");
        let at = (realm.clone(), name.clone());
        let mut tables = store.tables.lock();
        match operation.0 {
            "CreateTable" => {
                if tables.contains_key(&at) {
                    return Err(Error::ResourceInUse(format!("Table already exists: {name}")));
                }
                let mut key = Vec::new();
                if let Some(Tree::List(schema)) = input.get("KeySchema") {
                    key.extend(schema.iter().map(|element| element.text("AttributeName")));
                }
                let table = Table { key, items: BTreeMap::new() };
                let answer = describe(realm, &name, &table);
                tables.insert(at, table);
                Ok(Tree::map([("TableDescription", answer)]))
            }
            "DescribeTable" => {
                let table = tables.get(&at).ok_or_else(missing)?;
                Ok(Tree::map([("Table", describe(realm, &name, table))]))
            }
            "DeleteTable" => {
                let table = tables.remove(&at).ok_or_else(missing)?;
                Ok(Tree::map([("TableDescription", describe(realm, &name, &table))]))
            }
            "ListTables" => {
                let after = input.text("ExclusiveStartTableName");
                let limit = match input.get("Limit") {
                    Some(Tree::Int(limit)) => usize::try_from(*limit).unwrap_or(100),
                    _ => 100,
                };
                let mut names: Vec<_> = tables
                    .keys()
                    .filter(|(owner, name)| owner == realm && *name > after)
                    .map(|(_, name)| Tree::Text(name.clone()))
                    .collect();
                let more = names.len() > limit;
                names.truncate(limit);
                let mut answer = vec![("TableNames", Tree::List(names.clone()))];
                if let (true, Some(last)) = (more, names.last()) {
                    answer.push(("LastEvaluatedTableName", last.clone()));
                }
                Ok(Tree::map(answer))
            }
            "PutItem" => {
                put(&mut tables, realm, &name, &input)?;
                Ok(Tree::map([]))
            }
            "BatchWriteItem" => {
                if let Some(Tree::Map(requests)) = input.get("RequestItems") {
                    for (table, writes) in requests {
                        let Tree::List(writes) = writes else { continue };
                        for write in writes {
                            if let Some(request) = write.get("PutRequest") {
                                put(&mut tables, realm, table, request)?;
                            }
                        }
                    }
                }
                Ok(Tree::map([("UnprocessedItems", Tree::map([]))]))
            }
            "GetItem" => {
                let table = tables.get(&at).ok_or_else(missing)?;
                let key = key_of(table, input.get("Key").unwrap_or(&Tree::Null));
                Ok(Tree::map(table.items.get(&key).map(|item| ("Item", item.clone()))))
            }
            "Scan" => {
                let table = tables.get(&at).ok_or_else(missing)?;
                let items: Vec<_> = table.items.values().cloned().collect();
                let count = Tree::Int(i64::try_from(items.len()).unwrap_or(0));
                Ok(Tree::map([("Count", count.clone()), ("ScannedCount", count), ("Items", Tree::List(items))]))
            }
            "ListStreams" => Ok(Tree::map([("Streams", Tree::List(Vec::new()))])),
            other => Err(Error::UnknownOperation(format!("the stand-in has no {other}"))),
        }
    }
}
