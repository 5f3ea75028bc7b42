//! Random reads of items, whose answers are compared with the model at once.

use std::collections::BTreeMap;

use fdyno::api::Operation;
use fdyno::error::Error;
use serde_json::{Value as Json, json};

use super::client::Client;
use super::expression::{Condition, Path, Step, Writer, projected};
use super::generate::{Generator, pick};
use super::schema::{Attribute, Index, Kind, Vector};
use super::state::{State, Table};
use super::value::{Item, Value, item_from_json, item_to_json, items_from_json};

/// A condition on the first sort attribute that has no equal condition.
#[derive(Clone, Debug)]
enum Bound {
    Any,
    Compare(&'static str, Value),
    Between(Value, Value),
    BeginsWith(Value),
}

#[derive(Clone, Debug)]
pub enum Read {
    Get { table: usize, key: Item, paths: Vec<Path> },
    BatchGet(Vec<(usize, Item)>),
    TransactGet(Vec<(usize, Item)>),
    Query { source: Source, partition: Vec<Value>, equal: Vec<Value>, bound: Bounded, forward: bool },
    Scan { source: Source, segments: u32 },
    Search(Search),
    Describe { table: usize },
}

#[derive(Clone, Debug)]
pub struct Bounded(Bound);

/// What a Query or Scan reads from, and how.
#[derive(Clone, Debug)]
pub struct Source {
    table: usize,
    index: Option<Index>,
    /// Whether a local index is asked for whole items.
    whole: bool,
    limit: Option<usize>,
    filter: Option<Condition>,
}

impl Generator<'_> {
    pub fn read(&mut self) -> Read {
        let table = self.random.usize(..self.state.tables.len());
        match self.random.u8(0..20) {
            0..=4 => {
                let all = [
                    Path::of("a"),
                    Path::of("g"),
                    Path { root: "f", steps: vec![Step::Name("x")] },
                    Path { root: "f", steps: vec![Step::Name("y"), Step::Name("z")] },
                    Path::of("e"),
                ];
                let paths = if self.random.bool() {
                    Vec::new()
                } else {
                    all.into_iter().filter(|_| self.random.bool()).collect()
                };
                Read::Get { table, key: self.key(table), paths }
            }
            5 => Read::BatchGet(self.different_keys()),
            6 => Read::TransactGet(self.different_keys()),
            7..=13 => self.query(table),
            14..=17 => {
                let segments = if self.random.bool() { 1 } else { self.random.u32(2..5) };
                Read::Scan { source: self.source(table, true), segments }
            }
            18 => self.search().map_or(Read::Describe { table }, Read::Search),
            _ => Read::Describe { table },
        }
    }

    fn search(&mut self) -> Option<Search> {
        let all = self.state.tables.iter().enumerate().filter(|(_, table)| table.exists);
        let of_vectors = all.flat_map(|(table, of)| of.schema.indexes.iter().map(move |index| (table, index)));
        let of_vectors: Vec<_> = of_vectors.filter(|(_, index)| index.vector.is_some()).collect();
        if of_vectors.is_empty() {
            return None;
        }
        let (table, index) = pick(self.random, &of_vectors);
        let partition = index.key.partition.first().map(|attribute| self.key_value(attribute.kind));
        let comparator = pick(self.random, &["=", "<>", "<", "<=", ">", ">="]);
        let filter = index.vector.as_ref().filter(|_| self.random.bool());
        let filter = filter.map(|vector| (Path::of(vector.filter.name), comparator, self.key_value(Kind::N)));
        let vector = loop {
            if let Some(vector) = Vector::components(&self.vector()) {
                break vector;
            }
        };
        Some(Search { table, index: index.clone(), partition, filter, vector, most: self.random.usize(1..8) })
    }

    fn different_keys(&mut self) -> Vec<(usize, Item)> {
        let mut keys = Vec::new();
        for _ in 0..self.random.u8(1..10) {
            let table = self.random.usize(..self.state.tables.len());
            let place = (table, self.key(table));
            if self.state.tables[table].exists && !keys.contains(&place) {
                keys.push(place);
            }
        }
        keys
    }

