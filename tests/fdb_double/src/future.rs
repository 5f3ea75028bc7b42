//! What an `FDBFuture` points to: an outcome once there is one, and whom to call back.
//!
//! Results lie in the future and are overwritten before they are freed, so that whoever keeps a pointer beyond
//! `fdb_future_destroy` reads what he notices. Invariant: callbacks run on the network thread only.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foundationdb_sys::{FDBFuture, FDBKeyValue};

use crate::cluster::Cluster;
use crate::codes::{self, Code};
use crate::network;

type Callback = unsafe extern "C" fn(*mut FDBFuture, *mut c_void);

/// Overwrites what is freed.
const POISON: u8 = 0xDB;

/// Bytes that are never at a null address, even if there are none.
pub(crate) struct Blob(Vec<u8>);

impl Blob {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self([bytes, &[POISON]].concat())
    }

    pub(crate) fn pointer(&self) -> *const u8 {
        self.0.as_ptr()
    }

    pub(crate) fn length(&self) -> i32 {
        codes::length(self.0.len() - 1)
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        self.0.fill(POISON);
        std::hint::black_box(&self.0);
    }
}

/// Pairs of a range, with the array that the API gives out.
pub(crate) struct Pairs {
    array: Vec<FDBKeyValue>,
    _bytes: Vec<(Blob, Blob)>,
    pub(crate) more: bool,
}

// SAFETY: the pointers lead into the blobs beside them.
unsafe impl Send for Pairs {}

impl Pairs {
    pub(crate) fn new<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>, more: bool) -> Self {
        let bytes: Vec<(Blob, Blob)> = pairs.map(|(key, value)| (Blob::new(key), Blob::new(value))).collect();
        let array = bytes.iter().map(|(key, value)| FDBKeyValue {
            key: key.pointer(),
            key_length: key.length(),
            value: value.pointer(),
            value_length: value.length(),
        });
        Self { array: array.collect(), _bytes: bytes, more }
    }

    pub(crate) fn array(&self) -> &[FDBKeyValue] {
        &self.array
    }
}

pub(crate) enum Value {
    Nothing,
    Number(i64),
    Key(Blob),
    Stored(Option<Blob>),
    Pairs(Pairs),
}

#[derive(Default)]
struct State {
    outcome: Option<Result<Value, Code>>,
    /// The function and its parameter, an address that only the function uses.
    callback: Option<(Callback, usize)>,
}

pub(crate) struct Future {
    cluster: Arc<Cluster>,
    state: Mutex<State>,
}

/// What its handles are counted by.
const KIND: &str = "futures";

impl Future {
    pub(crate) fn new(cluster: &Arc<Cluster>) -> Arc<Self> {
        Arc::new(Self { cluster: Arc::clone(cluster), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the API calls it; given back by `take`.
    pub(crate) fn into_handle(self: Arc<Self>) -> *mut FDBFuture {
        self.cluster.give_out(KIND);
        Arc::into_raw(self).cast_mut().cast()
    }

    /// # Safety
    /// `handle` comes from `into_handle` and was not taken.
    pub(crate) unsafe fn of<'a>(handle: *mut FDBFuture) -> &'a Self {
        // SAFETY: as above.
        unsafe { &*handle.cast::<Self>() }
    }

    /// # Safety
    /// As `of`; afterwards it is taken.
    pub(crate) unsafe fn take(handle: *mut FDBFuture) -> Arc<Self> {
        // SAFETY: as above.
        unsafe { Arc::from_raw(handle.cast::<Self>()) }
    }

    /// Gives the future its outcome, unless it has one. Only the network thread calls this.
    pub(crate) fn resolve(self: &Arc<Self>, outcome: Result<Value, Code>) {
        let mut state = self.state();
        if state.outcome.is_some() {
            return;
        }
        state.outcome = Some(outcome);
        let callback = state.callback.take();
        drop(state);
        if let Some((callback, parameter)) = callback {
            // SAFETY: the caller of `fdb_future_set_callback` vouches for both.
            unsafe { callback(Arc::as_ptr(self).cast_mut().cast(), parameter as *mut c_void) };
        }
    }

    /// Resolves it on the network thread, a little later.
    pub(crate) fn resolve_after(self: &Arc<Self>, delay: Duration, outcome: Result<Value, Code>) {
        let future = Arc::clone(self);
        network::after(delay, move || future.resolve(outcome));
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state().outcome.is_some()
    }

    /// Notes whom to call; at once, but on the network thread, if there is an outcome.
    pub(crate) fn call_back(&self, handle: *mut FDBFuture, callback: Callback, parameter: *mut c_void) {
        let mut state = self.state();
        let parameter = parameter as usize;
        if state.outcome.is_none() {
            state.callback = Some((callback, parameter));
            return;
        }
        drop(state);
        let handle = handle as usize;
        network::after(Duration::ZERO, move || {
            // SAFETY: the caller of `fdb_future_set_callback` vouches for both.
            unsafe { callback(handle as *mut FDBFuture, parameter as *mut c_void) };
        });
    }

    /// Looks at the outcome; what `look` points to lives until the future is destroyed.
    pub(crate) fn look(&self, look: impl FnOnce(&Value) -> Result<(), Code>) -> Code {
        match &self.state().outcome {
            None => codes::FUTURE_NOT_SET,
            Some(Err(code)) => *code,
            Some(Ok(value)) => look(value).err().unwrap_or(codes::SUCCESS),
        }
    }

    /// Ends its use: whoever waits is told, results are overwritten and freed.
    pub(crate) fn destroy(self: Arc<Self>) {
        network::check(KIND);
        self.cluster.take_back(KIND);
        let outcome = self.state().outcome.replace(Err(codes::OPERATION_CANCELLED));
        drop(outcome);
        let waiting = self.state().callback.take();
        if let Some((callback, parameter)) = waiting {
            network::after(Duration::ZERO, move || {
                // SAFETY: as in `resolve`; the future is kept until then.
                unsafe { callback(Arc::as_ptr(&self).cast_mut().cast(), parameter as *mut c_void) };
            });
        }
    }
}
