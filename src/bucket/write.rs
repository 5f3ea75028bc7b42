//! Writing: an object as a whole, or its end.
//!
//! Whoever writes an object in steps keeps how long it is with whatever says how far the steps have come, and writes from
//! there on: what a step wrote that was never counted is written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};

use super::{Bucket, BucketError};

impl Bucket {
    /// Gives an object these bytes from `offset` on, and nothing behind them. They lie on the device when this returns.
    pub fn write_from(&self, key: &str, offset: u64, bytes: &[u8]) -> Result<(), BucketError> {
        let path = self.file(key)?;
        let failed = |error| BucketError::io(key, error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
        write(&mut file, offset, bytes).map_err(failed)
    }
}

fn write(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.len() < offset {
        return Err(io::Error::other("it has become shorter than what was written to it"));
    }
    file.set_len(offset)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    file.sync_data()
}