    fn source(&mut self, table: usize, may_be_whole: bool) -> Source {
        let indexes = &self.state.tables[table].schema.indexes;
        let indexes: Vec<&Index> = indexes.iter().filter(|index| index.vector.is_none()).collect();
        let chosen = self.random.usize(..=indexes.len());
        let index = indexes.get(chosen).map(|index| (*index).clone());
        let whole = may_be_whole && index.as_ref().is_some_and(|index| index.local) && self.random.bool();
        // The attribute is a key of nothing.
        let filter = (self.random.u8(0..4) == 0).then(|| {
            pick(self.random, &[Condition::Exists(Path::of("u")), Condition::Contains(Path::of("c"), Value::text("x"))])
        });
        let limit = self.random.bool().then(|| self.random.usize(1..8));
        Source { table, index, whole, limit, filter }
    }

    fn query(&mut self, table: usize) -> Read {
        let source = self.source(table, true);
        let schema = &self.state.tables[table].schema;
        let key = source.index.as_ref().map_or(&schema.key, |index| &index.key).clone();
        // Half of the time values that are there.
        let sample =
            self.state.tables[table].items.values().find(|item| key.is_complete_in(item) && self.random.bool());
        let mut value = |attribute: &Attribute| match sample.and_then(|item| item.get(attribute.name)) {
            Some(value) => value.clone(),
            None => self.key_value(attribute.kind),
        };
        let partition = key.partition.iter().map(&mut value).collect();
        let several = key.sort.len().saturating_sub(1);
        let equal: Vec<Value> = key.sort.iter().take(several).map(&mut value).collect();
        let equal = if self.random.bool() { Vec::new() } else { equal };
        let bound = match key.sort.get(equal.len()) {
            None => Bound::Any,
            Some(attribute) => self.bound(attribute.kind),
        };
        Read::Query { source, partition, equal, bound: Bounded(bound), forward: self.random.bool() }
    }

    fn bound(&mut self, kind: Kind) -> Bound {
        let value = self.key_value(kind);
        match self.random.u8(0..6) {
            0 | 1 => Bound::Any,
            2 | 3 => Bound::Compare(pick(self.random, &["=", "<", "<=", ">", ">="]), value),
            4 => {
                let other = self.key_value(kind);
                if value <= other { Bound::Between(value, other) } else { Bound::Between(other, value) }
            }
            _ if kind == Kind::N => Bound::Any,
            _ => Bound::BeginsWith(value),
        }
    }
}

impl Read {
    /// Asks, and compares. An error is for the caller to judge.
    pub fn ask(&self, client: &Client, state: &State, random: &mut fastrand::Rng) -> Result<(), Error> {
        match self {
            Self::Get { table, key, paths } => {
                let of = &state.tables[*table];
                let mut request = json!({ "TableName": of.schema.name, "Key": item_to_json(key, random) });
                request["ConsistentRead"] = true.into();
                let mut writer = Writer::new(random);
                if !paths.is_empty() {
                    request["ProjectionExpression"] = writer.paths(paths).into();
                }
                writer.finish(&mut request);
                let answer = client.call(Operation::GetItem, &request)?;
                let expected = of.items.get(key);
                let expected =
                    expected.map(|item| if paths.is_empty() { item.clone() } else { projected(item, paths) });
                assert_eq!(answer.get("Item").map(item_from_json), expected, "GetItem");
                Ok(())
            }
            Self::BatchGet(keys) => batch_get(client, state, keys, random),
            Self::TransactGet(keys) => transact_get(client, state, keys, random),
            Self::Query { source, partition, equal, bound, forward } => {
                let shape = Query { source, partition, equal, bound: &bound.0, forward: *forward };
                shape.ask(client, state, random)
            }
            Self::Scan { source, segments } => scan(client, state, source, *segments, random),
            Self::Search(search) => search.ask(client, state, random),
            Self::Describe { table } => describe(client, &state.tables[*table]),
        }
    }
}

