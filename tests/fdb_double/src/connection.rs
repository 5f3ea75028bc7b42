//! This process's connection to the one that holds a cluster's data.
//!
//! Answers are taken in by a thread of their own, which hands them to whoever waits. A connection that is lost stays so:
//! for its users the cluster does not answer any more. They are told at once what a client tells when a transaction's time
//! is over, instead of when it is.

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::codes;
use crate::message::{Ask, Outcome, Reply, Request, receive, send};

type Then = Box<dyn FnOnce(Outcome) + Send>;

pub(crate) struct Connection {
    /// None if there was nobody to connect to.
    stream: Option<TcpStream>,
    /// Held while a message is written, so that messages are whole.
    writing: Mutex<()>,
    /// Who waits for what number; `None` once the connection is lost.
    waiting: Mutex<Option<HashMap<u64, Then>>>,
    next: AtomicU64,
}

impl Connection {
    /// Connects to the cluster of this name, served at `address`; if nobody serves there, the connection is lost from the
    /// beginning.
    pub(crate) fn open(address: &str, cluster: &str) -> Arc<Self> {
        let stream = TcpStream::connect(address).and_then(|stream| stream.set_nodelay(true).map(|()| stream)).ok();
        let waiting = stream.as_ref().map(|_| HashMap::new());
        let connection =
            Arc::new(Self { stream, writing: Mutex::default(), waiting: Mutex::new(waiting), next: AtomicU64::new(1) });
        connection.send(&Request::Join { cluster: cluster.to_owned() });
        let reader = Arc::clone(&connection);
        thread::spawn(move || {
            let _ = reader.take_in();
            reader.lose();
        });
        connection
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<u64, Then>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out answers until there are no more.
    fn take_in(&self) -> io::Result<()> {
        let Some(stream) = &self.stream else { return Ok(()) };
        let mut replies = BufReader::new(stream);
        loop {
            let Reply { number, outcome } = receive(&mut replies)?;
            let then = self.waiting().as_mut().and_then(|waiting| waiting.remove(&number));
            if let Some(then) = then {
                then(outcome);
            }
        }
    }

    fn lose(&self) {
        let waiting = self.waiting().take();
        for then in waiting.into_iter().flatten().map(|(_, then)| then) {
            then(Err(codes::TIMED_OUT));
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.waiting().is_none()
    }

    /// A number that this process has not used: for a transaction, or for what is to be answered.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn send(&self, request: &Request) {
        let Some(stream) = &self.stream else { return };
        let _whole = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if send(stream, request).is_err() {
            // The thread that takes in answers finds out, and tells all who wait.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn tell(&self, transaction: u64, ask: Ask) {
        self.send(&Request::Ask { transaction, number: 0, ask });
    }

    /// `then` gets the answer, on another thread or at once.
    pub(crate) fn ask(&self, transaction: u64, ask: Ask, then: impl FnOnce(Outcome) + Send + 'static) {
        let number = self.number();
        let mut waiting = self.waiting();
        if let Some(waiting) = &mut *waiting {
            waiting.insert(number, Box::new(then));
        } else {
            drop(waiting);
            then(Err(codes::TIMED_OUT));
            return;
        }
        drop(waiting);
        self.send(&Request::Ask { transaction, number, ask });
    }
}
