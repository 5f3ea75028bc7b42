//! Conditions and update actions: what they say, as text for a request, and what they mean, evaluated naively.
//!
//! Every attribute name and every value goes through a placeholder. The evaluation is written from DynamoDB's rules
//! alone and shares nothing with the crate's expressions.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::value::{Item, Value};

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Name(&'static str),
    Index(usize),
}

/// A document path: an attribute, then names and positions within.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub root: &'static str,
    pub steps: Vec<Step>,
}

impl Path {
    pub const fn of(root: &'static str) -> Self {
        Self { root, steps: Vec::new() }
    }

    pub fn is_made_of_names(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Name(_)))
    }

    pub fn find<'v>(&self, item: &'v Item) -> Option<&'v Value> {
        self.steps.iter().try_fold(item.get(self.root)?, |value, step| match (step, value) {
            (Step::Name(name), Value::M(map)) => map.get(*name),
            (Step::Index(at), Value::L(list)) => list.get(*at),
            _ => None,
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Exists(Path),
    NotExists(Path),
    Compare(Path, &'static str, Value),
    /// `size(path) comparator number`
    Size(Path, &'static str, i64),
    Between(Path, Value, Value),
    In(Path, Vec<Value>),
    BeginsWith(Path, Value),
    Contains(Path, Value),
    HasType(Path, &'static str),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(path) => path.find(item).is_some(),
            Self::NotExists(path) => path.find(item).is_none(),
            Self::Compare(path, comparator, value) => compare(path.find(item), comparator, value),
            Self::Size(path, comparator, number) => {
                let size = path.find(item).and_then(size).map(Value::whole);
                compare(size.as_ref(), comparator, &Value::whole(*number))
            }
            Self::Between(path, low, high) => {
                compare(path.find(item), ">=", low) && compare(path.find(item), "<=", high)
            }
            Self::In(path, values) => path.find(item).is_some_and(|value| values.contains(value)),
            Self::BeginsWith(path, prefix) => match (path.find(item), prefix) {
                (Some(Value::S(text)), Value::S(prefix)) => text.starts_with(prefix.as_str()),
                (Some(Value::B(bytes)), Value::B(prefix)) => bytes.starts_with(prefix),
                _ => false,
            },
            Self::Contains(path, part) => match (path.find(item), part) {
                (Some(Value::S(text)), Value::S(part)) => text.contains(part.as_str()),
                (Some(Value::SS(set)), Value::S(element)) => set.contains(element),
                (Some(Value::NS(set)), Value::N(element)) => set.contains(element),
                (Some(Value::BS(set)), Value::B(element)) => set.contains(element),
                (Some(Value::L(list)), element) => list.contains(element),
                _ => false,
            },
            Self::HasType(path, kind) => path.find(item).is_some_and(|value| type_name(value) == *kind),
            Self::Not(inner) => !inner.holds(item),
            Self::And(one, two) => one.holds(item) && two.holds(item),
            Self::Or(one, two) => one.holds(item) || two.holds(item),
        }
    }
}

fn compare(found: Option<&Value>, comparator: &str, value: &Value) -> bool {
    let Some(found) = found else { return comparator == "<>" };
    match comparator {
        "=" => return found == value,
        "<>" => return found != value,
        _ => {}
    }
    let order = match (found, value) {
        (Value::N(one), Value::N(two)) => one.cmp(two),
        (Value::S(one), Value::S(two)) => one.as_bytes().cmp(two.as_bytes()),
        (Value::B(one), Value::B(two)) => one.cmp(two),
        _ => return false,
    };
    match comparator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn size(value: &Value) -> Option<i64> {
    let size = match value {
        Value::S(text) => text.encode_utf16().count(),
        Value::B(bytes) => bytes.len(),
        Value::SS(set) => set.len(),
        Value::NS(set) => set.len(),
        Value::BS(set) => set.len(),
        Value::L(list) => list.len(),
        Value::M(map) => map.len(),
        Value::N(_) | Value::Bool(_) | Value::Null => return None,
    };
    i64::try_from(size).ok()
}

pub const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::S(_) => "S",
        Value::N(_) => "N",
        Value::B(_) => "B",
        Value::Bool(_) => "BOOL",
        Value::Null => "NULL",
        Value::SS(_) => "SS",
        Value::NS(_) => "NS",
        Value::BS(_) => "BS",
        Value::L(_) => "L",
        Value::M(_) => "M",
    }
}

/// The right-hand side of SET.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Literal(Value),
    Path(Path),
    IfNotExists(Path, Value),
    Sum(Box<Operand>, &'static str, Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Set(Path, Operand),
    Remove(Path),
    Add(&'static str, Value),
    Delete(&'static str, Value),
}

/// An update that DynamoDB refuses with a ValidationException.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refused;

impl Operand {
    fn value(&self, old: &Item) -> Result<Value, Refused> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Path(path) => path.find(old).cloned().ok_or(Refused),
            Self::IfNotExists(path, default) => Ok(path.find(old).unwrap_or(default).clone()),
            Self::Sum(one, sign, two) => match (one.value(old)?, two.value(old)?) {
                (Value::N(one), Value::N(two)) => Ok(Value::N(if *sign == "+" { one + two } else { one - two })),
                _ => Err(Refused),
            },
            Self::ListAppend(one, two) => match (one.value(old)?, two.value(old)?) {
                (Value::L(one), Value::L(two)) => Ok(Value::L([one, two].concat())),
                _ => Err(Refused),
            },
        }
    }
}

impl Action {
    pub fn root(&self) -> &'static str {
        match self {
            Self::Set(path, _) | Self::Remove(path) => path.root,
            Self::Add(name, _) | Self::Delete(name, _) => name,
        }
    }

    pub fn path(&self) -> Path {
        match self {
            Self::Set(path, _) | Self::Remove(path) => path.clone(),
            Self::Add(name, _) | Self::Delete(name, _) => Path::of(name),
        }
    }
}

