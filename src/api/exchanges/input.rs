//! Reading what is to be written to a table: the objects of a prefix, one record after the other, from any place on.
//!
//! A place is an object and how far it was read, in bytes of what it holds once it is decompressed, so whoever goes on has read
//! the same records before it. An object that cannot be read further is left; the next one is begun. What a record says is
//! not looked at here, but in CSV it is already an item.

use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, BucketError, Compression, Object};

/// Bytes of the longest line: DynamoDB JSON of the largest item, each of whose characters is written as an escape.
const LONGEST_LINE: u64 = 4_000_000;

/// How far the objects have been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The object that is being read, or was read last.
    pub object: Option<String>,
    /// There is no more of it.
    pub is_read: bool,
    /// Its bytes that were read.
    pub offset: u64,
    /// Its records that were read.
    pub records: u64,
}

/// How the objects are written.
#[derive(Clone, Debug)]
pub struct Format {
    pub compression: Compression,
    /// `None`: a record a line.
    pub csv: Option<Csv>,
}

#[derive(Clone, Debug)]
pub struct Csv {
    pub delimiter: u8,
    /// The names of the columns, if the first line does not say them.
    pub headers: Option<Vec<String>>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Line(Vec<u8>),
    /// Names and values of a row.
    Row(Vec<(String, String)>),
    /// Something that is no record, and why.
    NoRecord(String),
    /// The object is at its end, of which so many bytes were stored.
    EndOfObject {
        bytes: u64,
        broken: Option<String>,
    },
    End,
}

/// Objects being read.
pub struct Reading {
    bucket: Bucket,
    format: Format,
    /// What is to be read yet, the next one last.
    ahead: Vec<Object>,
    current: Option<Current>,
    place: Place,
    /// The place before what was read last.
    before: Place,
    /// What was put back, and the place behind it.
    back: Option<(Next, Place)>,
}

struct Current {
    bytes: u64,
    records: Records,
}

enum Records {
    Lines(Box<dyn BufRead + Send>),
    Rows(Box<csv::Reader<Box<dyn BufRead + Send>>>, Vec<String>),
}

impl Reading {
    /// Goes on at `place`. Whether there is anything at all is for `is_empty` to say.
    pub fn open(bucket: Bucket, prefix: &str, format: Format, place: Place) -> Result<Self, BucketError> {
        let mut ahead = bucket.objects(prefix)?;
        ahead.reverse();
        let before = place.clone();
        let mut reading = Self { bucket, format, ahead, current: None, place, before, back: None };
        let Some(key) = reading.place.object.clone() else { return Ok(reading) };
        reading.ahead.retain(|object| object.key > key || object.key == key && !reading.place.is_read);
        if reading.ahead.last().is_some_and(|object| object.key == key) {
            let (offset, records) = (reading.place.offset, reading.place.records);
            if let Some(broken) = reading.begin_object()? {
                return Err(BucketError::Malformed { key, error: io::Error::other(broken) });
            }
            reading.skip(&key, offset).map_err(|error| BucketError::Malformed { key, error })?;
            reading.place.records = records;
        }
        Ok(reading)
    }

    /// No object was read, and there is none.
    pub const fn is_empty(&self) -> bool {
        self.place.object.is_none() && self.ahead.is_empty() && self.current.is_none()
    }

    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The stored bytes of the objects that are not begun.
    pub fn bytes_ahead(&self) -> u64 {
        self.ahead.iter().map(|object| object.bytes).sum()
    }

    /// Has what was just read come again.
    pub fn put_back(&mut self, next: Next) {
        let place = std::mem::replace(&mut self.place, self.before.clone());
        self.back = Some((next, place));
    }

    /// Begins the next object; why it cannot be read at all.
    fn begin_object(&mut self) -> Result<Option<String>, BucketError> {
        let Some(object) = self.ahead.pop() else { return Ok(None) };
        self.place = Place { object: Some(object.key.clone()), is_read: false, offset: 0, records: 0 };
        let source = self.bucket.read(&object.key, self.format.compression)?;
        let (records, broken) = match &self.format.csv {
            None => (Records::Lines(source), None),
            Some(csv) => {
                let mut rows = csv::ReaderBuilder::new()
                    .delimiter(csv.delimiter)
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(source);
                let (headers, broken) = match &csv.headers {
                    Some(headers) => (headers.clone(), None),
                    None => match headers_of(&mut rows) {
                        Ok(headers) => (headers, None),
                        Err(error) => (Vec::new(), Some(error.to_string())),
                    },
                };
                self.place.offset = rows.position().byte();
                let twice = headers.iter().enumerate().find(|(at, name)| headers.iter().take(*at).any(|n| n == *name));
                let broken = broken.or_else(|| twice.map(|(_, name)| format!("The header {name} is there twice")));
                (Records::Rows(Box::new(rows), headers), broken)
            }
        };
        self.current = Some(Current { bytes: object.bytes, records });
        Ok(broken)
    }

