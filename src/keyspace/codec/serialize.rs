//! Encoded items as answers carry them, `{"S": "x"}`, written straight from their bytes: no item is made on the way.
//!
//! The form is that of `item::wire`. Bytes that are no item end in the serializer's error: whoever has to tell damage from
//! other failures decodes.

use serde::Serialize;
use serde::ser::{Error, SerializeMap, SerializeSeq, Serializer};

use super::{B, FALSE, ItemReader, L, M, N, NS, NULL, S, SS, TRUE, read_number, skip_value};
use crate::item::{MAX_DEPTH, Number};
use crate::keyspace::bytes::{Reader, corrupt, text};
use crate::kv;

impl Serialize for ItemReader<'_> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        put_attributes(self.attributes, self.count, 1, serializer)
    }
}

fn put_attributes<T: Serializer>(
    mut reader: Reader<'_>,
    count: usize,
    level: usize,
    serializer: T,
) -> Result<T::Ok, T::Error> {
    let mut map = serializer.serialize_map(Some(count))?;
    let mut previous: Option<&[u8]> = None;
    for _ in 0..count {
        let name = reader.bytes().map_err(T::Error::custom)?;
        if previous.is_some_and(|previous| previous >= name) {
            return Err(T::Error::custom(corrupt("attributes out of order")));
        }
        previous = Some(name);
        let value = Value { bytes: take_value(&mut reader).map_err(T::Error::custom)?, level };
        map.serialize_entry(text(name).map_err(T::Error::custom)?, &value)?;
    }
    reader.finish().map_err(T::Error::custom)?;
    map.end()
}

fn take_value<'a>(reader: &mut Reader<'a>) -> kv::Result<&'a [u8]> {
    let start = reader.rest();
    skip_value(reader)?;
    Reader::new(start).take(start.len() - reader.rest().len())
}

/// One encoded value.
struct Value<'a> {
    bytes: &'a [u8],
    level: usize,
}

impl Serialize for Value<'_> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        if self.level > MAX_DEPTH {
            return Err(T::Error::custom(corrupt("nested too deeply")));
        }
        let mut reader = Reader::new(self.bytes);
        let tag = reader.byte().map_err(T::Error::custom)?;
        let mut tagged = serializer.serialize_map(Some(1))?;
        match tag {
            S => tagged.serialize_entry("S", &Text::of(&mut reader).map_err(T::Error::custom)?)?,
            N => tagged.serialize_entry("N", &Digits::of(&mut reader).map_err(T::Error::custom)?)?,
            B => tagged.serialize_entry("B", &Blob::of(&mut reader).map_err(T::Error::custom)?)?,
            NULL => tagged.serialize_entry("NULL", &true)?,
            FALSE | TRUE => tagged.serialize_entry("BOOL", &(tag == TRUE))?,
            _ => {
                let sized = reader.u32().and_then(|size| reader.take(size as usize)).map_err(T::Error::custom)?;
                let mut content = Reader::new(sized);
                let count = content.length().map_err(T::Error::custom)?;
                let level = self.level + 1;
                match tag {
                    SS => tagged.serialize_entry("SS", &many(content, count, Text::of))?,
                    NS => tagged.serialize_entry("NS", &many(content, count, Digits::of))?,
                    L => tagged.serialize_entry("L", &Elements { content, count, level })?,
                    M => tagged.serialize_entry("M", &Attributes { content, count, level })?,
                    // Skipping has left no other tag.
                    _ => tagged.serialize_entry("BS", &many(content, count, Blob::of))?,
                }
            }
        }
        tagged.end()
    }
}

struct Attributes<'a> {
    content: Reader<'a>,
    count: usize,
    level: usize,
}

impl Serialize for Attributes<'_> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        put_attributes(self.content, self.count, self.level, serializer)
    }
}

struct Elements<'a> {
    content: Reader<'a>,
    count: usize,
    level: usize,
}

impl Serialize for Elements<'_> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        let mut content = self.content;
        let mut sequence = serializer.serialize_seq(Some(self.count))?;
        for _ in 0..self.count {
            let bytes = take_value(&mut content).map_err(T::Error::custom)?;
            sequence.serialize_element(&Value { bytes, level: self.level })?;
        }
        content.finish().map_err(T::Error::custom)?;
        sequence.end()
    }
}

struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn of(reader: &mut Reader<'a>) -> kv::Result<Self> {
        text(reader.bytes()?).map(Self)
    }
}

impl Serialize for Text<'_> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.serialize_str(self.0)
    }
}

struct Blob<'a>(&'a [u8]);

impl<'a> Blob<'a> {
    fn of(reader: &mut Reader<'a>) -> kv::Result<Self> {
        reader.bytes().map(Self)
    }
}

impl Serialize for Blob<'_> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Digits(Number);

impl Digits {
    fn of(reader: &mut Reader<'_>) -> kv::Result<Self> {
        read_number(reader).map(Self)
    }
}

impl Serialize for Digits {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Elements of one kind, read as they are written.
struct Many<'a, F> {
    content: Reader<'a>,
    count: usize,
    read: F,
}

const fn many<'a, F>(content: Reader<'a>, count: usize, read: F) -> Many<'a, F> {
    Many { content, count, read }
}

impl<'a, E: Serialize, F: Fn(&mut Reader<'a>) -> kv::Result<E>> Serialize for Many<'a, F> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        let mut content = self.content;
        let mut sequence = serializer.serialize_seq(Some(self.count))?;
        for _ in 0..self.count {
            sequence.serialize_element(&(self.read)(&mut content).map_err(T::Error::custom)?)?;
        }
        content.finish().map_err(T::Error::custom)?;
        sequence.end()
    }
}
