//! The item codec: compact, tagged by type, one encoding for equal items, readable attribute by attribute.
//!
//! ```text
//! item       01  count  attribute*                     names in order of their bytes, each once
//! attribute  length  name  value
//! value      01  length  text                  S       07  size u32  count  (length  text)*       SS
//!            02  number                        N       08  size u32  count  number*               NS
//!            03  length  bytes                 B       09  size u32  count  (length  bytes)*      BS
//!            04                                NULL    0A  size u32  count  value*                L
//!            05 | 06           BOOL false | true       0B  size u32  count  attribute*            M
//! number     (zigzag of exponent × 2 + 1 if negative)  coefficient
//! ```
//!
//! Counts, lengths and the parts of numbers are LEB128. `size` is the bytes that follow it: what is not asked for is stepped
//! over, not read. Reading checks what the data model promises (order, no duplicates, normal form, `MAX_DEPTH`).

mod serialize;

use super::bytes::{Reader, corrupt, put_bytes, put_length, put_varint, text};
use crate::item::{AttributeValue, Invalid, Item, MAX_DEPTH, Map, Name, Number};
use crate::kv;

const VERSION: u8 = 1;

const S: u8 = 1;
const N: u8 = 2;
const B: u8 = 3;
const NULL: u8 = 4;
const FALSE: u8 = 5;
const TRUE: u8 = 6;
const SS: u8 = 7;
const NS: u8 = 8;
const BS: u8 = 9;
const L: u8 = 10;
const M: u8 = 11;

/// Encodes an item. Refuses, with AWS's messages, what could not be read again: values nested too deeply or too long.
pub fn encode_item(item: &Item) -> Result<Vec<u8>, Invalid> {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    put_attributes(&mut out, item, 1)?;
    Ok(out)
}

fn put_attributes(out: &mut Vec<u8>, map: &Map, level: usize) -> Result<(), Invalid> {
    put_length(out, map.len());
    for (name, value) in map {
        put_bytes(out, name.as_bytes());
        put_value(out, value, level)?;
    }
    Ok(())
}

fn put_value(out: &mut Vec<u8>, value: &AttributeValue, level: usize) -> Result<(), Invalid> {
    if level > MAX_DEPTH {
        return Err(Invalid::too_deep());
    }
    match value {
        AttributeValue::S(text) => {
            out.push(S);
            put_bytes(out, text.as_bytes());
        }
        AttributeValue::N(number) => {
            out.push(N);
            put_number(out, number);
        }
        AttributeValue::B(bytes) => {
            out.push(B);
            put_bytes(out, bytes);
        }
        AttributeValue::Null => out.push(NULL),
        AttributeValue::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
        AttributeValue::SS(texts) => put_sized(out, SS, |out| {
            put_length(out, texts.len());
            texts.iter().for_each(|text| put_bytes(out, text.as_bytes()));
            Ok(())
        })?,
        AttributeValue::NS(numbers) => put_sized(out, NS, |out| {
            put_length(out, numbers.len());
            numbers.iter().for_each(|number| put_number(out, number));
            Ok(())
        })?,
        AttributeValue::BS(blobs) => put_sized(out, BS, |out| {
            put_length(out, blobs.len());
            blobs.iter().for_each(|blob| put_bytes(out, blob));
            Ok(())
        })?,
        AttributeValue::L(list) => put_sized(out, L, |out| {
            put_length(out, list.len());
            list.iter().try_for_each(|value| put_value(out, value, level + 1))
        })?,
        AttributeValue::M(map) => put_sized(out, M, |out| put_attributes(out, map, level + 1))?,
    }
    Ok(())
}

/// Writes a tag, a size and the content, whose size is filled in when it is known.
fn put_sized(
    out: &mut Vec<u8>,
    tag: u8,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let too_large = || Invalid::new("Item size has exceeded the maximum allowed size");
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    let start = out.len();
    content(out)?;
    let size = u32::try_from(out.len() - start).map_err(|_| too_large())?;
    out.get_mut(at..start).ok_or_else(too_large)?.copy_from_slice(&size.to_be_bytes());
    Ok(())
}

fn put_number(out: &mut Vec<u8>, number: &Number) {
    let (negative, coefficient, exponent) = number.to_parts();
    let zigzag = ((i32::from(exponent) << 1) ^ (i32::from(exponent) >> 31)).unsigned_abs();
    put_varint(out, u128::from(zigzag << 1 | u32::from(negative)));
    put_varint(out, coefficient);
}

fn read_number(reader: &mut Reader<'_>) -> kv::Result<Number> {
    let head: u16 = reader.number()?;
    let (negative, zigzag) = (head & 1 == 1, head >> 1);
    // Lossless: half of 15 bits, either sign.
    let exponent = (zigzag >> 1) as i16 ^ -((zigzag & 1) as i16);
    let coefficient = reader.varint()?;
    let number = Number::from_parts(negative, coefficient, exponent).map_err(|_| corrupt("not a number"))?;
    if number.to_parts() == (negative, coefficient, exponent) {
        Ok(number)
    } else {
        Err(corrupt("number not in normal form"))
    }
}

/// Decodes a whole item.
pub fn decode_item(bytes: &[u8]) -> kv::Result<Item> {
    ItemReader::new(bytes)?.decode()
}

/// An encoded item, of which only what is asked for is decoded.
#[derive(Clone, Copy, Debug)]
pub struct ItemReader<'a> {
    count: usize,
    attributes: Reader<'a>,
}