/// A search of an index of vectors.
#[derive(Clone, Debug)]
pub struct Search {
    table: usize,
    index: Index,
    partition: Option<Value>,
    filter: Option<(Path, &'static str, Value)>,
    vector: Vec<f64>,
    most: usize,
}

impl Search {
    fn ask(&self, client: &Client, state: &State, random: &mut fastrand::Rng) -> Result<(), Error> {
        let table = &state.tables[self.table];
        let mut request = json!({
            "TableName": table.schema.name,
            "IndexName": self.index.name,
            "TopK": self.most,
            "SearchVector": self.vector.iter().map(|component| json!({ "N": component.to_string() })).collect::<Vec<_>>(),
        });
        let mut writer = Writer::new(random);
        let partition = self.index.key.partition.iter().zip(&self.partition);
        let mut tests: Vec<String> = partition
            .map(|(attribute, value)| format!("{} = {}", writer.name(attribute.name), writer.value(value)))
            .collect();
        if let Some((path, comparator, value)) = &self.filter {
            tests.push(format!("{} {comparator} {}", writer.name(path.root), writer.value(value)));
        }
        if !tests.is_empty() {
            request["SearchConditionExpression"] = tests.join(" AND ").into();
        }
        writer.finish(&mut request);
        let answer = client.call(Operation::SearchVectors, &request)?;

        let is_searched = |item: &&Item| {
            let mut partition = self.index.key.partition.iter().zip(&self.partition);
            partition.all(|(attribute, value)| item.get(attribute.name) == Some(value)) && self.passes(item)
        };
        let expected: BTreeMap<Item, (Item, f64)> = table
            .indexed(&self.index)
            .filter(is_searched)
            .map(|item| {
                let key = table.schema.key.of(item);
                (key, (self.index.shown(&table.schema.key, item), self.score(item)))
            })
            .collect();
        let results = answer["SearchResults"].as_array().expect("results");
        let mut best: Vec<f64> = expected.values().map(|(_, score)| self.rank(*score)).collect();
        best.sort_by(f64::total_cmp);
        best.truncate(self.most);
        let found: Vec<f64> =
            results.iter().map(|result| self.rank(result["Score"].as_f64().expect("a score"))).collect();
        let is_near = |(one, two): (&f64, &f64)| (one - two).abs() < 1e-5;
        assert!(
            found.len() == best.len() && found.iter().zip(&best).all(is_near),
            "{request}: {found:?}, not {best:?}"
        );
        assert!(found.is_sorted(), "the order of {request}: {found:?}");
        let mut seen = Vec::new();
        for result in results {
            let item = item_from_json(&result["Item"]);
            let key = table.schema.key.of(&item);
            let (shown, score) = expected.get(&key).unwrap_or_else(|| panic!("{request}: {key:?} is not searched"));
            assert_eq!(item, *shown, "{request}");
            assert!(is_near((&result["Score"].as_f64().expect("a score"), score)), "{request}: {key:?}");
            assert!(!seen.contains(&key), "{request}: {key:?} twice");
            seen.push(key);
        }
        Ok(())
    }

    fn passes(&self, item: &Item) -> bool {
        let (Some(vector), Some((path, comparator, value))) = (&self.index.vector, &self.filter) else { return true };
        // What is of another type than the attribute's is not in the index.
        let fitting = item.get(vector.filter.name).filter(|value| vector.filter.kind.fits(value));
        let known: Item = fitting.into_iter().map(|value| (vector.filter.name.to_owned(), value.clone())).collect();
        Condition::Compare(path.clone(), comparator, value.clone()).holds(&known)
    }

    fn distance(&self) -> &'static str {
        self.index.vector.as_ref().map_or("", |vector| vector.distance)
    }

    fn score(&self, item: &Item) -> f64 {
        let attribute = self.index.vector.as_ref().map_or("", |vector| vector.attribute);
        let other = item.get(attribute).and_then(Vector::components).expect("a vector");
        let sum =
            |of: fn(f64, f64) -> f64| self.vector.iter().zip(&other).map(|(one, two)| of(*one, *two)).sum::<f64>();
        match self.distance() {
            "DOT_PRODUCT" => sum(|one, two| one * two),
            "EUCLIDEAN" => sum(|one, two| (one - two) * (one - two)).sqrt(),
            _ => {
                let squares = sum(|one, _| one * one) * sum(|_, two| two * two);
                if squares == 0.0 { 1.0 } else { 1.0 - sum(|one, two| one * two) / squares.sqrt() }
            }
        }
    }

    /// What is nearer is less.
    fn rank(&self, score: f64) -> f64 {
        if self.distance() == "DOT_PRODUCT" { -score } else { score }
    }
}

fn batch_get(client: &Client, state: &State, keys: &[(usize, Item)], random: &mut fastrand::Rng) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let (mut request, mut expected) = (json!({}), BTreeMap::<&str, Vec<Item>>::new());
    for (table, key) in keys {
        let of = &state.tables[*table];
        let asked = &mut request[of.schema.name];
        if asked.is_null() {
            *asked = json!({ "Keys": [] });
        }
        asked["Keys"].as_array_mut().expect("keys").push(item_to_json(key, random));
        expected.entry(of.schema.name).or_default().extend(of.items.get(key).cloned());
    }
    let answer = client.call(Operation::BatchGetItem, &json!({ "RequestItems": request }))?;
    assert_eq!(answer["UnprocessedKeys"], json!({}), "BatchGetItem");
    for (name, expected) in expected {
        assert_eq!(sorted(items_from_json(&answer["Responses"][name])), sorted(expected), "BatchGetItem of {name}");
    }
    Ok(())
}

