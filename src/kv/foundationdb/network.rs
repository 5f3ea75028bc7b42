//! The client library's one network thread: started with the first cluster, stopped once at the end of the process.
//!
//! The client can be started once in a process and does not survive a fork, so this remembers whose process it is.
//! The thread runs the library's own event loop and never sees Python.

use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use ::foundationdb as client;
use client::api::{FdbApiBuilder, NetworkRunner, NetworkStop};
use foundationdb_sys as sys;

use super::ClusterError;
use crate::fork::Lock;

/// The version of the API that is spoken here.
const API_VERSION: i32 = sys::FDB_API_VERSION.cast_signed();

enum State {
    Off,
    Running {
        stop: NetworkStop,
        thread: JoinHandle<()>,
    },
    /// It can be tried only once.
    Failed(ClusterError),
    Stopped,
}

static STATE: Lock<State> = Lock::new(State::Off);

/// The process whose client runs; none before it was started, and none again after it was stopped.
static OWNER: AtomicU32 = AtomicU32::new(NOBODY);

const NOBODY: u32 = 0;

/// How many calls of the client are under way in threads of this process.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// A call of the client, which is not stopped before this is dropped. Never held while one waits.
pub(super) struct Call(());

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Begins a call of the client, if it may be called.
pub(super) fn call() -> Result<Call, ClusterError> {
    // Counted before it is asked: whoever stops the client forbids first, and then waits for those that are counted.
    CALLS.fetch_add(1, Ordering::SeqCst);
    let call = Call(());
    check().map(|()| call)
}

/// Whether the client may be called.
fn check() -> Result<(), ClusterError> {
    match OWNER.load(Ordering::SeqCst) {
        NOBODY => Err(ClusterError::ShutDown),
        owner if owner == process::id() => Ok(()),
        _ => Err(ClusterError::UsedAfterFork),
    }
}

/// Loads the client library, unless that was done before. What fails here can be mended while the process runs.
pub(super) fn load(library: Option<&Path>) -> Result<(), ClusterError> {
    match &*STATE.lock() {
        State::Running { .. } => check()?,
        State::Failed(error) => return Err(error.clone()),
        State::Stopped => return Err(ClusterError::ShutDown),
        State::Off => {}
    }
    sys::load(library).map_err(|error| match error {
        sys::LoadError::Another { loaded, asked } => ClusterError::AnotherLibrary { loaded, asked },
        error => ClusterError::LibraryMissing { reason: error.to_string() },
    })?;
    let newest = client::api::get_max_api_version();
    if newest < API_VERSION { Err(ClusterError::LibraryVersion { newest }) } else { Ok(()) }
}

/// Starts the client, unless it runs. The library is loaded.
pub(super) fn boot() -> Result<(), ClusterError> {
    let mut state = STATE.lock();
    match &*state {
        State::Running { .. } => return check(),
        State::Failed(error) => return Err(error.clone()),
        State::Stopped => return Err(ClusterError::ShutDown),
        State::Off => {}
    }
    match start() {
        Ok((stop, thread)) => {
            *state = State::Running { stop, thread };
            OWNER.store(process::id(), Ordering::Release);
            Ok(())
        }
        Err(error) => {
            *state = State::Failed(error.clone());
            Err(error)
        }
    }
}

fn start() -> Result<(NetworkStop, JoinHandle<()>), ClusterError> {
    let failed = |error| ClusterError::client("starting its network", error);
    let (runner, started) = FdbApiBuilder::default().build().and_then(|builder| builder.build()).map_err(failed)?;
    let thread = thread::Builder::new()
        .name("fdyno-foundationdb".to_owned())
        .spawn(move || run(runner))
        .map_err(|error| ClusterError::Client { doing: "starting its thread", code: 0, text: error.to_string() })?;
    Ok((started.wait(), thread))
}

fn run(runner: NetworkRunner) {
    // SAFETY: `shut_down` stops the network before the process ends; Python's boundary sees to its being called.
    #[expect(unsafe_code, reason = "the client's event loop, which must be stopped before the process ends")]
    let _ended = unsafe { runner.run() };
    // Ends by `shut_down`, or because the event loop failed: then every future tells so itself.
}

/// Stops the client, and waits until its thread has ended. For the end of the process: nothing can start it again.
/// Does nothing where no client runs, and nothing in a forked child.
pub fn shut_down() {
    let mut state = STATE.lock();
    if check().is_err() {
        return;
    }
    let running = std::mem::replace(&mut *state, State::Stopped);
    OWNER.store(NOBODY, Ordering::SeqCst);
    drop(state);
    while CALLS.load(Ordering::SeqCst) > 0 {
        thread::yield_now();
    }
    if let State::Running { stop, thread } = running
        && stop.stop().is_ok()
    {
        let _ = thread.join();
    }
}
