//! SELECT: the source, the way to read it, the filter, the columns and the pages.

use std::sync::Arc;

use super::super::capacity::Consumed;
use super::super::keys;
use super::super::page::{self, not_searchable, starting_key};
use super::super::query;
use super::super::resource::TableName;
use super::keyed::{Access, access, compare, is_keyed};
use super::next_token::{self, Binding};
use super::{Given, refuse_index};
use crate::error::Error;
use crate::expression::KeyRange;
use crate::item::{Item, Name};
use crate::partiql::{Projected, Select, Where};
use crate::store::{
    self, Fetch, Index, IndexKind, IndexStatus, Key, KeySchema, Page, Projection, Realm, SortBound, Store, Table, read,
};

/// A page of a read by a list of partition keys has no more items. Source: Developer Guide, "PartiQL operators", IN.
const MOST_BY_LIST: usize = 10;
/// Most values of such a list, from the same page; the wording is that of the expressions' own limit.
const MOST_PARTITIONS: usize = 50;

/// The members of a request that are about reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub consistent: bool,
    pub limit: Option<i64>,
    pub next_token: Option<&'a str>,
}

/// A page of an answer.
#[derive(Debug, Default)]
pub struct Answer {
    pub items: Vec<Item>,
    pub consumed: Consumed,
    pub last_evaluated_key: Option<Item>,
    pub next_token: Option<String>,
}

/// A SELECT that has met its table.
pub struct Reading<'a> {
    select: &'a Select,
    pub given_name: &'a str,
    pub table: Arc<Table>,
}

impl<'a> Reading<'a> {
    pub async fn plan(store: &Store, realm: &'a Realm, select: &'a Select) -> Result<Self, Error> {
        let name = TableName::parse(realm, &select.source.table)?;
        let table = store.table(&name.realm, name.name).await?;
        let reading = Self { select, given_name: &select.source.table, table };
        let index = reading.index()?;
        if let Some(index) = index.filter(|index| index.kind == IndexKind::Vector) {
            let is_query = is_keyed(&index.key, reading.condition());
            return Err(not_searchable(if is_query { "Query" } else { "Scan" }));
        }
        refuse_multiple_attributes(index)?;
        Ok(reading)
    }

    fn condition(&self) -> Option<&Where> {
        self.select.condition.as_ref()
    }

    /// The index that the statement names.
    fn index(&self) -> Result<Option<&Index>, Error> {
        let Some(name) = &self.select.source.index else { return Ok(None) };
        let index = self.table.index(name).filter(|index| index.status != IndexStatus::Deleting);
        let index = index.ok_or_else(|| Error::validation("The table does not have the specified index"))?;
        if index.status == IndexStatus::Creating {
            let message = format!("Cannot read from backfilling global secondary index: {name}");
            return Err(Error::Validation(message));
        }
        Ok(Some(index))
    }

    /// The key of a read that names exactly one item of the table and asks nothing else: what batches and transactions take.
    pub fn exact_key(&self, operation: &str) -> Result<Result<Key, Error>, Error> {
        let named = match &self.select.source.index {
            None => super::keyed::named(&self.table, self.condition()),
            Some(_) => None,
        };
        match named {
            Some(named) if named.others == 0 => Ok(super::keyed::key(&self.table, &named)),
            _ => Err(Error::Validation(format!(
                "Select statements within {operation} must specify the primary key in the where clause."
            ))),
        }
    }

    /// The columns of an item.
    pub fn show(&self, item: Item) -> Item {
        match &self.select.columns {
            None => item,
            Some(columns) => project(columns, &item),
        }
    }

    pub async fn run(&self, store: &Store, given: &Given<'_>, asked: Asked<'_>) -> Result<Answer, Error> {
        let index = self.index()?;
        if asked.consistent && index.is_some_and(|index| index.kind == IndexKind::Global) {
            return Err(Error::validation("Strongly consistent read is not supported on Global Secondary Indexes"));
        }
        let schema = index.map_or(&self.table.key, |index| &index.key);
        let fetch = self.fetch(index)?;
        self.check_filter(index, schema)?;
        let access = access(schema, self.condition(), index.is_none())?;
        let forward = self.order(schema, &access)?;
        let binding = next_token::binding(given, &self.table)?;
        let access = self.ordered(schema, access);
        let mut pages = Pages { reading: self, store, index, fetch, schema, forward, asked, answer: Answer::default() };
        match &access {
            Access::Item(key) => pages.item(key).await?,
            Access::Ranges { ranges, by_list } => pages.ranges(ranges, *by_list, &binding).await?,
            Access::Everything => pages.everything(&binding).await?,
        }
        let mut answer = pages.answer;
        self.sort_page(schema, &access, &mut answer.items);
        answer.items = std::mem::take(&mut answer.items).into_iter().map(|item| self.show(item)).collect();
        Ok(answer)
    }

