//! Reading: which objects there are under a prefix, and what they hold, decompressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::{Bucket, BucketError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    pub bytes: u64,
}

impl Bucket {
    /// The objects whose keys begin with `prefix`, in the order of their keys. Links, and what has no UTF-8 name, are none.
    pub fn objects(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        let mut found = Vec::new();
        collect(&self.folder, "", prefix, &mut found)?;
        found.sort_unstable_by(|one, two| one.key.cmp(&two.key));
        Ok(found)
    }

    /// What an object holds, from its beginning.
    pub fn read(&self, key: &str, compression: Compression) -> Result<Box<dyn BufRead + Send>, BucketError> {
        let file = File::open(self.file(key)?).map_err(|error| BucketError::io(key, error))?;
        let file = BufReader::new(file);
        Ok(match compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(file))),
            Compression::Zstd => Box::new(BufReader::new(Frames { source: Some(Source::Between(file)) })),
        })
    }

    /// All of an object, as it is.
    pub fn bytes(&self, key: &str) -> Result<Vec<u8>, BucketError> {
        std::fs::read(self.file(key)?).map_err(|error| BucketError::io(key, error))
    }
}

/// Adds the objects of a folder, whose keys begin with `above`.
fn collect(folder: &Path, above: &str, prefix: &str, found: &mut Vec<Object>) -> Result<(), BucketError> {
    let failed = |error| BucketError::io(if above.is_empty() { "the bucket" } else { above }, error);
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        // Of a link this tells that it is one, and not what it leads to.
        let kind = entry.file_type().map_err(failed)?;
        let key = format!("{above}{name}");
        if kind.is_dir() {
            let key = format!("{key}/");
            if key.starts_with(prefix) || prefix.starts_with(&key) {
                collect(&entry.path(), &key, prefix, found)?;
            }
        } else if kind.is_file() && key.starts_with(prefix) {
            let bytes = entry.metadata().map_err(failed)?.len();
            found.push(Object { key, bytes });
        }
    }
    Ok(())
}

type Frame = StreamingDecoder<BufReader<File>, ruzstd::decoding::FrameDecoder>;

enum Source {
    /// Before a frame, or at the end.
    Between(BufReader<File>),
    Within(Box<Frame>),
}

/// The frames of a zstd file, one after the other.
struct Frames {
    /// `None` after an error.
    source: Option<Source>,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.source.take() {
                None => return Err(io::Error::other("read again after an error")),
                Some(Source::Between(mut file)) => {
                    if file.fill_buf()?.is_empty() {
                        self.source = Some(Source::Between(file));
                        return Ok(0);
                    }
                    let frame = StreamingDecoder::new(file).map_err(io::Error::other)?;
                    self.source = Some(Source::Within(Box::new(frame)));
                }
                Some(Source::Within(mut frame)) => match frame.read(buffer)? {
                    0 => self.source = Some(Source::Between(frame.into_inner())),
                    read => {
                        self.source = Some(Source::Within(frame));
                        return Ok(read);
                    }
                },
            }
        }
    }
}
