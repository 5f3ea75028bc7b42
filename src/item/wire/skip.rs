//! Passing over what is nested too deeply to be read, without recursing without bound.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How much deeper than `MAX_DEPTH` a request may be nested (in levels of the transport, two to a level of ours)
/// and still be refused by a message of the data model instead of one about its form.
const SKIPPED_LEVELS: usize = 80;

/// Passes over whatever comes, to a bounded depth: a deserializer's own `IgnoredAny` may recurse without one.
pub struct Skip {
    levels_left: usize,
}

impl Default for Skip {
    fn default() -> Self {
        Self { levels_left: SKIPPED_LEVELS }
    }
}

impl Skip {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Self { levels_left }),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Scalars, which need no more than to be dropped.
macro_rules! skip_scalars {
    ($($visit:ident: $scalar:ty),+ $(,)?) => {
        $(fn $visit<E>(self, _: $scalar) -> Result<(), E> {
            Ok(())
        })+
    };
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    skip_scalars! {
        visit_bool: bool,
        visit_i64: i64,
        visit_u64: u64,
        visit_f64: f64,
        visit_str: &str,
        visit_bytes: &[u8],
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deeper::<D::Error>()?.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while access.next_element_seed(self.deeper::<A::Error>()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while access.next_key::<IgnoredAny>()?.is_some() {
            access.next_value_seed(self.deeper::<A::Error>()?)?;
        }
        Ok(())
    }
}