    /// What is read of items in an index: a local one reaches back to the table for columns that it does not hold.
    fn fetch(&self, index: Option<&Index>) -> Result<Fetch, Error> {
        let (Some(index), Some(columns)) = (index, &self.select.columns) else { return Ok(Fetch::Projected) };
        let missing = self.not_projected(index, columns.iter().map(|column| &column.path.root));
        match index.kind {
            _ if missing.is_empty() => Ok(Fetch::Projected),
            IndexKind::Local => Ok(Fetch::Whole),
            IndexKind::Global | IndexKind::Vector => Err(Error::Validation(format!(
                "One or more parameter values were invalid: Global secondary index {} does not project [{}]",
                index.name,
                missing.join(", ")
            ))),
        }
    }

    /// A read by an index's partition key cannot be filtered by what the index does not hold.
    fn check_filter(&self, index: Option<&Index>, schema: &KeySchema) -> Result<(), Error> {
        let (Some(index), Some(condition)) = (index, self.condition()) else { return Ok(()) };
        if !is_keyed(schema, Some(condition)) {
            return Ok(());
        }
        let missing = self.not_projected(index, condition.whole.paths().map(|path| &path.root));
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::Validation(format!(
            "One or more parameter values were invalid: Secondary index {} does not project one or more filter \
             attributes: [{}]",
            index.name,
            missing.join(", ")
        )))
    }

    fn not_projected<'n>(&self, index: &Index, names: impl Iterator<Item = &'n Name>) -> Vec<&'n str> {
        let included: &[String] = match &index.projection {
            Projection::All => return Vec::new(),
            Projection::KeysOnly => &[],
            Projection::Include(names) => names,
        };
        let mut missing = Vec::new();
        for name in names {
            let held = self.table.key.contains(name)
                || index.key.contains(name)
                || included.iter().any(|other| other.as_str() == name.as_str());
            if !held && !missing.contains(&name.as_str()) {
                missing.push(name.as_str());
            }
        }
        missing
    }

    /// Whether ranges are read forward. The wording of the messages is not confirmed.
    fn order(&self, schema: &KeySchema, access: &Access) -> Result<bool, Error> {
        if self.select.order.is_empty() {
            return Ok(true);
        }
        if self.condition().is_none() {
            return Err(Error::validation("Must have WHERE clause in the statement when using ORDER BY clause."));
        }
        if matches!(access, Access::Everything) {
            return Err(Error::validation(
                "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
            ));
        }
        for (name, _) in &self.select.order {
            if !schema.contains(name) {
                return Err(Error::Validation(format!(
                    "Variable reference {name} in ORDER BY clause must be part of the primary key"
                )));
            }
        }
        Ok(!self.descends(schema.sort.first().map(|attribute| attribute.name.as_str())).unwrap_or(false))
    }

    /// Whether the statement orders by this attribute, and how.
    fn descends(&self, name: Option<&str>) -> Option<bool> {
        self.select.order.iter().find(|(other, _)| Some(other.as_str()) == name).map(|(_, descending)| *descending)
    }

    /// Ranges in the order of their partition keys, where the statement orders by these.
    fn ordered(&self, schema: &KeySchema, access: Access) -> Access {
        let descending = self.descends(schema.partition.first().map(|attribute| attribute.name.as_str()));
        match (access, descending) {
            (Access::Ranges { mut ranges, by_list }, Some(descending)) => {
                ranges.sort_by(|one, two| match (one.partition.first(), two.partition.first()) {
                    (Some(one), Some(two)) if descending => compare(two, one),
                    (Some(one), Some(two)) => compare(one, two),
                    _ => std::cmp::Ordering::Equal,
                });
                Access::Ranges { ranges, by_list }
            }
            (access, _) => access,
        }
    }

    /// Several ranges by order of their sort keys alone: the items of a page are brought into that order.
    fn sort_page(&self, schema: &KeySchema, access: &Access, items: &mut [Item]) {
        let Some((name, descending)) = self.select.order.first() else { return };
        let is_sort = schema.sort.first().is_some_and(|attribute| attribute.name == name.as_str());
        if !is_sort || !matches!(access, Access::Ranges { ranges, .. } if ranges.len() > 1) {
            return;
        }
        items.sort_by(|one, two| match (one.get(name), two.get(name)) {
            (Some(one), Some(two)) if *descending => compare(two, one),
            (Some(one), Some(two)) => compare(one, two),
            _ => std::cmp::Ordering::Equal,
        });
    }
}

/// PartiQL reads no index whose key has several partition or several sort attributes.
fn refuse_multiple_attributes(index: Option<&Index>) -> Result<(), Error> {
    match index {
        Some(index) if index.key.partition.len() > 1 || index.key.sort.len() > 1 => Err(Error::validation(
            "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE keys.",
        )),
        _ => Ok(()),
    }
}

/// Refuses what a transaction cannot read.
pub fn refuse_index_in_transaction(select: &Select) -> Result<(), Error> {
    refuse_index(select.source.index.as_deref())
        .map_err(|_| Error::validation("Reads on indices are not supported within transactions."))
}

