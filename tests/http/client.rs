//! A client that says what it is told, byte by byte, and reads what comes back: abusive ones are made of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use fdyno::clock::{Clock, Timestamp};
use fdyno::http::{Options, Server};
use fdyno::kv::Database;
use fdyno::store::Store;
use serde_json::Value;

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Longer than anything here takes: a test that comes to it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/dynamodb/aws4_request, \
                             SignedHeaders=host;x-amz-date, Signature=00";

/// A server of an empty database in memory.
pub fn serve(options: Options) -> Result<Server, Box<dyn std::error::Error>> {
    let clock = Clock::deterministic(Timestamp(1_700_000_000_000), 7);
    let store = futures_executor::block_on(Store::open(Database::memory(clock), b"test".to_vec()))?;
    Ok(Server::start(store, options)?)
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Value::String(self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and the unqualified type of an error.
    pub fn error(&self) -> (u16, String) {
        let kind = self.json()["__type"].as_str().unwrap_or_default().to_owned();
        (self.status, kind.rsplit('#').next().unwrap_or_default().to_owned())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub struct Client(TcpStream);

impl Client {
    pub fn of(server: &Server) -> io::Result<Self> {
        let stream = TcpStream::connect(server.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(bytes.as_ref())
    }

    /// The next answer.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status: status.unwrap_or_default(), headers, body })
    }

    /// Whether the server closes the connection without another word.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0)) || self.is_reset()
    }

    fn is_reset(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::ConnectionReset)
    }

    /// A signed call of an operation of DynamoDB.
    pub fn call(&mut self, operation: &str, body: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.call_with(operation, "", body)
    }

    /// `more` are more headers, each with its end of line.
    pub fn call_with(&mut self, operation: &str, more: &str, body: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.send(request(operation, more, body.as_ref()))?;
        self.receive()
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        self.receive()
    }
}

/// The head of a signed call, but for its length and the empty line.
pub fn head(operation: &str, more: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nX-Amz-Date: 20150830T123600Z\r\n\
         Authorization: {SIGNATURE}\r\n{more}"
    )
}

pub fn request(operation: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("{}Content-Length: {}\r\n\r\n", head(operation, more), body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// Whether the server still answers.
pub fn answers(server: &Server) -> Outcome {
    let answer = Client::of(server)?.call("ListTables", "{}")?;
    assert_eq!((answer.status, answer.json()), (200, serde_json::json!({"TableNames": []})));
    Ok(())
}
