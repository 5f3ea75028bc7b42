//! Serves a cluster to several processes: prints the port, and ends when its standard input does.

use std::io;

fn main() -> io::Result<()> {
    fdb_double::serve(io::stdin().lock(), |port| println!("{port}"))
}
