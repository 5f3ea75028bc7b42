//! One connection from its first byte to its last.
//!
//! hyper speaks HTTP; this drops the connection when the client takes too long, makes way when its place is needed, and lets it
//! end with the request under way when the server stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use super::door::Socket;
use super::server::told_to_stop;
use super::service::Service;

/// The longest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// How long a connection that has no request under way may still take when the server stops: for the end of its last answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Answers requests until the client, its slowness, or the server ends it. `stopping` holds something once the server stops.
pub async fn attend(socket: Socket, service: Arc<Service>, mut stopping: watch::Receiver<Option<Duration>>) {
    let (line, door) = (Arc::clone(socket.line()), Arc::clone(socket.door()));
    let limits = service.limits();
    let (mut idle, mut head) = (limits.idle, limits.head);
    let answering = service_fn(|request| {
        let (service, line, door) = (Arc::clone(&service), Arc::clone(&line), Arc::clone(&door));
        async move {
            let _request = door.request();
            // Goes first, so that whoever is told of the end finds the connection quiet.
            let _under_way = line.begin();
            Ok::<_, Infallible>(service.answer(request, &door).await)
        }
    });
    let mut http = Builder::new();
    // The line measures heads and idleness, and tells them apart.
    http.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(LARGEST_HEAD);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(socket), answering));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // However it ended, it is over, and nobody is left to be told.
            _ = connection.as_mut() => return,
            () = line.overdue(idle, head) => return,
            _ = told_to_stop(&mut stopping), if !is_stopping => {
                is_stopping = true;
                (idle, head) = (LAST_WORDS, LAST_WORDS);
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
