//! Merges the pairs of a snapshot with a transaction's own writes into one page, in either direction.
//!
//! Invariants: at most one own write per key, and it wins; nothing beyond the pair that meets a limit is looked at.

use std::cmp::Ordering;

use super::buffer::sum;
use super::{Bytes, KeyValue, Page, RangeRead, Result};

/// A stored pair as an engine hands it over: copied only if it becomes part of the answer.
pub(super) trait Pair {
    fn key(&self) -> &[u8];
    fn value(&self) -> &[u8];
    fn into_pair(self) -> KeyValue;
}

impl Pair for (&Bytes, &Bytes) {
    fn key(&self) -> &[u8] {
        self.0
    }

    fn value(&self) -> &[u8] {
        self.1
    }

    fn into_pair(self) -> KeyValue {
        KeyValue { key: self.0.clone(), value: self.1.clone() }
    }
}

/// What an own write makes of the pair beneath it.
pub(super) enum Overlay<'a> {
    Value(&'a Bytes),
    Nothing,
    Plus(i64),
    /// There will be a value, but not yet: the caller refuses the read if it got so far.
    Unreadable,
}

/// A copy of its own, as a cluster sends it.
impl Pair for KeyValue {
    fn key(&self) -> &[u8] {
        &self.key
    }

    fn value(&self) -> &[u8] {
        &self.value
    }

    fn into_pair(self) -> Self {
        self
    }
}

pub(super) struct Merge {
    page: Page,
    reverse: bool,
    pairs_left: Option<usize>,
    bytes_left: Option<usize>,
}

impl Merge {
    pub(super) fn new(read: &RangeRead) -> Self {
        Self { page: Page::default(), reverse: read.reverse, pairs_left: read.limit, bytes_left: read.byte_limit }
    }

    fn is_full(&self) -> bool {
        self.pairs_left == Some(0) || self.bytes_left == Some(0)
    }

    fn push(&mut self, pair: KeyValue) {
        self.pairs_left = self.pairs_left.map(|left| left.saturating_sub(1));
        self.bytes_left = self.bytes_left.map(|left| left.saturating_sub(pair.key.len() + pair.value.len()));
        self.page.pairs.push(pair);
    }

    /// Merges both sides, which must come in the direction of the read.
    pub(super) fn run<'o, P: Pair>(
        &mut self,
        mut stored: impl Iterator<Item = Result<P>>,
        own: impl Iterator<Item = (&'o Bytes, Overlay<'o>)>,
    ) -> Result<()> {
        let mut own = own.peekable();
        let mut next = None;
        while !self.is_full() {
            if next.is_none() {
                next = stored.next().transpose()?;
            }
            let order = match (&next, own.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(stored), Some((own, _))) if self.reverse => (***own).cmp(stored.key()),
                (Some(stored), Some((own, _))) => stored.key().cmp(own),
            };
            let beneath = if order == Ordering::Greater { None } else { next.take() };
            let above = if order == Ordering::Less { None } else { own.next() };
            match (beneath, above) {
                (Some(pair), None) => self.push(pair.into_pair()),
                (beneath, Some((key, overlay))) => {
                    let value = match overlay {
                        Overlay::Value(value) => value.clone(),
                        Overlay::Nothing => continue,
                        Overlay::Plus(delta) => sum(beneath.as_ref().map(Pair::value), delta),
                        Overlay::Unreadable => Bytes::default(),
                    };
                    self.push(KeyValue { key: key.clone(), value });
                }
                (None, None) => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Page {
        let more = self.is_full();
        Page { more, ..self.page }
    }
}
