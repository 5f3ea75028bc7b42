//! What an update does to an item.
//!
//! Every right-hand side is read from the item as it was, and list indexes mean positions as they were: so values come
//! first, then changes in place, then what is appended to lists, then removals from the back.

use std::borrow::Cow;

use super::path::{Path, invalid_for_update};
use super::update::{Change, Update, Value};
use crate::error::Error;
use crate::item::{AttributeValue, Item, MAX_DEPTH, MAX_ITEM_SIZE};

impl Update {
    /// The item after the update. `old` is what is stored; without it the update starts from `key`, the key attributes.
    pub fn apply(&self, old: Option<&Item>, key: &Item) -> Result<Item, Error> {
        let nothing = Item::new();
        let before = old.unwrap_or(&nothing);
        let mut item = old.unwrap_or(key).clone();
        let (mut appended, mut removed) = (Vec::new(), Vec::new());
        for action in &self.actions {
            let path = &action.path;
            // Also finds out whether there is a parent to write to.
            let past_end = path.place(&mut item).ok_or_else(invalid_for_update)?.is_past_end();
            let value = match &action.change {
                Change::Set(value) => Some(value.evaluate(before)?.into_owned()),
                Change::Remove => None,
                Change::Add(operand) => Some(sum(path.get(before), operand)?.ok_or_else(|| self.wrong_type())?),
                Change::Delete(operand) => match path.get(before) {
                    Some(current) => difference(current, operand).ok_or_else(|| self.wrong_type())?,
                    None => continue,
                },
            };
            match value {
                Some(value) => {
                    check_depth(path, &value)?;
                    if past_end {
                        appended.push((path, value));
                    } else if let Some(place) = path.place(&mut item) {
                        place.set(value);
                    }
                }
                None => removed.push(path),
            }
        }
        appended.sort_by_key(|(path, _)| *path);
        for (path, value) in appended {
            path.place(&mut item).ok_or_else(invalid_for_update)?.set(value);
        }
        removed.sort_unstable_by(|one, two| two.cmp(one));
        for path in removed {
            path.place(&mut item).ok_or_else(invalid_for_update)?.remove();
        }
        if item.size() > MAX_ITEM_SIZE {
            return Err(Error::validation("Item size to update has exceeded the maximum allowed size"));
        }
        Ok(item)
    }

    /// The error of adding to, or deleting from, a value of another type.
    fn wrong_type(&self) -> Error {
        if self.legacy { Error::validation("Type mismatch for attribute to update") } else { wrong_type() }
    }
}

impl Value {
    fn evaluate<'v>(&'v self, item: &'v Item) -> Result<Cow<'v, AttributeValue>, Error> {
        match self {
            Self::Literal(value) => Ok(Cow::Borrowed(value)),
            Self::Path(path) => path.get(item).map(Cow::Borrowed).ok_or_else(|| {
                Error::validation("The provided expression refers to an attribute that does not exist in the item")
            }),
            Self::IfNotExists(path, default) => match path.get(item) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => default.evaluate(item),
            },
            Self::ListAppend(one, two) => match (one.evaluate(item)?.into_owned(), &*two.evaluate(item)?) {
                (AttributeValue::L(mut list), AttributeValue::L(more)) => {
                    list.extend_from_slice(more);
                    Ok(Cow::Owned(AttributeValue::L(list)))
                }
                _ => Err(wrong_type()),
            },
            Self::Plus(one, two) => match (&*one.evaluate(item)?, &*two.evaluate(item)?) {
                (AttributeValue::N(one), AttributeValue::N(two)) => {
                    Ok(Cow::Owned(AttributeValue::N(one.checked_add(two)?)))
                }
                _ => Err(wrong_type()),
            },
            Self::Minus(one, two) => match (&*one.evaluate(item)?, &*two.evaluate(item)?) {
                (AttributeValue::N(one), AttributeValue::N(two)) => {
                    Ok(Cow::Owned(AttributeValue::N(one.checked_sub(two)?)))
                }
                _ => Err(wrong_type()),
            },
        }
    }
}

/// What ADD makes of the value that is there; nothing if the types differ.
fn sum(current: Option<&AttributeValue>, operand: &AttributeValue) -> Result<Option<AttributeValue>, Error> {
    Ok(Some(match (current, operand) {
        (None, operand) => operand.clone(),
        (Some(AttributeValue::N(one)), AttributeValue::N(two)) => AttributeValue::N(one.checked_add(two)?),
        (Some(AttributeValue::SS(one)), AttributeValue::SS(two)) => AttributeValue::SS(union(one, two)),
        (Some(AttributeValue::NS(one)), AttributeValue::NS(two)) => AttributeValue::NS(union(one, two)),
        (Some(AttributeValue::BS(one)), AttributeValue::BS(two)) => AttributeValue::BS(union(one, two)),
        _ => return Ok(None),
    }))
}

/// What DELETE leaves of the set that is there: `Some(None)` if it takes the last element, `None` if the types differ.
fn difference(current: &AttributeValue, operand: &AttributeValue) -> Option<Option<AttributeValue>> {
    Some(match (current, operand) {
        (AttributeValue::SS(one), AttributeValue::SS(two)) => without(one, two).map(AttributeValue::SS),
        (AttributeValue::NS(one), AttributeValue::NS(two)) => without(one, two).map(AttributeValue::NS),
        (AttributeValue::BS(one), AttributeValue::BS(two)) => without(one, two).map(AttributeValue::BS),
        _ => return None,
    })
}

fn union<T: Ord + Clone>(one: &[T], two: &[T]) -> Vec<T> {
    let mut all = [one, two].concat();
    all.sort_unstable();
    all.dedup();
    all
}

fn without<T: Ord + Clone>(one: &[T], two: &[T]) -> Option<Vec<T>> {
    let left: Vec<T> = one.iter().filter(|element| two.binary_search(element).is_err()).cloned().collect();
    (!left.is_empty()).then_some(left)
}

/// The item itself is the first level, and each step of the path one more.
fn check_depth(path: &Path, value: &AttributeValue) -> Result<(), Error> {
    if 1 + path.rest.len() + value.depth() > MAX_DEPTH {
        return Err(Error::validation(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported \
             limit",
        ));
    }
    Ok(())
}

fn wrong_type() -> Error {
    Error::validation("An operand in the update expression has an incorrect data type")
}
