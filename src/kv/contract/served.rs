//! Clusters of the double whose data one process serves to several others.
//!
//! Knows nothing of the crate, as `double`, so that tests beside it use this file too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::double;

/// A process that serves clusters, and its port. It ends when its standard input does, and so with this one.
pub fn start() -> (Child, u16) {
    let mut command = Command::new(double::built("dev", "fdb_double_server"));
    let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (server, port.trim().parse().unwrap())
}

/// The text of a file of the cluster that is called so, and served there.
pub fn text(cluster: &str, port: u16, settings: &str) -> String {
    format!("# double: served=1 {settings}\ndouble:{cluster}@127.0.0.1:{port}\n")
}

/// A cluster that is empty when made, and as many files of it as there are processes to which it behaves differently.
pub struct ServedCluster {
    directory: tempfile::TempDir,
}

impl ServedCluster {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Writes a file by which the cluster behaves as `settings` say, from its next opening on.
    pub fn file(&self, name: &str, settings: &str) -> PathBuf {
        static SERVER: OnceLock<(Child, u16)> = OnceLock::new();
        let (_, port) = SERVER.get_or_init(start);
        let path = self.directory.path().join(name);
        // The directory's name is no other cluster's, and has a dot in front.
        let cluster = self.directory.path().file_name().unwrap().to_str().unwrap().replace('.', "");
        fs::write(&path, text(&cluster, *port, settings)).unwrap();
        path
    }
}
