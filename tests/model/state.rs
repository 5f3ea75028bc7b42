//! What should be stored: tables as maps, streams as lists of changes, tokens; and what each write should answer.
//!
//! Invariant: every change of a table is appended to its open stream's list, once and only if the item changed. The
//! database is compared with this, never asked for it.

use std::collections::BTreeMap;

use super::expression::{Action, Path, projected, updated};
use super::operation::{Guarded, Operation, Returns, Write};
use super::schema::{self, Index, Key, View};
use super::value::Item;

const HOUR: i64 = 3_600_000;
pub const RETENTION: i64 = 24 * HOUR;
const TOKEN_WINDOW: i64 = 10 * 60_000;

pub struct Table {
    pub schema: schema::Table,
    pub exists: bool,
    pub items: BTreeMap<Item, Item>,
    /// The number of its open stream.
    pub stream: Option<usize>,
}

pub struct Change {
    pub key: Item,
    pub old: Option<Item>,
    pub new: Option<Item>,
    pub at: i64,
    /// Sequence number and event id, once a consumer has seen them; the id is another after a move, and empty until it is seen.
    pub seen: Option<(String, String)>,
}

pub struct Stream {
    pub table: usize,
    pub key: Key,
    pub view: View,
    pub arn: String,
    pub opened_with: BTreeMap<Item, Item>,
    pub changes: Vec<Change>,
    pub closed: Option<i64>,
}

struct Token {
    text: String,
    actions: Vec<Guarded>,
    at: i64,
}

pub struct State {
    pub tables: Vec<Table>,
    pub streams: Vec<Stream>,
    tokens: Vec<Token>,
    pub now: i64,
}

/// A row and what it becomes.
pub type Written = (usize, Item, Option<Item>);

