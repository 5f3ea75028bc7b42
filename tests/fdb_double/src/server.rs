//! The process that holds the data of clusters for others, each of which talks to it through a connection to each cluster.
//!
//! A connection's requests are done in their order, on a thread of its own. What a process that is gone had begun and not
//! committed goes with its connection.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::data::{Data, Open};
use crate::message::{Reply, Request, receive, send};

type Clusters = Mutex<HashMap<String, Arc<Data>>>;

/// Serves clusters on this machine, each empty when it is first asked for, until nothing more can come from `parent`.
/// `ready` gets the port, as soon as processes can connect.
pub fn serve(mut parent: impl Read, ready: impl FnOnce(u16)) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let clusters = Arc::new(Clusters::default());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let clusters = Arc::clone(&clusters);
            // Ends with its connection: an error is that the other side is gone.
            thread::spawn(move || attend(&clusters, &stream));
        }
    });
    ready(port);
    io::copy(&mut parent, &mut io::sink()).map(drop)
}

fn attend(clusters: &Clusters, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream);
    let Request::Join { cluster } = receive(&mut requests)? else { return Err(io::ErrorKind::InvalidData.into()) };
    let mut known = clusters.lock().unwrap_or_else(PoisonError::into_inner);
    let data = Arc::clone(known.entry(cluster).or_insert_with(|| Arc::new(Data::new(0))));
    drop(known);
    let mut transactions: HashMap<u64, Open> = HashMap::new();
    loop {
        match receive(&mut requests)? {
            Request::Join { .. } => return Err(io::ErrorKind::InvalidData.into()),
            Request::Ask { transaction, number, ask } => {
                let open = transactions.entry(transaction).or_insert_with(|| data.begin());
                let outcome = data.perform(open, &ask);
                if ask.is_answered() {
                    send(stream, &Reply { number, outcome })?;
                }
            }
            Request::Hold { transaction } => {
                if let Some(open) = transactions.remove(&transaction) {
                    data.hold(open);
                }
            }
            Request::End { transaction } => drop(transactions.remove(&transaction)),
            Request::LandAll => data.land_all(),
        }
    }
}
