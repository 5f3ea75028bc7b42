//! Finding the cluster file, and looking at it before the client does: the client retries for ever, or says little.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::ClusterError;

/// Names the cluster file, as it does for FoundationDB's own tools.
const VARIABLE: &str = "FDB_CLUSTER_FILE";

/// The file that is named, or the first of the usual ones that exists.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf, ClusterError> {
    let named = named
        .map(Path::to_path_buf)
        .or_else(|| env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
    let path = match named {
        Some(path) => path,
        None => {
            let usual = [Path::new("fdb.cluster"), Path::new(::foundationdb::default_config_path())];
            let found = usual.into_iter().find(|path| path.exists());
            found.ok_or_else(|| ClusterError::NoClusterFile { usual: usual.map(Path::to_path_buf).to_vec() })?.into()
        }
    };
    let unusable = |reason: String| ClusterError::ClusterFile { path: path.clone(), reason };
    let text = fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
    if !text.lines().any(is_connection_string) {
        return Err(unusable("it holds no line like description:id@host:port".to_owned()));
    }
    Ok(path)
}

fn is_connection_string(line: &str) -> bool {
    let line = line.trim();
    !line.starts_with('#')
        && line.split_once('@').is_some_and(|(name, hosts)| {
            name.split_once(':').is_some_and(|(_, id)| !id.is_empty()) && !hosts.is_empty()
        })
}

/// A path as the client takes it.
pub(super) fn as_text(path: &Path) -> Result<String, ClusterError> {
    path.to_str().filter(|text| !text.contains('\0')).map(str::to_owned).ok_or_else(|| ClusterError::ClusterFile {
        path: path.to_path_buf(),
        reason: "its name is not UTF-8, which the client library asks for".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_cluster_file_that_is_missing_or_holds_no_address_is_refused_by_name() {
        let missing = Path::new("/nowhere/fdb.cluster");
        let error = find(Some(missing)).unwrap_err();
        assert!(matches!(&error, ClusterError::ClusterFile { path, .. } if path == missing), "{error}");
        let error = find(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))).unwrap_err();
        assert!(error.to_string().contains("it holds no line like description:id@host:port"), "{error}");
    }

    #[test]
    fn connection_strings_are_told_from_other_lines() {
        for line in ["a:b@127.0.0.1:4500", "  some_name:Id8@10.0.0.1:4500,10.0.0.2:4500:tls "] {
            assert!(is_connection_string(line), "{line}");
        }
        for line in ["", "# a:b@127.0.0.1:4500", "a@127.0.0.1:4500", "a:b@", "a:@c", "nonsense"] {
            assert!(!is_connection_string(line), "{line}");
        }
    }
}
