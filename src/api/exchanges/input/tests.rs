//! Reading objects: from every place on the same records come, whatever the format, and what is broken ends only its object.

use std::error::Error;
use std::io::Write;

use super::*;
use crate::bucket::Buckets;

type Outcome = Result<(), Box<dyn Error>>;

const LINES: &str = "one\n\n  \ntwo\r\nthree";
const ROWS: &str = "\u{FEFF}a,b\n1,\"x,\ny\"\n2\n3,\"z\"\"\"\n";

fn bucket(objects: &[(&str, &[u8])]) -> Result<(tempfile::TempDir, Bucket), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("data"))?;
    let bucket = Buckets::new(folder.path().to_path_buf()).bucket("data")?;
    for (key, bytes) in objects {
        bucket.write_from(key, 0, bytes)?;
    }
    Ok((folder, bucket))
}

fn gzip(text: &str) -> Result<Vec<u8>, std::io::Error> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn json(compression: Compression) -> Format {
    Format { compression, csv: None }
}

fn csv(delimiter: u8, headers: Option<&[&str]>) -> Format {
    let headers = headers.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Format { compression: Compression::None, csv: Some(Csv { delimiter, headers }) }
}

/// All there is from a place on, with the place behind each.
fn read(bucket: &Bucket, format: &Format, place: Place) -> Result<Vec<(Next, Place)>, Box<dyn Error>> {
    let mut reading = Reading::open(bucket.clone(), "", format.clone(), place)?;
    let mut found = Vec::new();
    loop {
        let next = reading.next()?;
        if next == Next::End {
            return Ok(found);
        }
        found.push((next, reading.place().clone()));
    }
}

/// Reads all, and again from behind each record.
fn check_every_place(bucket: &Bucket, format: &Format) -> Result<Vec<Next>, Box<dyn Error>> {
    let all = read(bucket, format, Place::default())?;
    for (at, (_, place)) in all.iter().enumerate() {
        assert_eq!(read(bucket, format, place.clone())?, all[at + 1..], "from {place:?} on");
    }
    Ok(all.into_iter().map(|(next, _)| next).collect())
}

fn line(text: &str) -> Next {
    Next::Line(text.as_bytes().to_vec())
}

fn end(bytes: usize) -> Next {
    Next::EndOfObject { bytes: bytes as u64, broken: None }
}

#[test]
fn lines_are_read_from_every_place_on() -> Outcome {
    let packed = gzip(LINES)?;
    let (_folder, plain) = bucket(&[("a", LINES.as_bytes()), ("b/c", b""), ("d", b"four\n")])?;
    let all = check_every_place(&plain, &json(Compression::None))?;
    let lines = [line("one\n"), line("two\r\n"), line("three"), end(LINES.len()), end(0), line("four\n"), end(5)];
    assert_eq!(all, lines);
    let (_folder, bucket) = bucket(&[("a", &packed)])?;
    let all = check_every_place(&bucket, &json(Compression::Gzip))?;
    assert_eq!(all, [line("one\n"), line("two\r\n"), line("three"), end(packed.len())]);
    Ok(())
}

fn row(values: &[(&str, &str)]) -> Next {
    Next::Row(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn rows_are_read_from_every_place_on() -> Outcome {
    let (_folder, first) = bucket(&[("a", ROWS.as_bytes()), ("b", ROWS.as_bytes())])?;
    let all = check_every_place(&first, &csv(b',', None))?;
    let wrong = Next::NoRecord("The row has 1 columns, the header 2".to_owned());
    let once = [row(&[("a", "1"), ("b", "x,\ny")]), wrong, row(&[("a", "3"), ("b", "z\"")]), end(ROWS.len())];
    assert_eq!(all.len(), 8);
    assert_eq!(all[..4], once);
    assert_eq!(all[4..], once);
    let (_folder, given) = bucket(&[("a", b"1;2\n3;4")])?;
    let all = check_every_place(&given, &csv(b';', Some(&["x", "y"])))?;
    assert_eq!(all, [row(&[("x", "1"), ("y", "2")]), row(&[("x", "3"), ("y", "4")]), end(7)]);
    Ok(())
}

#[test]
fn what_is_broken_ends_its_object_only() -> Outcome {
    let mut cut = gzip(LINES)?;
    cut.truncate(cut.len() - 9);
    let (_folder, packed) = bucket(&[("a", b"no gzip"), ("b", &cut), ("c", &gzip("four")?)])?;
    let all = check_every_place(&packed, &json(Compression::Gzip))?;
    let broken = |next: &Next| matches!(next, Next::EndOfObject { broken: Some(_), .. });
    assert_eq!(all.iter().filter(|next| broken(next)).count(), 2, "{all:?}");
    assert_eq!(all[all.len() - 2], line("four"));
    let (_folder, twice) = bucket(&[("a", b"x,x\n1,2\n"), ("b", b"x,y\n1,2\n"), ("c", b"x\n\xFF\n")])?;
    let all = check_every_place(&twice, &csv(b',', None))?;
    assert!(matches!(&all[0], Next::EndOfObject { broken: Some(why), .. } if why == "The header x is there twice"));
    assert_eq!(all[1], row(&[("x", "1"), ("y", "2")]));
    assert_eq!(all[3], Next::NoRecord("The row is not UTF-8".to_owned()));
    Ok(())
}

#[test]
fn a_line_without_end_is_given_up() -> Outcome {
    let long = vec![b'x'; LONGEST_LINE as usize + 1];
    let (_folder, bucket) = bucket(&[("a", &long), ("b", b"y")])?;
    let all = check_every_place(&bucket, &json(Compression::None))?;
    assert!(matches!(&all[0], Next::EndOfObject { broken: Some(_), .. }), "{:?}", all[0]);
    assert_eq!(all[1..], [line("y"), end(1)]);
    Ok(())
}

#[test]
fn an_object_that_became_shorter_is_noticed() -> Outcome {
    for (format, text) in [(json(Compression::None), "one\ntwo\n"), (csv(b',', None), "a\n1\n2\n")] {
        let (_folder, bucket) = bucket(&[("a", text.as_bytes())])?;
        let all = read(&bucket, &format, Place::default())?;
        bucket.write_from("a", 0, b"o\n")?;
        let opened = Reading::open(bucket.clone(), "", format, all[1].1.clone());
        assert!(matches!(opened, Err(BucketError::Malformed { .. })));
    }
    Ok(())
}