/// What a write should do.
#[derive(Debug, PartialEq)]
pub enum Expected {
    Success {
        writes: Vec<Written>,
        attributes: Option<Item>,
    },
    /// The code, and the item a failed condition shows.
    Error(&'static str, Option<Item>),
    /// The reasons' codes, and the items they show.
    Cancelled(Vec<(&'static str, Option<Item>)>),
}

enum Failure {
    Condition(Option<Item>),
    Refused,
}

const VALIDATION: Expected = Expected::Error("ValidationException", None);

impl Stream {
    /// Readers see it until 24 hours after its closing.
    pub fn is_gone(&self, now: i64) -> bool {
        self.closed.is_some_and(|closed| closed < now - RETENTION)
    }

    /// The number of the first change that is not trimmed.
    pub fn first_visible(&self, now: i64) -> usize {
        self.changes.iter().position(|change| change.at >= now - RETENTION).unwrap_or(self.changes.len())
    }
}

impl Table {
    /// The items that are in an index, whole.
    pub fn indexed<'s>(&'s self, index: &'s Index) -> impl Iterator<Item = &'s Item> {
        self.items.values().filter(|item| index.holds(item))
    }
}

impl State {
    pub const fn new(now: i64) -> Self {
        Self { tables: Vec::new(), streams: Vec::new(), tokens: Vec::new(), now }
    }

    pub fn schemas(&self) -> Vec<&schema::Table> {
        self.tables.iter().map(|table| &table.schema).collect()
    }

    pub fn open_stream(&mut self, table: usize, view: View, arn: String) {
        let of = &mut self.tables[table];
        of.stream = Some(self.streams.len());
        of.schema.view = Some(view);
        self.streams.push(Stream {
            table,
            key: of.schema.key.clone(),
            view,
            arn,
            opened_with: of.items.clone(),
            changes: Vec::new(),
            closed: None,
        });
    }

    pub fn close_stream(&mut self, table: usize) {
        let of = &mut self.tables[table];
        of.schema.view = None;
        if let Some(stream) = of.stream.take() {
            self.streams[stream].closed = Some(self.now);
        }
    }

    /// Applies what a call that succeeded has written.
    pub fn commit(&mut self, operation: &Operation, writes: Vec<Written>) {
        for (table, key, new) in writes {
            let of = &mut self.tables[table];
            let old = match &new {
                Some(item) => of.items.insert(key.clone(), item.clone()),
                None => of.items.remove(&key),
            };
            if old == new {
                continue;
            }
            if let Some(stream) = of.stream {
                self.streams[stream].changes.push(Change { key, old, new, at: self.now, seen: None });
            }
        }
        if let Operation::Transact(actions, Some(text)) = operation
            && self.live_token(text).is_none()
        {
            self.tokens.retain(|token| token.text != *text);
            self.tokens.push(Token { text: text.clone(), actions: actions.clone(), at: self.now });
        }
    }

    fn live_token(&self, text: &str) -> Option<&Token> {
        self.tokens.iter().find(|token| token.text == *text && self.now - token.at < TOKEN_WINDOW)
    }

    /// Some earlier transaction with a token, live or not.
    pub fn some_token(&self, random: &mut fastrand::Rng) -> Option<(String, Vec<Guarded>)> {
        let recent = self.tokens.len().saturating_sub(4)..self.tokens.len();
        if recent.is_empty() {
            return None;
        }
        let token = &self.tokens[random.usize(recent)];
        Some((token.text.clone(), token.actions.clone()))
    }

    pub fn expect(&self, operation: &Operation) -> Expected {
        let is_missing = |guarded: &Guarded| !self.tables[guarded.table].exists;
        let all: &[Guarded] = match operation {
            Operation::Single(guarded, _) => std::slice::from_ref(guarded),
            Operation::Batch(writes) | Operation::Transact(writes, _) => writes,
        };
        if all.iter().any(is_missing) {
            return Expected::Error("ResourceNotFoundException", None);
        }
        match operation {
            Operation::Single(guarded, returns) => self.expect_single(guarded, *returns),
            Operation::Batch(writes) if writes.iter().any(|guarded| self.is_wrong(guarded)) => VALIDATION,
            Operation::Batch(writes) => {
                let decided = writes.iter().filter_map(|guarded| self.decide(guarded).ok().flatten());
                Expected::Success { writes: decided.collect(), attributes: None }
            }
            Operation::Transact(actions, token) => self.expect_transact(actions, token.as_deref()),
        }
    }

    fn expect_single(&self, guarded: &Guarded, returns: Returns) -> Expected {
        if self.is_wrong(guarded) {
            return VALIDATION;
        }
        let write = match self.decide(guarded) {
            Ok(write) => write,
            Err(Failure::Condition(item)) => return Expected::Error("ConditionalCheckFailedException", item),
            Err(Failure::Refused) => return VALIDATION,
        };
        let old = self.item(guarded);
        let new = write.as_ref().and_then(|(_, _, new)| new.clone());
        let touched: Vec<Path> = match &guarded.write {
            Write::Update { actions, .. } => actions.iter().map(super::expression::Action::path).collect(),
            _ => Vec::new(),
        };
        let attributes = match returns {
            Returns::Nothing => None,
            Returns::AllOld => old.cloned(),
            Returns::AllNew => new,
            Returns::UpdatedOld => old.map(|old| projected(old, &touched)),
            Returns::UpdatedNew => new.map(|new| projected(&new, &touched)),
        };
        Expected::Success {
            writes: write.into_iter().collect(),
            attributes: attributes.filter(|attributes| !attributes.is_empty()),
        }
    }

    fn expect_transact(&self, actions: &[Guarded], token: Option<&str>) -> Expected {
        let has_empty = |guarded: &Guarded| match &guarded.write {
            Write::Put(item) => self.tables[guarded.table].schema.has_empty_index_key(item),
            _ => false,
        };
        if actions.iter().any(has_empty) {
            return VALIDATION;
        }
        let reasons: Vec<_> = actions
            .iter()
            .map(|guarded| (if self.is_wrong(guarded) { "ValidationError" } else { "None" }, None))
            .collect();
        if reasons.iter().any(|(code, _)| *code != "None") {
            return Expected::Cancelled(reasons);
        }
        if let Some(token) = token.and_then(|token| self.live_token(token)) {
            return if token.actions == actions {
                Expected::Success { writes: Vec::new(), attributes: None }
            } else {
                Expected::Error("IdempotentParameterMismatchException", None)
            };
        }
        let (mut writes, mut reasons) = (Vec::new(), Vec::new());
        for guarded in actions {
            reasons.push(match self.decide(guarded) {
                Ok(write) => {
                    writes.extend(write);
                    ("None", None)
                }
                Err(Failure::Condition(item)) => ("ConditionalCheckFailed", item),
                Err(Failure::Refused) => ("ValidationError", None),
            });
        }
        if reasons.iter().any(|(code, _)| *code != "None") {
            return Expected::Cancelled(reasons);
        }
        Expected::Success { writes, attributes: None }
    }

    fn item(&self, guarded: &Guarded) -> Option<&Item> {
        let table = &self.tables[guarded.table];
        table.items.get(&guarded.key(&table.schema))
    }

    /// Whether a write is wrong whatever is stored.
    fn is_wrong(&self, guarded: &Guarded) -> bool {
        let schema = &self.tables[guarded.table].schema;
        match &guarded.write {
            Write::Put(item) => schema.has_bad_index_key(item, |_| true),
            Write::Update { actions, .. } => actions.iter().any(|action| schema.key.contains(action.root())),
            Write::Delete { .. } | Write::Check { .. } => false,
        }
    }

    /// What becomes of the row; nothing for a check that holds.
    fn decide(&self, guarded: &Guarded) -> Result<Option<Written>, Failure> {
        let schema = &self.tables[guarded.table].schema;
        let (key, old) = (guarded.key(schema), self.item(guarded));
        let nothing = Item::new();
        if guarded.condition.as_ref().is_some_and(|condition| !condition.holds(old.unwrap_or(&nothing))) {
            return Err(Failure::Condition(old.filter(|_| guarded.show_on_failure).cloned()));
        }
        let new = match &guarded.write {
            Write::Check { .. } => return Ok(None),
            Write::Delete { .. } => None,
            Write::Put(item) => Some(item.clone()),
            Write::Update { actions, .. } => {
                let item = updated(old, &key, actions).map_err(|_| Failure::Refused)?;
                let takes_away = |action: &Action| matches!(action, Action::Remove(_) | Action::Delete(..));
                if old.is_none() && !actions.is_empty() && actions.iter().all(takes_away) {
                    return Ok(None);
                }
                let is_touched = |name: &str| actions.iter().any(|action| action.root() == name);
                if schema.has_bad_index_key(&item, is_touched) {
                    return Err(Failure::Refused);
                }
                Some(item)
            }
        };
        Ok(Some((guarded.table, key, new)))
    }
}
