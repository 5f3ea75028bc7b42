//! Moving a database's clock: time passes through everything that falls due on the way, in its order.
//!
//! Items expire each at its own moment, with the clock standing there, so that their records tell those times; what has no
//! order, trimming and the other maintenance, is done at the end. Nothing is due when this returns. Backwards the clock
//! simply moves: what happened has happened, and times of records never go back.

use std::sync::atomic::Ordering;

use super::Store;
use super::turn::give_turn;
use crate::clock::{Clock, Timestamp};
use crate::error::Error;

/// Moments after which whoever waits is given a turn.
const MOMENTS_OF_TURN: usize = 64;
/// Steps of expiry after which whoever waits is given a turn.
const STEPS_OF_TURN: usize = 64;

impl Store {
    /// Moves the clock on by `millis`, or back if that is negative.
    ///
    /// Errors: `Storage`; the clock then stands at the moment at which something could not be done.
    pub async fn advance(&self, millis: i64) -> Result<(), Error> {
        let left = self.pass_moments(millis).await?;
        self.clock().advance(left);
        self.do_what_is_due().await
    }

    /// Shows `at` from now on, having passed through everything in between if that lies ahead.
    ///
    /// Errors: as [`Store::advance`].
    pub async fn travel_to(&self, at: Timestamp) -> Result<(), Error> {
        self.pass_moments(at.millis().saturating_sub(self.clock().now().millis())).await?;
        self.clock().travel_to(at);
        self.do_what_is_due().await
    }

    /// Runs on with the machine's time, having passed through everything in between if that lies ahead.
    ///
    /// Errors: as [`Store::advance`].
    pub async fn resume_system_time(&self) -> Result<(), Error> {
        self.pass_moments(Clock::system_now().millis().saturating_sub(self.clock().now().millis())).await?;
        self.clock().resume_system_time();
        self.do_what_is_due().await
    }

    /// Moves the clock on from one moment at which items expire to the next; how much of `millis` is left behind the last.
    async fn pass_moments(&self, millis: i64) -> Result<i64, Error> {
        let mut left = millis;
        let mut moments = 0_usize;
        while left > 0 {
            self.expire_all().await?;
            let Some(moment) = self.next_expiry(self.clock().now().plus_millis(left)).await? else { break };
            left -= self.clock().advance_towards(moment, left);
            moments += 1;
            if moments.is_multiple_of(MOMENTS_OF_TURN) {
                give_turn().await;
            }
        }
        Ok(left)
    }

    /// Nothing is due when this returns, but what another process does.
    async fn do_what_is_due(&self) -> Result<(), Error> {
        self.expire_all().await?;
        while !self.maintain_now().await? {
            give_turn().await;
        }
        self.0.maintained_millis.store(self.clock().now().millis(), Ordering::Relaxed);
        Ok(())
    }

    /// Deletes what has expired. Without a lease, for the caller waits for it: another process that does the same meets each
    /// item either before or after.
    async fn expire_all(&self) -> Result<(), Error> {
        while self.expire(STEPS_OF_TURN, None).await? {
            give_turn().await;
        }
        Ok(())
    }
}
