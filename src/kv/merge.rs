//! Merges the pairs of a snapshot with a transaction's own writes into one page, in either direction.
//!
//! Invariants: at most one own write per key, and it wins; nothing beyond the pair that meets a limit is looked at.

use std::cmp::Ordering;

use super::buffer::sum;
use super::{Bytes, KeyValue, Page, RangeRead};

/// What an own write makes of the pair beneath it.
pub(super) enum Overlay<'a> {
    Value(&'a Bytes),
    Nothing,
    Plus(i64),
    /// There will be a value, but not yet: the caller refuses the read if it got so far.
    Unreadable,
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

    fn push(&mut self, key: &Bytes, value: Bytes) {
        self.pairs_left = self.pairs_left.map(|left| left.saturating_sub(1));
        self.bytes_left = self.bytes_left.map(|left| left.saturating_sub(key.len() + value.len()));
        self.page.pairs.push(KeyValue { key: key.clone(), value });
    }

    /// Merges both sides, which must come in the direction of the read.
    pub(super) fn run<'s, 'o>(
        &mut self,
        stored: impl Iterator<Item = (&'s Bytes, &'s Bytes)>,
        own: impl Iterator<Item = (&'o Bytes, Overlay<'o>)>,
    ) {
        let (mut stored, mut own) = (stored.peekable(), own.peekable());
        while !self.is_full() {
            let order = match (stored.peek(), own.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((stored, _)), Some((own, _))) if self.reverse => own.cmp(stored),
                (Some((stored, _)), Some((own, _))) => (*stored).cmp(own),
            };
            let beneath = if order == Ordering::Greater { None } else { stored.next() };
            let above = if order == Ordering::Less { None } else { own.next() };
            match (beneath, above) {
                (Some((key, value)), None) => self.push(key, value.clone()),
                (beneath, Some((key, overlay))) => match overlay {
                    Overlay::Value(value) => self.push(key, value.clone()),
                    Overlay::Nothing => {}
                    Overlay::Plus(delta) => self.push(key, sum(beneath.map(|(_, value)| &**value), delta)),
                    Overlay::Unreadable => self.push(key, Bytes::default()),
                },
                (None, None) => return,
            }
        }
    }

    pub(super) fn finish(self) -> Page {
        let more = self.is_full();
        Page { more, ..self.page }
    }
}
