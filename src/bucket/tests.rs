//! Buckets: names that lead elsewhere, links, listing by prefix, compressed objects, writing over what was not counted.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};

use super::*;

type Outcome = Result<(), Box<dyn Error>>;

fn buckets() -> Result<(tempfile::TempDir, Buckets), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    fs::create_dir_all(folder.path().join("root/data/a/b"))?;
    let buckets = Buckets::new(folder.path().join("root"));
    Ok((folder, buckets))
}

#[test]
fn no_name_leads_out_of_the_folder() -> Outcome {
    let (folder, buckets) = buckets()?;
    fs::write(folder.path().join("secret"), "x")?;
    for name in ["..", ".", "", "/", "../root", "data/..", "data/a", "nothing", "/etc", ".logs", "da\0ta"] {
        assert!(matches!(buckets.bucket(name), Err(BucketError::NoSuchBucket)), "{name}");
    }
    let bucket = buckets.bucket("data")?;
    for key in ["../secret", "../../secret", "a/../../../secret", "/etc/passwd", "a//b", "a/./b", "", "a/", "a\0"] {
        assert!(matches!(bucket.bytes(key), Err(BucketError::AccessDenied(_))), "{key}");
        assert!(matches!(bucket.write_from(key, 0, b"x"), Err(BucketError::AccessDenied(_))), "{key}");
    }
    assert_eq!(fs::read(folder.path().join("secret"))?, b"x");
    Ok(())
}

#[cfg(unix)]
#[test]
fn links_are_refused_wherever_they_stand() -> Outcome {
    use std::os::unix::fs::symlink;
    let (folder, buckets) = buckets()?;
    let outside = folder.path().join("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("secret"), "x")?;
    let root = folder.path().join("root");
    symlink(&outside, root.join("linked"))?;
    symlink(&outside, root.join("data/a/linked"))?;
    symlink(outside.join("secret"), root.join("data/link"))?;
    assert!(matches!(buckets.bucket("linked"), Err(BucketError::NoSuchBucket)));
    let bucket = buckets.bucket("data")?;
    assert_eq!(bucket.objects("")?, []);
    for key in ["link", "a/linked/secret", "a/linked/new"] {
        assert!(matches!(bucket.bytes(key), Err(BucketError::AccessDenied(_))), "{key}");
        assert!(matches!(bucket.write_from(key, 0, b"y"), Err(BucketError::AccessDenied(_))), "{key}");
    }
    assert_eq!(fs::read_dir(&outside)?.count(), 1);
    assert_eq!(fs::read(outside.join("secret"))?, b"x");
    Ok(())
}

#[test]
fn objects_are_listed_by_prefix_in_the_order_of_their_keys() -> Outcome {
    let (_folder, buckets) = buckets()?;
    let bucket = buckets.bucket("data")?;
    for key in ["a/b/2", "a/b/1", "a-b", "a/.hidden", "b"] {
        bucket.write_from(key, 0, key.as_bytes())?;
    }
    let keys = |prefix: &str| -> Result<Vec<String>, BucketError> {
        Ok(bucket.objects(prefix)?.into_iter().map(|object| object.key).collect())
    };
    assert_eq!(keys("")?, ["a-b", "a/b/1", "a/b/2", "b"]);
    assert_eq!(keys("a")?, ["a-b", "a/b/1", "a/b/2"]);
    assert_eq!(keys("a/")?, ["a/b/1", "a/b/2"]);
    assert_eq!(keys("a/b/2")?, ["a/b/2"]);
    assert_eq!(keys("../")?, [""; 0]);
    assert_eq!(bucket.objects("b")?, [Object { key: "b".to_owned(), bytes: 1 }]);
    Ok(())
}

/// "fdyno " in a frame of zstd without compression or checksum, as RFC 8878 lays it out.
const FRAME: &[u8] = b"\x28\xB5\x2F\xFD\x20\x06\x31\x00\x00fdyno ";

#[test]
fn members_and_frames_are_read_one_after_the_other() -> Outcome {
    let (_folder, buckets) = buckets()?;
    let bucket = buckets.bucket("data")?;
    let mut members = Vec::new();
    for text in ["one ", "two"] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes())?;
        members.extend(encoder.finish()?);
    }
    bucket.write_from("gzip", 0, &members)?;
    bucket.write_from("zstd", 0, &[FRAME, FRAME].concat())?;
    let read = |key: &str, compression| -> Result<String, Box<dyn Error>> {
        let mut text = String::new();
        bucket.read(key, compression)?.read_to_string(&mut text)?;
        Ok(text)
    };
    assert_eq!(read("gzip", Compression::Gzip)?, "one two");
    assert_eq!(read("zstd", Compression::Zstd)?, "fdyno fdyno ");
    assert!(read("gzip", Compression::Zstd).is_err());
    assert!(read("zstd", Compression::Gzip).is_err());
    bucket.write_from("zstd", 0, &FRAME[..12])?;
    assert!(read("zstd", Compression::Zstd).is_err());
    Ok(())
}

#[test]
fn what_was_not_counted_is_written_over_and_what_is_missing_is_noticed() -> Outcome {
    let (_folder, buckets) = buckets()?;
    let bucket = buckets.bucket("data")?;
    bucket.write_from("new/log", 0, b"one two")?;
    bucket.write_from("new/log", 4, b"2")?;
    assert_eq!(bucket.bytes("new/log")?, b"one 2");
    assert!(matches!(bucket.write_from("new/log", 6, b"3"), Err(BucketError::Io { .. })));
    assert_eq!(bucket.bytes("new/log")?, b"one 2");
    buckets.logs().write_from("imports/1", 0, b"x")?;
    assert_eq!(buckets.logs().bytes("imports/1")?, b"x");
    Ok(())
}