impl<'a> ItemReader<'a> {
    pub fn new(bytes: &'a [u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(corrupt("item of an unknown version"));
        }
        let count = reader.length()?;
        Ok(Self { count, attributes: reader })
    }

    pub const fn len(&self) -> usize {
        self.count
    }

    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The attributes in order of their names, none of the values decoded.
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes { left: self.count, reader: self.attributes, previous: None }
    }

    /// One attribute, not yet decoded.
    pub fn raw(&self, name: &str) -> kv::Result<Option<RawValue<'a>>> {
        for attribute in self.attributes() {
            let (found, value) = attribute?;
            match found.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(value)),
                std::cmp::Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// One attribute.
    pub fn get(&self, name: &str) -> kv::Result<Option<AttributeValue>> {
        self.raw(name)?.map(RawValue::decode).transpose()
    }

    /// The attributes of which `wanted` says yes.
    pub fn decode_some(&self, mut wanted: impl FnMut(&str) -> bool) -> kv::Result<Item> {
        let mut pairs = Vec::new();
        for attribute in self.attributes() {
            let (name, value) = attribute?;
            let name = text(name)?;
            if wanted(name) {
                pairs.push((Name::new(name), value.decode()?));
            }
        }
        Ok(Map::from_unsorted(pairs))
    }

    pub fn decode(&self) -> kv::Result<Item> {
        let mut reader = self.attributes;
        let item = read_attributes(&mut reader, self.count, 1)?;
        reader.finish()?;
        Ok(item)
    }
}

/// Names, as bytes, and values of an encoded item; ends after the first error.
pub struct Attributes<'a> {
    left: usize,
    reader: Reader<'a>,
    previous: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn step(&mut self) -> kv::Result<(&'a [u8], RawValue<'a>)> {
        let name = self.reader.bytes()?;
        if self.previous.is_some_and(|previous| previous >= name) {
            return Err(corrupt("attributes out of order"));
        }
        self.previous = Some(name);
        let start = self.reader.rest();
        skip_value(&mut self.reader)?;
        let length = start.len() - self.reader.rest().len();
        Ok((name, RawValue { bytes: Reader::new(start).take(length)? }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = kv::Result<(&'a [u8], RawValue<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let step = self.step();
        if step.is_err() {
            self.left = 0;
        }
        Some(step)
    }
}

/// One encoded attribute value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawValue<'a> {
    bytes: &'a [u8],
}

impl RawValue<'_> {
    pub fn decode(self) -> kv::Result<AttributeValue> {
        let mut reader = Reader::new(self.bytes);
        let value = read_value(&mut reader, 1)?;
        reader.finish()?;
        Ok(value)
    }
}

fn skip_value(reader: &mut Reader<'_>) -> kv::Result<()> {
    match reader.byte()? {
        S | B => reader.bytes().map(drop),
        N => reader.varint().and_then(|_| reader.varint()).map(drop),
        NULL | FALSE | TRUE => Ok(()),
        SS | NS | BS | L | M => {
            let size = reader.u32()?;
            reader.take(size as usize).map(drop)
        }
        _ => Err(corrupt("unknown datatype")),
    }
}

fn read_value(reader: &mut Reader<'_>, level: usize) -> kv::Result<AttributeValue> {
    if level > MAX_DEPTH {
        return Err(corrupt("nested too deeply"));
    }
    let tag = reader.byte()?;
    Ok(match tag {
        S => AttributeValue::S(read_text(reader)?),
        N => AttributeValue::N(read_number(reader)?),
        B => AttributeValue::B(reader.bytes()?.to_vec()),
        NULL => AttributeValue::Null,
        FALSE => AttributeValue::Bool(false),
        TRUE => AttributeValue::Bool(true),
        SS | NS | BS | L | M => {
            let size = reader.u32()?;
            let mut content = Reader::new(reader.take(size as usize)?);
            let count = content.length()?;
            let value = match tag {
                SS => AttributeValue::SS(read_set(&mut content, count, read_text)?),
                NS => AttributeValue::NS(read_set(&mut content, count, read_number)?),
                BS => AttributeValue::BS(read_set(&mut content, count, |reader| reader.bytes().map(<[u8]>::to_vec))?),
                L => AttributeValue::L(read_many(&mut content, count, |reader| read_value(reader, level + 1))?),
                _ => AttributeValue::M(read_attributes(&mut content, count, level + 1)?),
            };
            content.finish()?;
            value
        }
        _ => return Err(corrupt("unknown datatype")),
    })
}

fn read_text(reader: &mut Reader<'_>) -> kv::Result<String> {
    Ok(text(reader.bytes()?)?.to_owned())
}

fn read_many<'a, T>(
    reader: &mut Reader<'a>,
    count: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> kv::Result<T>,
) -> kv::Result<Vec<T>> {
    // Damaged counts must not cost memory that damaged bytes do not back.
    let mut many = Vec::with_capacity(count.min(256));
    for _ in 0..count {
        many.push(read(reader)?);
    }
    Ok(many)
}

fn read_set<'a, T: Ord>(
    reader: &mut Reader<'a>,
    count: usize,
    read: impl FnMut(&mut Reader<'a>) -> kv::Result<T>,
) -> kv::Result<Vec<T>> {
    let members = read_many(reader, count, read)?;
    if members.is_empty() || !members.is_sorted_by(|one, two| one < two) {
        return Err(corrupt("set empty or out of order"));
    }
    Ok(members)
}

fn read_attributes(reader: &mut Reader<'_>, count: usize, level: usize) -> kv::Result<Map> {
    let pairs = read_many(reader, count, |reader| {
        let name = Name::new(text(reader.bytes()?)?);
        Ok((name, read_value(reader, level)?))
    })?;
    Map::from_sorted(pairs).ok_or_else(|| corrupt("attributes out of order"))
}

#[cfg(test)]
mod tests;