fn transact_get(
    client: &Client,
    state: &State,
    keys: &[(usize, Item)],
    random: &mut fastrand::Rng,
) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let gets: Vec<Json> = keys
        .iter()
        .map(|(table, key)| {
            let name = state.tables[*table].schema.name;
            json!({ "Get": { "TableName": name, "Key": item_to_json(key, random) } })
        })
        .collect();
    let answer = client.call(Operation::TransactGetItems, &json!({ "TransactItems": gets }))?;
    let found: Vec<Option<Item>> = answer["Responses"]
        .as_array()
        .expect("responses")
        .iter()
        .map(|response| response.get("Item").map(item_from_json))
        .collect();
    let expected: Vec<Option<Item>> =
        keys.iter().map(|(table, key)| state.tables[*table].items.get(key).cloned()).collect();
    assert_eq!(found, expected, "TransactGetItems");
    Ok(())
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort();
    items
}

impl Source {
    fn request(&self, state: &State) -> Json {
        let mut request = json!({ "TableName": state.tables[self.table].schema.name });
        if let Some(index) = &self.index {
            request["IndexName"] = index.name.into();
        }
        if self.whole {
            request["Select"] = "ALL_ATTRIBUTES".into();
        }
        if let Some(limit) = self.limit {
            request["Limit"] = limit.into();
        }
        request
    }

    /// The items it reads, whole.
    fn items<'s>(&'s self, table: &'s Table) -> Vec<&'s Item> {
        match &self.index {
            None => table.items.values().collect(),
            Some(index) => table.indexed(index).collect(),
        }
    }

    /// What is answered of the items it reads.
    fn shown(&self, table: &Table, items: &[&Item]) -> Vec<Item> {
        let shown = items.iter().map(|item| match &self.index {
            Some(index) if !self.whole => index.shown(&table.schema.key, item),
            _ => (*item).clone(),
        });
        shown.filter(|item| self.filter.as_ref().is_none_or(|filter| filter.holds(item))).collect()
    }
}

/// All pages of a Query or Scan: the items, and how many were scanned. A page that a fault ended is asked for again.
fn pages(client: &Client, operation: Operation, request: &Json) -> Result<(Vec<Item>, u64), Error> {
    let mut request = request.clone();
    let (mut items, mut scanned) = (Vec::new(), 0);
    for _ in 0..10_000 {
        let answer = client.insist(operation, &request)?;
        let page = items_from_json(&answer["Items"]);
        assert_eq!(answer["Count"], page.len(), "a page's count");
        let evaluated = answer["ScannedCount"].as_u64().expect("a count");
        assert!(request["Limit"].as_u64().is_none_or(|limit| evaluated <= limit), "a page beyond its limit");
        scanned += evaluated;
        items.extend(page);
        match answer.get("LastEvaluatedKey") {
            None => return Ok((items, scanned)),
            Some(last) => request["ExclusiveStartKey"] = last.clone(),
        }
    }
    panic!("pages without end: {request}");
}

struct Query<'q> {
    source: &'q Source,
    partition: &'q [Value],
    equal: &'q [Value],
    bound: &'q Bound,
    forward: bool,
}

