//! A server: its runtime, its socket, and its end.
//!
//! The runtime is its own, so that stopping it ends all that it began, and nothing else. In a forked child none of it exists:
//! there a server is stopped, and what it holds is forgotten instead of freed, for its threads are the parent's.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::Options;
use super::connection::attend;
use super::door::{Descriptor, Door, Listening};
use super::service::Service;
use crate::fork::{self, Lock};
use crate::store::Store;

/// Threads at least: one that waits for a disk leaves others to answer.
const FEWEST_WORKERS: usize = 4;

/// As much as a main thread usually has: expressions and items are read recursively, to a bounded depth.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 1_024;

/// How long to wait after a connection could not be accepted, if none is closed before.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the threads may take to end once everything was told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot start the server's threads: {0}")]
    Threads(io::Error),
    #[error("cannot listen on {host} port {port}: {error}")]
    Listen { host: String, port: u16, error: io::Error },
}

/// A server that answers until it is stopped or dropped.
pub struct Server {
    address: SocketAddr,
    parts: Arc<Parts>,
    /// The process it runs in, by the forks before it.
    generation: u64,
}

struct Parts {
    door: Arc<Door>,
    /// How long requests under way may still take, once it is to stop.
    stop: watch::Sender<Option<Duration>>,
    /// Whether it has stopped.
    stopped: watch::Receiver<bool>,
    runtime: Lock<Option<Runtime>>,
}

impl Server {
    /// Listens, and answers from now on.
    pub fn start(store: Store, options: Options) -> Result<Self, Failure> {
        let workers = std::thread::available_parallelism().map_or(FEWEST_WORKERS, NonZero::get).max(FEWEST_WORKERS);
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name("fdyno-http")
            .thread_stack_size(STACK_BYTES)
            .enable_io()
            .enable_time()
            .build()
            .map_err(Failure::Threads)?;
        let door = Arc::new(Door::new(options.limits.connections));
        let listening = {
            let _inside = runtime.enter();
            // A name may take its time to be looked up: not behind the door's lock.
            let addresses = (options.host.as_str(), options.port).to_socket_addrs();
            let listening = addresses.and_then(|addresses| door.open(|| listen(addresses)));
            let listening = listening.and_then(|listening| Ok((listening.address()?, listening)));
            listening.map_err(|error| Failure::Listen { host: options.host.clone(), port: options.port, error })
        };
        let (address, listening) = match listening {
            Ok(listening) => listening,
            Err(failure) => {
                runtime.shutdown_background();
                return Err(failure);
            }
        };
        let (stop, stopping) = watch::channel(None);
        let (stopped_now, stopped) = watch::channel(false);
        let service = Arc::new(Service::new(store, options));
        runtime.spawn(serve(listening, service, stopping, stopped_now));
        let parts = Parts { door, stop, stopped, runtime: Lock::new(Some(runtime)) };
        Ok(Self { address, parts: Arc::new(parts), generation: fork::generation() })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that a forked child inherits of it and must close.
    pub fn descriptors(&self) -> Vec<Descriptor> {
        self.parts.door.descriptors()
    }

    /// Whether it is this process's, and nobody has ended it.
    pub fn is_serving(&self) -> bool {
        self.is_of_this_process() && self.parts.stop.borrow().is_none()
    }

    fn is_of_this_process(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Takes no more connections, and waits until the requests under way are answered, but `grace` at most. Needs no runtime.
    pub async fn stop(&self, grace: Duration) {
        if !self.is_of_this_process() {
            return;
        }
        self.parts.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(grace);
            is_first
        });
        // It fails if the task is gone, and then it has stopped as well.
        drop(self.parts.stopped.clone().wait_for(|stopped| *stopped).await);
    }

    /// Ends everything, requests under way as well. Waits for its threads: not to be called on one of a runtime.
    pub fn close(&self) {
        if !self.is_of_this_process() {
            return;
        }
        self.parts.stop.send_if_modified(|stop| stop.replace(Duration::ZERO).is_none());
        let runtime = self.parts.runtime.lock().take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(PATIENCE);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.is_of_this_process() {
            // The parent's, whose threads may hold its locks for ever: it is kept.
            std::mem::forget(Arc::clone(&self.parts));
            return;
        }
        let runtime = self.parts.runtime.lock().take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

/// A socket of the first address that can be had.
fn listen(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match listen_at(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere this would let two servers have one port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Waits until the server is to stop; how long requests may still take then.
pub async fn told_to_stop(stop: &mut watch::Receiver<Option<Duration>>) -> Duration {
    // Without a server there is no time left.
    stop.wait_for(Option::is_some).await.map_or(None, |grace| *grace).unwrap_or_default()
}

/// The server's life.
async fn serve(
    listening: Listening,
    service: Arc<Service>,
    stopping: watch::Receiver<Option<Duration>>,
    stopped: watch::Sender<bool>,
) {
    let mut stop = stopping.clone();
    let door = Arc::clone(listening.door());
    let grace = loop {
        tokio::select! {
            grace = told_to_stop(&mut stop) => break grace,
            accepted = listening.accept() => match accepted {
                Ok(socket) => drop(tokio::spawn(attend(socket, Arc::clone(&service), stopping.clone()))),
                // The client has gone again, or descriptors have run out.
                Err(_) => drop(tokio::time::timeout(PAUSE, door.freed()).await),
            },
        }
    };
    drop(listening);
    // What is not done by then is cut off when the runtime ends.
    drop(tokio::time::timeout(grace, door.emptied()).await);
    stopped.send_replace(true);
}
