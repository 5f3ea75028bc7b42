//! Folders that stand for S3's buckets: a bucket is a folder in the one that was named when the database was opened, and an
//! object is a file in it, called by its path.
//!
//! Nothing outside of that folder is ever read or written: keys are taken apart into names, none of which may lead elsewhere,
//! and symbolic links are refused wherever they stand. What begins with a dot is no object. All of it waits on the machine's
//! files, so it is called on a thread of its own. It must not know what lies in the objects.

mod read;
mod write;

use std::io;
use std::path::{Component, Path, PathBuf};

pub use read::{Compression, Object};

/// Where the logs of the service lie that AWS keeps in CloudWatch: no bucket has such a name.
const LOGS: &str = ".logs";

/// Why something cannot be read or written. Each is a failure of the operation that asked for it, never of the database.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket)")]
    NoSuchBucket,
    #[error("Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied): {0}")]
    AccessDenied(String),
    #[error("{key} cannot be read or written: {error}")]
    Io { key: String, error: io::Error },
    /// It is not compressed as was said.
    #[error("{key} cannot be decompressed: {error}")]
    Malformed { key: String, error: io::Error },
}

impl BucketError {
    /// What AWS calls it in `FailureCode`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchBucket => "S3NoSuchBucket",
            Self::AccessDenied(_) => "S3AccessDenied",
            Self::Io { .. } => "S3ServiceException",
            Self::Malformed { .. } => "S3ObjectMalformed",
        }
    }

    fn io(key: &str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::AccessDenied(key.to_owned()),
            _ => Self::Io { key: key.to_owned(), error },
        }
    }
}

/// All buckets there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    root: PathBuf,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Bucket {
    folder: PathBuf,
}

impl Buckets {
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The bucket of this name, which must be there.
    pub fn bucket(&self, name: &str) -> Result<Bucket, BucketError> {
        if !is_plain(name) || name.starts_with('.') {
            return Err(BucketError::NoSuchBucket);
        }
        let folder = self.root.join(name);
        match folder.symlink_metadata() {
            Ok(found) if found.is_dir() => Ok(Bucket { folder }),
            Ok(_) => Err(BucketError::NoSuchBucket),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BucketError::NoSuchBucket),
            Err(error) => Err(BucketError::io(name, error)),
        }
    }

    /// Where logs go: made when one is written.
    pub fn logs(&self) -> Bucket {
        Bucket { folder: self.root.join(LOGS) }
    }
}

impl Bucket {
    /// The file of a key; every folder on the way that is there is one, and no link.
    fn file(&self, key: &str) -> Result<PathBuf, BucketError> {
        if !is_key(key) {
            return Err(BucketError::AccessDenied(key.to_owned()));
        }
        let mut path = self.folder.clone();
        for name in key.split('/') {
            path.push(name);
            match path.symlink_metadata() {
                Ok(found) if found.is_symlink() => return Err(BucketError::AccessDenied(key.to_owned())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(BucketError::io(key, error)),
            }
        }
        Ok(path)
    }
}

/// Whether objects can be called so: S3 has more keys than there are paths.
pub fn is_key(key: &str) -> bool {
    key.split('/').all(is_plain)
}

/// One name of a path that leads nowhere else.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let first = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
    first && parts.next().is_none() && !name.contains('\0')
}

#[cfg(test)]
mod tests;
