//! Item sizes by DynamoDB's rule, which bounds items (400 KB), pages (1 MB) and capacity units.
//!
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats". Names and strings count their UTF-8
//! bytes, binary its bytes, null and boolean one. A number counts one byte per two significant digits plus one, and
//! one more below zero; the Guide says "approximately", and measurements at the 400 KB limit (published with pull
//! request 195 of nubo-db/dynoxide, 2026-08) show that digits pair up on each side of the point by themselves.
//! A list or map counts 3 and one per element besides contents. Sets count their elements.
//! The walks recurse, bounded because no value is nested deeper than `MAX_DEPTH`.

use super::{AttributeValue, Map, Number};

impl Number {
    /// Bytes by DynamoDB's size rule: 1 (zero) to 22.
    pub fn size(&self) -> usize {
        let (digits, magnitude) = (self.digits(), self.magnitude());
        let pairs = match u32::try_from(magnitude) {
            // Digits on both sides of the point.
            Ok(whole) if !self.is_integer() => {
                let whole = whole + 1;
                whole.div_ceil(2) + digits.saturating_sub(whole).div_ceil(2)
            }
            _ => digits.div_ceil(2),
        };
        pairs as usize + 1 + usize::from(self.is_negative())
    }
}

impl AttributeValue {
    /// Bytes by DynamoDB's size rule, without the attribute's name.
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::SS(texts) => texts.iter().map(String::len).sum(),
            Self::NS(numbers) => numbers.iter().map(Number::size).sum(),
            Self::BS(blobs) => blobs.iter().map(Vec::len).sum(),
            Self::M(map) => 3 + map.len() + map.size(),
            Self::L(list) => 3 + list.len() + list.iter().map(Self::size).sum::<usize>(),
            Self::Null | Self::Bool(_) => 1,
        }
    }

    /// Levels of nesting, this value's own included: 1 for a scalar, a set or an empty list, 2 for a list of scalars.
    /// At most [`MAX_DEPTH`](super::MAX_DEPTH) in what DynamoDB stores.
    pub fn depth(&self) -> usize {
        match self {
            Self::M(map) => 1 + map.depth(),
            Self::L(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            _ => 1,
        }
    }
}

impl Map {
    /// Bytes of the names and values by DynamoDB's size rule: the size of an item.
    pub fn size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.size()).sum()
    }

    /// The depth of the deepest attribute; 0 when there is none.
    pub fn depth(&self) -> usize {
        self.iter().map(|(_, value)| value.depth()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: i64) -> AttributeValue {
        AttributeValue::N(value.into())
    }

    fn decimal(coefficient: u128, exponent: i16) -> AttributeValue {
        AttributeValue::N(Number::from_parts(false, coefficient, exponent).unwrap_or_default())
    }

    #[test]
    fn scalars_and_sets_follow_the_guide() {
        for (value, size) in [
            (AttributeValue::S("é".to_owned()), 2),
            (AttributeValue::S(String::new()), 0),
            (AttributeValue::B(vec![0; 5]), 5),
            (AttributeValue::Null, 1),
            (AttributeValue::Bool(true), 1),
            (number(0), 1),
            (number(1), 2),
            (number(12), 2),
            (number(123), 3),
            (number(-123), 4),
            (number(1_000_000), 2),
            (decimal(1, -3), 2),
            (decimal(15, -1), 3),
            (decimal(1005, -1), 4),
            (decimal(10005, -2), 4),
            (AttributeValue::SS(vec!["a".to_owned(), "bc".to_owned()]), 3),
            (AttributeValue::NS(vec![1.into(), 100.into(), 123.into()]), 7),
            (AttributeValue::BS(vec![vec![1], vec![2, 3]]), 3),
        ] {
            assert_eq!(value.size(), size, "{value:?}");
        }
        let longest = Number::from_parts(true, 10_u128.pow(38) - 1, 0).map(|number| number.size());
        assert_eq!(longest, Ok(21));
    }

    #[test]
    fn containers_cost_three_bytes_and_one_per_element() {
        assert_eq!(AttributeValue::L(vec![]).size(), 3);
        assert_eq!(AttributeValue::M(Map::new()).size(), 3);
        assert_eq!(AttributeValue::L(vec![AttributeValue::Null, number(1)]).size(), 3 + 2 + 1 + 2);
        let inner: Map = [("ab".into(), AttributeValue::S("xyz".to_owned()))].into_iter().collect();
        assert_eq!(inner.size(), 5);
        assert_eq!(AttributeValue::M(inner).size(), 3 + 1 + 5);
    }

    #[test]
    fn depth_counts_the_value_itself_and_what_lies_around_it() {
        assert_eq!(number(1).depth(), 1);
        assert_eq!(AttributeValue::L(vec![]).depth(), 1);
        let inner: Map = [("a".into(), AttributeValue::L(vec![AttributeValue::Null]))].into_iter().collect();
        assert_eq!(AttributeValue::M(inner).depth(), 3);
    }
}
