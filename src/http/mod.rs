//! The HTTP boundary: DynamoDB's JSON protocol over sockets, for the SDKs of every language and for other processes.
//!
//! A server has a runtime of its own. Every connection is a task, and every request is one more: none is a thread, and
//! none meets Python. What a client may take up is bounded (`Limits`), so that no client, slow, silent or oversized, keeps the
//! others waiting. Operations are `api`'s, by the same table and dispatch as in the process; errors' statuses come from
//! `error`. It must not know Python, engines, or what an operation does.

mod answer;
mod body;
mod connection;
mod door;
mod line;
mod metrics;
mod server;
mod service;
mod signature;
mod verify;

pub use server::{Failure, Server};
pub use verify::Credentials;

use std::time::Duration;

/// What DynamoDB takes as the body of a request: 16 MB.
pub const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name or address of the interface to listen on.
    pub host: String,
    /// Zero has the system choose one.
    pub port: u16,
    /// The account that tables belong to.
    pub account: String,
    /// The region of requests that name none: those without a signature, where these are allowed.
    pub region: String,
    /// Who may ask. Without any, every well-formed signature passes.
    pub credentials: Option<Credentials>,
    /// Whether requests without a signature are answered as well.
    pub allow_unsigned: bool,
    pub limits: Limits,
}

impl Default for Options {
    /// On the loopback interface, a port that the system chooses, every well-formed signature.
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            credentials: None,
            allow_unsigned: false,
            limits: Limits::default(),
        }
    }
}

/// What clients may take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. When one more comes, the one that has been quiet for longest is closed for it.
    pub connections: usize,
    /// Bytes of bodies held at a time, those of all requests together.
    pub body_bytes: usize,
    /// How long a connection may be quiet between two requests, or take nothing of an answer.
    pub idle: Duration,
    /// How long the head of a request may take, from its first byte on.
    pub head: Duration,
    /// How long its body may take.
    pub body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            body_bytes: 512 * 1024 * 1024,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(20),
            body: Duration::from_secs(60),
        }
    }
}