/// The item after an update whose actions have different roots.
pub fn updated(old: Option<&Item>, key: &Item, actions: &[Action]) -> Result<Item, Refused> {
    let nothing = Item::new();
    let before = old.unwrap_or(&nothing);
    let mut item = old.unwrap_or(key).clone();
    for action in actions {
        match action {
            Action::Set(path, operand) => put(&mut item, path, Some(operand.value(before)?))?,
            Action::Remove(path) => put(&mut item, path, None)?,
            Action::Add(name, value) => {
                let sum = match (before.get(*name), value) {
                    (None, value) => value.clone(),
                    (Some(Value::N(one)), Value::N(two)) => Value::N(one + two),
                    (Some(Value::SS(one)), Value::SS(two)) => Value::SS(one | two),
                    (Some(Value::NS(one)), Value::NS(two)) => Value::NS(one | two),
                    (Some(Value::BS(one)), Value::BS(two)) => Value::BS(one | two),
                    _ => return Err(Refused),
                };
                item.insert((*name).to_owned(), sum);
            }
            Action::Delete(name, value) => {
                let left = match (before.get(*name), value) {
                    (None, _) => continue,
                    (Some(Value::SS(one)), Value::SS(two)) => {
                        Some(one - two).filter(|set| !set.is_empty()).map(Value::SS)
                    }
                    (Some(Value::NS(one)), Value::NS(two)) => {
                        Some(one - two).filter(|set| !set.is_empty()).map(Value::NS)
                    }
                    (Some(Value::BS(one)), Value::BS(two)) => {
                        Some(one - two).filter(|set| !set.is_empty()).map(Value::BS)
                    }
                    _ => return Err(Refused),
                };
                put(&mut item, &Path::of(name), left)?;
            }
        }
    }
    Ok(item)
}

/// Writes or removes what is at `path`; everything above it must be there.
fn put(item: &mut Item, path: &Path, value: Option<Value>) -> Result<(), Refused> {
    let Some((last, above)) = path.steps.split_last() else {
        match value {
            Some(value) => item.insert(path.root.to_owned(), value),
            None => item.remove(path.root),
        };
        return Ok(());
    };
    let parent = above.iter().try_fold(item.get_mut(path.root).ok_or(Refused)?, |value, step| match (step, value) {
        (Step::Name(name), Value::M(map)) => map.get_mut(*name).ok_or(Refused),
        (Step::Index(at), Value::L(list)) => list.get_mut(*at).ok_or(Refused),
        _ => Err(Refused),
    })?;
    match (last, parent, value) {
        (Step::Name(name), Value::M(map), Some(value)) => drop(map.insert((*name).to_owned(), value)),
        (Step::Name(name), Value::M(map), None) => drop(map.remove(*name)),
        (Step::Index(at), Value::L(list), Some(value)) if *at < list.len() => list[*at] = value,
        (Step::Index(_), Value::L(list), Some(value)) => list.push(value),
        (Step::Index(at), Value::L(list), None) if *at < list.len() => drop(list.remove(*at)),
        (Step::Index(_), Value::L(_), None) => {}
        _ => return Err(Refused),
    }
    Ok(())
}

/// The parts of `item` that `paths`, made of names alone, lead to.
pub fn projected(item: &Item, paths: &[Path]) -> Item {
    let mut shown = Item::new();
    for path in paths {
        let Some(value) = path.find(item) else { continue };
        let names = path.steps.iter().filter_map(|step| match step {
            Step::Name(name) => Some(*name),
            Step::Index(_) => None,
        });
        insert(&mut shown, path.root, names, value.clone());
    }
    shown
}

