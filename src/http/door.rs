//! The door: who is inside, and who has to leave when it is full.
//!
//! A socket is accepted, and closed, inside of a critical section of a `fork::Lock`, together with the note of its
//! descriptor. So at a fork the notes are exactly the descriptors that the child inherits, and the child can close them: while
//! it had them, a client would wait for ever for the end of a connection that only the parent has closed. It must not know
//! what is said inside.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::line::Line;
use crate::fork::Lock;

/// A number by which the operating system knows a socket.
pub type Descriptor = i32;

/// Behind which all connections of one server are.
pub struct Door {
    inside: Lock<Inside>,
    most: usize,
    /// Requests under way, also those whose connection is gone.
    requests: AtomicU64,
    /// Told when a connection has gone, has become quiet, or a request has ended.
    freed: Notify,
}

#[derive(Default)]
struct Inside {
    lines: BTreeMap<u64, (Arc<Line>, Option<Descriptor>)>,
    next: u64,
    listening: Option<Descriptor>,
}

impl Door {
    pub fn new(most: usize) -> Self {
        Self {
            inside: Lock::new(Inside::default()),
            most: most.max(1),
            requests: AtomicU64::new(0),
            freed: Notify::new(),
        }
    }

    pub fn connections(&self) -> usize {
        self.inside.lock().lines.len()
    }

    /// Everything that a child of this process inherits and must close.
    pub fn descriptors(&self) -> Vec<Descriptor> {
        let inside = self.inside.lock();
        let lines = inside.lines.values().filter_map(|(_, descriptor)| *descriptor);
        inside.listening.into_iter().chain(lines).collect()
    }

    /// Opens: what `listen` makes is noted.
    pub fn open(self: &Arc<Self>, listen: impl FnOnce() -> io::Result<TcpListener>) -> io::Result<Listening> {
        let mut inside = self.inside.lock();
        let listener = listen()?;
        inside.listening = descriptor_of(&listener);
        drop(inside);
        Ok(Listening { listener: Some(listener), door: Arc::clone(self) })
    }

    /// Asks the connection that has been quiet for longest to leave, unless all are busy.
    fn make_room(&self) {
        let inside = self.inside.lock();
        let quiet = inside.lines.values().filter_map(|(line, _)| Some((line.quiet_since()?, line)));
        if let Some((_, line)) = quiet.min_by_key(|(since, _)| *since) {
            line.make_room();
        }
    }

    fn is_full(&self) -> bool {
        self.connections() >= self.most
    }

    /// A connection has become quiet, or a request has ended.
    fn tell(&self) {
        self.freed.notify_waiters();
    }

    /// That one more request is under way, until the guard goes.
    pub fn request(self: &Arc<Self>) -> Request {
        self.requests.fetch_add(1, Ordering::AcqRel);
        Request(Arc::clone(self))
    }

    /// Waits until somebody has left, become quiet, or a request has ended.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Waits until nobody is inside and no request is under way.
    pub async fn emptied(&self) {
        loop {
            let freed = self.freed.notified();
            if self.connections() == 0 && self.requests.load(Ordering::Acquire) == 0 {
                return;
            }
            freed.await;
        }
    }
}

/// That a request is under way.
pub struct Request(Arc<Door>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
        self.0.tell();
    }
}

/// The socket that listens.
pub struct Listening {
    listener: Option<TcpListener>,
    door: Arc<Door>,
}

impl Listening {
    pub const fn door(&self) -> &Arc<Door> {
        &self.door
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.as_ref().map_or_else(|| Err(io::ErrorKind::NotConnected.into()), TcpListener::local_addr)
    }

    /// The next connection, as soon as there is room for it.
    pub async fn accept(&self) -> io::Result<Socket> {
        loop {
            let freed = self.door.freed.notified();
            if !self.door.is_full() {
                break;
            }
            self.door.make_room();
            freed.await;
        }
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        let Some(listener) = &self.listener else { return Poll::Pending };
        let mut inside = self.door.inside.lock();
        let (stream, _) = match ready!(listener.poll_accept(context)) {
            Ok(accepted) => accepted,
            Err(error) => {
                drop(inside);
                // Perhaps the process has no descriptors left: the next try may find one.
                self.door.make_room();
                return Poll::Ready(Err(error));
            }
        };
        // Without it an answer in two packets waits for the client's acknowledgement of the first.
        drop(stream.set_nodelay(true));
        let (number, line) = (inside.next, Arc::new(Line::new()));
        inside.next += 1;
        inside.lines.insert(number, (Arc::clone(&line), descriptor_of(&stream)));
        drop(inside);
        Poll::Ready(Ok(Socket { stream: Some(stream), line, number, door: Arc::clone(&self.door) }))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock();
        inside.listening = None;
        // Closed in here: see the opening.
        drop(self.listener.take());
    }
}

#[cfg(unix)]
fn descriptor_of(socket: &impl std::os::fd::AsRawFd) -> Option<Descriptor> {
    Some(socket.as_raw_fd())
}

/// Where processes do not fork there is nothing to inherit.
#[cfg(not(unix))]
const fn descriptor_of<T>(_: &T) -> Option<Descriptor> {
    None
}

/// A connection's socket, which tells its line what goes over it.
pub struct Socket {
    /// `None` only while it is dropped.
    stream: Option<TcpStream>,
    line: Arc<Line>,
    number: u64,
    door: Arc<Door>,
}

impl Socket {
    pub const fn line(&self) -> &Arc<Line> {
        &self.line
    }

    pub const fn door(&self) -> &Arc<Door> {
        &self.door
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock();
        inside.lines.remove(&self.number);
        // Closed in here: see the opening.
        drop(self.stream.take());
        drop(inside);
        self.door.tell();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.stream()?.poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.line.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.stream()?.poll_write(context, bytes))?;
        self.line.sent();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.stream()?.poll_write_vectored(context, slices))?;
        self.line.sent();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}