fn project(columns: &[Projected], item: &Item) -> Item {
    let mut shown = Item::with_capacity(columns.len());
    for column in columns {
        if let Some(value) = column.path.get(item) {
            shown.insert(column.name.clone(), value.clone());
        }
    }
    shown
}

/// An answer as it is read.
struct Pages<'a> {
    reading: &'a Reading<'a>,
    store: &'a Store,
    index: Option<&'a Index>,
    fetch: Fetch,
    schema: &'a KeySchema,
    forward: bool,
    asked: Asked<'a>,
    answer: Answer,
}

impl Pages<'_> {
    fn keep(&self, item: &Item) -> bool {
        self.reading.condition().is_none_or(|condition| condition.whole.matches(Some(item)))
    }

    fn charge(&mut self, bytes: usize) {
        let consistent = self.asked.consistent;
        self.answer.consumed = match self.index {
            None => Consumed::read(bytes, consistent),
            Some(index) => Consumed::read_index(index.kind, &index.name, bytes, consistent),
        };
    }

    async fn item(&mut self, key: &Key) -> Result<(), Error> {
        let key = keys::from_parameter(&self.reading.table, &key.to_item(self.schema))?;
        let found = self.store.get(&[(Arc::clone(&self.reading.table), key)]).await?.pop().flatten();
        self.charge(found.as_ref().map_or(0, Item::size));
        self.answer.items = found.into_iter().filter(|item| self.keep(item)).collect();
        Ok(())
    }

    fn source(&self) -> page::Source<'_> {
        page::Source { table: &self.reading.table, index: self.index, fetch: self.fetch }
    }

    fn place(&self, binding: &Binding) -> Result<next_token::Place, Error> {
        match self.asked.next_token {
            None => Ok(next_token::Place::default()),
            Some(token) => next_token::decode(token, binding, &self.store.id()),
        }
    }

    fn start(&self, place: &next_token::Place) -> Result<Option<store::Start>, Error> {
        let Some(key) = &place.key else { return Ok(None) };
        self.source().start(key.item()?).map(Some).map_err(starting_key)
    }

    fn limit(&self) -> Option<usize> {
        self.asked.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Range after range, until a page is full.
    async fn ranges(&mut self, ranges: &[KeyRange], by_list: bool, binding: &Binding) -> Result<(), Error> {
        if by_list && ranges.len() > MOST_PARTITIONS {
            let count = ranges.len();
            return Err(Error::Validation(format!(
                "The IN operator is provided with too many operands; number of operands: {count}"
            )));
        }
        let place = self.place(binding)?;
        let mut start = self.start(&place)?;
        let most = if by_list && ranges.len() > 1 {
            Some(self.limit().map_or(MOST_BY_LIST, |limit| limit.min(MOST_BY_LIST)))
        } else {
            self.limit()
        };
        let (mut scanned, mut bytes) = (0, 0);
        for (at, range) in ranges.iter().enumerate().skip(place.range) {
            let left = most.map(|most| most.saturating_sub(scanned));
            if left == Some(0) || bytes >= read::PAGE_BYTES {
                self.answer.next_token = Some(next_token::encode(binding, at, None, &self.store.id())?);
                break;
            }
            let page = self.range(range, left, start.take()).await?;
            scanned += page.scanned_count;
            bytes += page.scanned_bytes;
            self.answer.items.extend(page.items);
            if let Some(last) = page.last {
                self.answer.next_token = Some(next_token::encode(binding, at, Some(&last), &self.store.id())?);
                self.answer.last_evaluated_key = Some(last);
                break;
            }
        }
        self.charge(bytes);
        Ok(())
    }

    async fn range(&self, range: &KeyRange, limit: Option<usize>, start: Option<store::Start>) -> Result<Page, Error> {
        let sort = range.sort.clone().map_or(SortBound::Any, query::sort_bound);
        let query = store::Query {
            table: &self.reading.table,
            index: self.index,
            partition: &range.partition,
            sort_equal: &range.sort_prefix,
            sort: &sort,
            forward: self.forward,
            start: start.as_ref(),
            limit,
            fetch: self.fetch,
        };
        self.store.query(&query, &|item: &Item| Ok(self.keep(item))).await
    }

    async fn everything(&mut self, binding: &Binding) -> Result<(), Error> {
        let place = self.place(binding)?;
        let start = self.start(&place)?;
        let scan = read::Scan {
            table: &self.reading.table,
            index: self.index,
            segment: None,
            start: start.as_ref(),
            limit: self.limit(),
            fetch: self.fetch,
        };
        let page = self.store.scan(&scan, &|item: &Item| Ok(self.keep(item))).await?;
        self.answer.items = page.items;
        if let Some(last) = &page.last {
            self.answer.next_token = Some(next_token::encode(binding, 0, Some(last), &self.store.id())?);
        }
        self.answer.last_evaluated_key = page.last;
        self.charge(page.scanned_bytes);
        Ok(())
    }
}
