//! Counts the work a database did, so that tests can bound it instead of timing it.
//!
//! Relaxed atomics: the counts are exact once the threads that did the work were joined. It must not influence anything.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a database did so far. Subtract an earlier one by [`Work::since`].
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Work { $($(#[$doc])* pub $name: u64,)* }

        impl Work {
            /// What was done between `earlier` and this.
            #[must_use]
            pub const fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name),)* }
            }
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: Counter,)* }

        impl Counters {
            pub(super) fn read(&self) -> Work {
                Work { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    transactions,
    /// Commits that succeeded, read-only ones included.
    commits,
    /// Commits refused because of a conflict.
    conflicts,
    /// Times the retry loop ran a body again.
    retries,
    /// Keys read by `get`, found or not.
    keys_read,
    /// Pairs returned by `range`.
    pairs_read,
    /// Calls of `get` and `range`: each is a round trip on a cluster.
    round_trips,
    /// Bytes of keys and values returned.
    bytes_read,
    /// Mutations asked for: sets, clears, adds, stamped ones; a range clear is one.
    keys_written,
    /// Bytes of the keys and values of those mutations.
    bytes_written,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}