    /// Passes over what was read before.
    fn skip(&mut self, key: &str, offset: u64) -> io::Result<()> {
        let changed = || io::Error::other(format!("{key} has changed while it was read"));
        let Some(current) = &mut self.current else { return Ok(()) };
        match &mut current.records {
            Records::Lines(lines) => {
                if io::copy(&mut lines.by_ref().take(offset), &mut io::sink())? < offset {
                    return Err(changed());
                }
            }
            Records::Rows(rows, _) => {
                let mut row = csv::ByteRecord::new();
                while rows.position().byte() < offset {
                    if !rows.read_byte_record(&mut row).map_err(io::Error::other)? {
                        return Err(changed());
                    }
                }
                if rows.position().byte() != offset {
                    return Err(changed());
                }
            }
        }
        self.place.offset = offset;
        Ok(())
    }

    /// The next record, or what else comes.
    pub fn next(&mut self) -> Result<Next, BucketError> {
        self.before = self.place.clone();
        if let Some((next, place)) = self.back.take() {
            self.place = place;
            return Ok(next);
        }
        if self.current.is_none() {
            if self.ahead.is_empty() {
                return Ok(Next::End);
            }
            if let Some(broken) = self.begin_object()? {
                return Ok(self.end_object(Some(broken)));
            }
        }
        let Some(current) = &mut self.current else { return Ok(Next::End) };
        let read = match &mut current.records {
            Records::Lines(lines) => read_line(lines, &mut self.place),
            Records::Rows(rows, headers) => read_row(rows, headers, &mut self.place),
        };
        Ok(match read {
            Ok(Some(next)) => {
                self.place.records += 1;
                next
            }
            Ok(None) => self.end_object(None),
            // What it holds from here on cannot be told.
            Err(error) => self.end_object(Some(error.to_string())),
        })
    }

    fn end_object(&mut self, broken: Option<String>) -> Next {
        let bytes = self.current.take().map_or(0, |current| current.bytes);
        self.place.is_read = true;
        Next::EndOfObject { bytes, broken }
    }
}

fn headers_of(rows: &mut csv::Reader<Box<dyn BufRead + Send>>) -> Result<Vec<String>, csv::Error> {
    let mut row = csv::StringRecord::new();
    rows.read_record(&mut row)?;
    Ok(row.iter().map(|name| name.trim_start_matches('\u{FEFF}').to_owned()).collect())
}

/// The next line that is not blank.
fn read_line(lines: &mut Box<dyn BufRead + Send>, place: &mut Place) -> io::Result<Option<Next>> {
    loop {
        let mut line = Vec::new();
        let read = lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        place.offset += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
            return Err(io::Error::other(format!("A record is longer than {LONGEST_LINE} bytes")));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(Next::Line(line)));
        }
    }
}

fn read_row(
    rows: &mut csv::Reader<Box<dyn BufRead + Send>>,
    headers: &[String],
    place: &mut Place,
) -> io::Result<Option<Next>> {
    let mut row = csv::ByteRecord::new();
    if !rows.read_byte_record(&mut row).map_err(io::Error::other)? {
        return Ok(None);
    }
    place.offset = rows.position().byte();
    if row.len() != headers.len() {
        let (found, expected) = (row.len(), headers.len());
        return Ok(Some(Next::NoRecord(format!("The row has {found} columns, the header {expected}"))));
    }
    let texts = row.iter().map(|value| std::str::from_utf8(value).map(str::to_owned)).collect::<Result<Vec<_>, _>>();
    Ok(Some(match texts {
        Ok(texts) => Next::Row(headers.iter().cloned().zip(texts).collect()),
        Err(_) => Next::NoRecord("The row is not UTF-8".to_owned()),
    }))
}

#[cfg(test)]
mod tests;