fn insert(map: &mut Item, name: &str, mut deeper: impl Iterator<Item = &'static str>, value: Value) {
    let Some(next) = deeper.next() else {
        map.insert(name.to_owned(), value);
        return;
    };
    if let Value::M(inner) = map.entry(name.to_owned()).or_insert_with(|| Value::M(Item::new())) {
        let deeper: Vec<&'static str> = deeper.collect();
        insert(inner, next, deeper.into_iter(), value);
    }
}

/// Collects placeholders while expressions are written down.
pub struct Writer<'r> {
    random: &'r mut fastrand::Rng,
    names: BTreeMap<&'static str, String>,
    values: Map<String, Json>,
}

impl<'r> Writer<'r> {
    pub fn new(random: &'r mut fastrand::Rng) -> Self {
        Self { random, names: BTreeMap::new(), values: Map::new() }
    }

    pub fn name(&mut self, name: &'static str) -> String {
        let next = format!("#n{}", self.names.len());
        self.names.entry(name).or_insert(next).clone()
    }

    pub fn value(&mut self, value: &Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.to_json(self.random));
        placeholder
    }

    pub fn path(&mut self, path: &Path) -> String {
        let mut text = self.name(path.root);
        for step in &path.steps {
            match step {
                Step::Name(name) => text = format!("{text}.{}", self.name(name)),
                Step::Index(at) => text = format!("{text}[{at}]"),
            }
        }
        text
    }

    pub fn paths(&mut self, paths: &[Path]) -> String {
        paths.iter().map(|path| self.path(path)).collect::<Vec<_>>().join(", ")
    }

    pub fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::Exists(path) => format!("attribute_exists({})", self.path(path)),
            Condition::NotExists(path) => format!("attribute_not_exists({})", self.path(path)),
            Condition::Compare(path, comparator, value) => {
                format!("{} {comparator} {}", self.path(path), self.value(value))
            }
            Condition::Size(path, comparator, number) => {
                format!("size({}) {comparator} {}", self.path(path), self.value(&Value::whole(*number)))
            }
            Condition::Between(path, low, high) => {
                format!("{} BETWEEN {} AND {}", self.path(path), self.value(low), self.value(high))
            }
            Condition::In(path, values) => {
                let list: Vec<String> = values.iter().map(|value| self.value(value)).collect();
                format!("{} IN ({})", self.path(path), list.join(", "))
            }
            Condition::BeginsWith(path, value) => format!("begins_with({}, {})", self.path(path), self.value(value)),
            Condition::Contains(path, value) => format!("contains({}, {})", self.path(path), self.value(value)),
            Condition::HasType(path, kind) => {
                format!("attribute_type({}, {})", self.path(path), self.value(&Value::text(kind)))
            }
            Condition::Not(inner) => format!("NOT ({})", self.condition(inner)),
            Condition::And(one, two) => format!("({}) AND ({})", self.condition(one), self.condition(two)),
            Condition::Or(one, two) => format!("({}) OR ({})", self.condition(one), self.condition(two)),
        }
    }

    fn operand(&mut self, operand: &Operand) -> String {
        match operand {
            Operand::Literal(value) => self.value(value),
            Operand::Path(path) => self.path(path),
            Operand::IfNotExists(path, default) => {
                format!("if_not_exists({}, {})", self.path(path), self.value(default))
            }
            Operand::Sum(one, sign, two) => format!("{} {sign} {}", self.operand(one), self.operand(two)),
            Operand::ListAppend(one, two) => format!("list_append({}, {})", self.operand(one), self.operand(two)),
        }
    }

    pub fn update(&mut self, actions: &[Action]) -> String {
        let mut clauses: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for action in actions {
            let (clause, text) = match action {
                Action::Set(path, operand) => ("SET", format!("{} = {}", self.path(path), self.operand(operand))),
                Action::Remove(path) => ("REMOVE", self.path(path)),
                Action::Add(name, value) => ("ADD", format!("{} {}", self.name(name), self.value(value))),
                Action::Delete(name, value) => ("DELETE", format!("{} {}", self.name(name), self.value(value))),
            };
            clauses.entry(clause).or_default().push(text);
        }
        let clauses: Vec<String> =
            clauses.into_iter().map(|(clause, texts)| format!("{clause} {}", texts.join(", "))).collect();
        clauses.join(" ")
    }

    /// Adds the placeholders that were used to a request.
    pub fn finish(self, request: &mut Json) {
        if !self.names.is_empty() {
            request["ExpressionAttributeNames"] =
                self.names.into_iter().map(|(name, placeholder)| (placeholder, Json::from(name))).collect();
        }
        if !self.values.is_empty() {
            request["ExpressionAttributeValues"] = Json::Object(self.values);
        }
    }
}
