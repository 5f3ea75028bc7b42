//! What the model's tables are made of, and the requests that create and change them.

use serde_json::{Value as Json, json};

use super::value::{Item, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    S,
    N,
    B,
}

impl Kind {
    pub const fn fits(self, value: &Value) -> bool {
        matches!((self, value), (Self::S, Value::S(_)) | (Self::N, Value::N(_)) | (Self::B, Value::B(_)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub partition: Vec<Attribute>,
    pub sort: Vec<Attribute>,
}

impl Key {
    pub fn new(partition: &[(&'static str, Kind)], sort: &[(&'static str, Kind)]) -> Self {
        let attributes =
            |pairs: &[(&'static str, Kind)]| pairs.iter().map(|&(name, kind)| Attribute { name, kind }).collect();
        Self { partition: attributes(partition), sort: attributes(sort) }
    }

    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.partition.iter().chain(&self.sort)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The key attributes alone.
    pub fn of(&self, item: &Item) -> Item {
        item.iter().filter(|(name, _)| self.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub fn is_complete_in(&self, item: &Item) -> bool {
        self.attributes().all(|attribute| item.get(attribute.name).is_some_and(|value| attribute.kind.fits(value)))
    }

    fn to_json(&self) -> Json {
        let element = |attribute: &Attribute, role: &str| json!({ "AttributeName": attribute.name, "KeyType": role });
        let partition = self.partition.iter().map(|attribute| element(attribute, "HASH"));
        partition.chain(self.sort.iter().map(|attribute| element(attribute, "RANGE"))).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    All,
    KeysOnly,
    Include(&'static [&'static str]),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    pub name: &'static str,
    pub local: bool,
    /// Of an index of vectors: a partition attribute at most.
    pub key: Key,
    pub projection: Projection,
    pub vector: Option<Vector>,
}

/// What makes an index one of vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    pub attribute: &'static str,
    pub distance: &'static str,
    pub filter: Attribute,
}

impl Vector {
    pub const DIMENSIONS: usize = 3;

    /// The components of a value that is a vector.
    pub fn components(value: &Value) -> Option<Vec<f64>> {
        let Value::L(list) = value else { return None };
        let component =
            |value: &Value| if let Value::N(hundredths) = value { Some(*hundredths as f64 / 100.0) } else { None };
        let components: Vec<f64> = list.iter().map(component).collect::<Option<_>>()?;
        (components.len() == Self::DIMENSIONS).then_some(components)
    }
}

impl Index {
    /// Whether an item is in the index.
    pub fn holds(&self, item: &Item) -> bool {
        let has_vector =
            |vector: &Vector| item.get(vector.attribute).is_some_and(|value| Vector::components(value).is_some());
        self.key.is_complete_in(item) && self.vector.as_ref().is_none_or(has_vector)
    }

    /// The attributes whose types the table's definitions tell.
    pub fn typed(&self) -> impl Iterator<Item = &Attribute> {
        self.key.attributes().chain(self.vector.iter().map(|vector| &vector.filter))
    }

    /// Whether a value that an item has for an attribute is one that the index refuses.
    fn refuses(&self, name: &str, value: &Value) -> bool {
        let is_key = self
            .key
            .attributes()
            .any(|attribute| attribute.name == name && (!attribute.kind.fits(value) || is_empty(value)));
        let is_of_vectors = self.vector.as_ref().is_some_and(|vector| {
            (vector.filter.name == name && !vector.filter.kind.fits(value))
                || (vector.attribute == name && Vector::components(value).is_none())
        });
        is_key || is_of_vectors
    }

    /// The member of UpdateTable's request that makes and deletes it.
    pub const fn updates(&self) -> &'static str {
        if self.vector.is_some() { "VectorIndexUpdates" } else { "GlobalSecondaryIndexUpdates" }
    }

    /// What the index shows of an item that is in it.
    pub fn shown(&self, table_key: &Key, item: &Item) -> Item {
        let shows = |name: &str| match self.projection {
            Projection::All => true,
            Projection::KeysOnly => false,
            Projection::Include(names) => names.contains(&name),
        };
        item.iter()
            .filter(|(name, _)| self.vector.as_ref().is_none_or(|vector| vector.attribute != *name))
            .filter(|(name, _)| {
                shows(name) || table_key.contains(name) || self.typed().any(|attribute| attribute.name == *name)
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    pub fn to_json(&self) -> Json {
        let projection = match self.projection {
            Projection::All => json!({ "ProjectionType": "ALL" }),
            Projection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
            Projection::Include(names) => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names }),
        };
        let Some(vector) = &self.vector else {
            return json!({ "IndexName": self.name, "KeySchema": self.key.to_json(), "Projection": projection });
        };
        let element = |attribute: &Attribute, kind: &str| json!({ "AttributeName": attribute.name, "SearchSchemaElementType": kind });
        let partition = self.key.attributes().map(|attribute| element(attribute, "HASH"));
        json!({
            "IndexName": self.name,
            "VectorAttribute": { "AttributeName": vector.attribute },
            "Dimensions": Vector::DIMENSIONS,
            "DistanceFunction": vector.distance,
            "SearchSchema": partition.chain([element(&vector.filter, "INLINE_FILTER")]).collect::<Vec<_>>(),
            "Projection": projection,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

impl View {
    pub const ALL: [Self; 4] = [Self::KeysOnly, Self::NewImage, Self::OldImage, Self::NewAndOldImages];

    pub const fn name(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    pub const fn shows_old(self) -> bool {
        matches!(self, Self::OldImage | Self::NewAndOldImages)
    }

    pub const fn shows_new(self) -> bool {
        matches!(self, Self::NewImage | Self::NewAndOldImages)
    }
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: &'static str,
    pub key: Key,
    pub indexes: Vec<Index>,
    pub view: Option<View>,
}

impl Table {
    pub fn create_request(&self) -> Json {
        let indexes = |local: bool, of_vectors: bool| {
            let is_wanted = |index: &&Index| index.local == local && index.vector.is_some() == of_vectors;
            let of_kind: Vec<Json> = self.indexes.iter().filter(is_wanted).map(Index::to_json).collect();
            if of_kind.is_empty() { Json::Null } else { of_kind.into() }
        };
        let mut request = json!({
            "TableName": self.name,
            "AttributeDefinitions": attribute_definitions(&self.key, &self.indexes),
            "KeySchema": self.key.to_json(),
            "BillingMode": "PAY_PER_REQUEST",
            "LocalSecondaryIndexes": indexes(true, false),
            "GlobalSecondaryIndexes": indexes(false, false),
            "VectorIndexes": indexes(false, true),
            "StreamSpecification": self.view.map(stream_specification),
        });
        if let Some(members) = request.as_object_mut() {
            members.retain(|_, member| !member.is_null());
        }
        request
    }

    /// Whether any of the `item`'s index key attributes is of a wrong type or empty, or what an index of vectors is about is not
    /// what it must be.
    pub fn has_bad_index_key(&self, item: &Item, is_touched: impl Fn(&str) -> bool) -> bool {
        let mut touched = item.iter().filter(|(name, _)| is_touched(name));
        touched.any(|(name, value)| self.indexes.iter().any(|index| index.refuses(name, value)))
    }

    /// Takes out of an item what its indexes refuse.
    pub fn repair(&self, item: &mut Item) {
        item.retain(|name, value| !self.indexes.iter().any(|index| index.refuses(name, value)));
    }

    /// An empty value for an index key: in a transaction the whole request's fault and not its action's.
    pub fn has_empty_index_key(&self, item: &Item) -> bool {
        let mut attributes = self.indexes.iter().flat_map(|index| index.key.attributes());
        attributes.any(|attribute| item.get(attribute.name).is_some_and(is_empty))
    }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::S(text) if text.is_empty()) || matches!(value, Value::B(bytes) if bytes.is_empty())
}

pub fn attribute_definitions<'a>(key: &'a Key, indexes: impl IntoIterator<Item = &'a Index>) -> Json {
    let mut definitions: Vec<&Attribute> = Vec::new();
    for attribute in key.attributes().chain(indexes.into_iter().flat_map(Index::typed)) {
        if !definitions.contains(&attribute) {
            definitions.push(attribute);
        }
    }
    definitions
        .iter()
        .map(|attribute| json!({ "AttributeName": attribute.name, "AttributeType": format!("{:?}", attribute.kind) }))
        .collect()
}

pub fn stream_specification(view: View) -> Json {
    json!({ "StreamEnabled": true, "StreamViewType": view.name() })
}
