//! Bodies of requests: read within bounds of size, time and memory, and decompressed.
//!
//! The bytes that all requests together hold are counted. Nobody waits for others' bytes to go: who comes when too many are held
//! is told to come again. It must not know what is in a body.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, EXPECT, HeaderMap};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::LARGEST_BODY;
use crate::error::Error;

/// How long, and how much of it, a body that nobody needs is read on for, so that its client comes to read the answer.
const LONGEST_DISCARDING: Duration = Duration::from_secs(10);
const MOST_DISCARDED: usize = 256 * 1024 * 1024;

/// The room for bodies. A permit is a kilobyte.
#[derive(Clone)]
pub struct Room {
    free: Arc<Semaphore>,
    units: usize,
}

const UNIT: usize = 1024;

impl Room {
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(units)), units }
    }

    /// What is taken now, in bytes.
    pub fn taken(&self) -> usize {
        (self.units - self.free.available_permits()) * UNIT
    }
}

/// A body, and the room it takes as long as it is held.
#[derive(Debug)]
pub struct Held {
    pub bytes: Vec<u8>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Held {
    const fn empty() -> Self {
        Self { bytes: Vec::new(), taken: None }
    }

    /// The room alone: what was read from the bytes takes about as much.
    pub fn without_bytes(self) -> Option<OwnedSemaphorePermit> {
        self.taken
    }

    /// Takes more bytes, and room for them.
    fn push(&mut self, data: &[u8], room: &Room) -> Result<(), Error> {
        let whole = self.bytes.len() + data.len();
        if whole > LARGEST_BODY {
            return Err(Error::RequestTooLarge);
        }
        let held = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = whole.div_ceil(UNIT).saturating_sub(held);
        if more > 0 {
            let more = u32::try_from(more).map_err(|_| Error::RequestTooLarge)?;
            let permit = Arc::clone(&room.free).try_acquire_many_owned(more);
            let permit = permit.map_err(|_| Error::Throttling("Too many requests are held; try again".to_owned()))?;
            match &mut self.taken {
                Some(taken) => taken.merge(permit),
                None => self.taken = Some(permit),
            }
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Reads a body to its end. What is too large is read on and thrown away, so that its client comes to read the answer.
/// A client that waits for a word first is told at once, and has sent nothing.
pub async fn read(mut body: Incoming, headers: &HeaderMap, room: &Room, limit: Duration) -> Result<Held, Error> {
    let is_too_large = body.size_hint().lower() > LARGEST_BODY as u64;
    if is_too_large && is_expected(headers) {
        return Err(Error::RequestTooLarge);
    }
    let reading = async {
        if is_too_large {
            return Err(Error::RequestTooLarge);
        }
        let mut held = Held::empty();
        while let Some(data) = next(&mut body).await? {
            held.push(&data, room)?;
        }
        Ok(held)
    };
    let read = tokio::time::timeout(limit, reading).await.unwrap_or(Err(Error::RequestTimeout));
    if matches!(read, Err(Error::RequestTooLarge | Error::Throttling(_))) {
        discard(body).await;
    }
    read
}

/// Reads on what nobody needs, for some time.
pub async fn discard(mut body: Incoming) {
    let discarding = async {
        let mut discarded = 0;
        while let Ok(Some(data)) = next(&mut body).await {
            discarded += data.len();
            if discarded > MOST_DISCARDED {
                return;
            }
        }
    };
    // Whoever has not sent it by then meets a closed connection.
    drop(tokio::time::timeout(LONGEST_DISCARDING, discarding).await);
}

/// The next bytes of a body; whoever breaks off in the middle is not there to be answered.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Serialization(format!("The request body ended early: {error}")))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Whether the client waits for a word before it sends the body.
pub fn is_expected(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

/// The body as it was before it was compressed, by what the headers say.
pub fn decoded(headers: &HeaderMap, held: Held, room: &Room) -> Result<Held, Error> {
    let Some(coding) = headers.get(CONTENT_ENCODING) else { return Ok(held) };
    match coding.as_bytes().trim_ascii() {
        coding if coding.eq_ignore_ascii_case(b"gzip") => decompressed(&held, room),
        // `amz-1.0` stood for no compression in the protocol's early clients.
        coding if coding.eq_ignore_ascii_case(b"identity") || coding == b"amz-1.0" || coding.is_empty() => Ok(held),
        _ => Err(Error::Serialization("The request's Content-Encoding is not gzip".to_owned())),
    }
}

fn decompressed(held: &Held, room: &Room) -> Result<Held, Error> {
    const PIECE: usize = 64 * 1024;
    let mut decoder = MultiGzDecoder::new(held.bytes.as_slice());
    let (mut whole, mut piece) = (Held::empty(), vec![0; PIECE]);
    loop {
        let read = decoder
            .read(&mut piece)
            .map_err(|error| Error::Serialization(format!("The request body is not valid gzip: {error}")))?;
        if read == 0 {
            return Ok(whole);
        }
        whole.push(piece.get(..read).unwrap_or_default(), room)?;
    }
}