impl Query<'_> {
    fn ask(&self, client: &Client, state: &State, random: &mut fastrand::Rng) -> Result<(), Error> {
        let table = &state.tables[self.source.table];
        let key = self.source.index.as_ref().map_or(&table.schema.key, |index| &index.key);
        let mut request = self.source.request(state);
        request["ScanIndexForward"] = self.forward.into();
        let mut writer = Writer::new(random);
        let equals = key.partition.iter().zip(self.partition).chain(key.sort.iter().zip(self.equal));
        let mut tests: Vec<String> = equals
            .map(|(attribute, value)| format!("{} = {}", writer.name(attribute.name), writer.value(value)))
            .collect();
        let bounded = key.sort.get(self.equal.len());
        if let Some(attribute) = bounded.filter(|_| !matches!(self.bound, Bound::Any)) {
            let name = writer.name(attribute.name);
            match self.bound {
                Bound::Any => {}
                Bound::Compare(comparator, value) => tests.push(format!("{name} {comparator} {}", writer.value(value))),
                Bound::Between(low, high) => {
                    tests.push(format!("{name} BETWEEN {} AND {}", writer.value(low), writer.value(high)));
                }
                Bound::BeginsWith(value) => tests.push(format!("begins_with({name}, {})", writer.value(value))),
            }
        }
        request["KeyConditionExpression"] = tests.join(" AND ").into();
        if let Some(filter) = &self.source.filter {
            request["FilterExpression"] = writer.condition(filter).into();
        }
        writer.finish(&mut request);
        let (found, scanned) = pages(client, Operation::Query, &request)?;

        let mut read = self.source.items(table);
        read.retain(|item| {
            let equals = key.partition.iter().zip(self.partition).chain(key.sort.iter().zip(self.equal));
            let mut equals = equals.map(|(attribute, value)| item.get(attribute.name) == Some(value));
            equals.all(|equal| equal) && bounded.is_none_or(|attribute| self.is_within(attribute, item))
        });
        assert_eq!(scanned, read.len() as u64, "scanned by {request}");
        let place =
            |item: &Item| key.sort.iter().map(|attribute| item.get(attribute.name).cloned()).collect::<Vec<_>>();
        let expected = self.source.shown(table, &read);
        let mut places: Vec<_> = expected.iter().map(place).collect();
        places.sort();
        if !self.forward {
            places.reverse();
        }
        assert_eq!(found.iter().map(place).collect::<Vec<_>>(), places, "the order of {request}");
        assert_eq!(sorted(found), sorted(expected), "the items of {request}");
        Ok(())
    }

    fn is_within(&self, attribute: &Attribute, item: &Item) -> bool {
        let path = Path::of(attribute.name);
        match self.bound.clone() {
            Bound::Any => true,
            Bound::Compare(comparator, value) => Condition::Compare(path, comparator, value).holds(item),
            Bound::Between(low, high) => Condition::Between(path, low, high).holds(item),
            Bound::BeginsWith(value) => Condition::BeginsWith(path, value).holds(item),
        }
    }
}

fn scan(
    client: &Client,
    state: &State,
    source: &Source,
    segments: u32,
    random: &mut fastrand::Rng,
) -> Result<(), Error> {
    let table = &state.tables[source.table];
    let mut request = source.request(state);
    let mut writer = Writer::new(random);
    if let Some(filter) = &source.filter {
        request["FilterExpression"] = writer.condition(filter).into();
    }
    writer.finish(&mut request);
    let (mut found, mut scanned) = (Vec::new(), 0);
    for segment in 0..segments {
        if segments > 1 {
            request["TotalSegments"] = segments.into();
            request["Segment"] = segment.into();
        }
        let (items, count) = pages(client, Operation::Scan, &request)?;
        found.extend(items);
        scanned += count;
    }
    let read = source.items(table);
    assert_eq!(scanned, read.len() as u64, "scanned by {request}");
    assert_eq!(sorted(found), sorted(source.shown(table, &read)), "the items of {request}");
    Ok(())
}

/// Compares what DescribeTable counts and shows.
pub fn describe(client: &Client, table: &Table) -> Result<(), Error> {
    let answer = client.call(Operation::DescribeTable, &json!({ "TableName": table.schema.name }))?;
    let description = &answer["Table"];
    assert_eq!(description["ItemCount"], table.items.len(), "{description}");
    assert_eq!(description["TableStatus"], "ACTIVE");
    let view = description.pointer("/StreamSpecification/StreamViewType").and_then(Json::as_str);
    assert_eq!(view, table.schema.view.map(super::schema::View::name));
    let described: Vec<&Json> = ["LocalSecondaryIndexes", "GlobalSecondaryIndexes", "VectorIndexes"]
        .iter()
        .flat_map(|member| description[member].as_array().into_iter().flatten())
        .collect();
    assert_eq!(described.len(), table.schema.indexes.len(), "{description}");
    for index in described {
        let named = table.schema.indexes.iter().find(|known| index["IndexName"] == known.name).expect("a known index");
        assert_eq!(index["ItemCount"], table.indexed(named).count(), "{index}");
        assert!(named.local || index["IndexStatus"] == "ACTIVE", "{index}");
    }
    Ok(())
}

/// The whole table as Scan gives it, by key.
pub fn whole(client: &Client, table: &Table) -> BTreeMap<Item, Item> {
    let (items, _) = pages(client, Operation::Scan, &json!({ "TableName": table.schema.name })).expect("a Scan");
    items.into_iter().map(|item| (table.schema.key.of(&item), item)).collect()
}
