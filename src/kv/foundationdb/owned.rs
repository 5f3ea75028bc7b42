//! What belongs to the client, and how it is given back: only by the process that got it, and only while the client runs.
//!
//! A forked child and a process whose client was shut down leave such things alone: the client would wait for a thread
//! that is not there, or free what is gone. Futures count, and so does what they gave: both hold handles.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use super::{ClusterError, network};

/// A handle of the client, or what holds some.
pub(super) struct Owned<T>(ManuallyDrop<T>);

impl<T> Owned<T> {
    pub(super) const fn new(owned: T) -> Self {
        Self(ManuallyDrop::new(owned))
    }

    /// Gives the thing itself to who uses it up, in a call of the client: what is left of it goes back there and then.
    pub(super) fn give<R>(self, use_up: impl FnOnce(T) -> R) -> Result<R, ClusterError> {
        let _call = network::call()?;
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is forgotten, so what it holds is taken once.
        #[expect(unsafe_code, reason = "moves a field out of a type with a drop of its own")]
        let thing = unsafe { ManuallyDrop::take(&mut this.0) };
        Ok(use_up(thing))
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Owned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if let Ok(_call) = network::call() {
            // SAFETY: this is the drop of the one owner, which does not touch the value again.
            #[expect(unsafe_code, reason = "a handle of a client that is gone must not be given back to it")]
            unsafe {
                ManuallyDrop::drop(&mut self.0);
            }
        }
    }
}
