//! Moving a database's clock: time passes through everything that falls due on the way, in its order.
//!
//! Items expire each at its own moment, with the clock standing there, so that their records tell those times; what has no
//! order, trimming and the other maintenance, is done at the end. Nothing is due when this returns. Backwards the clock
//! simply moves: what happened has happened, and times of records never go back. Whoever waits for changes looks again once
//! the clock has been moved, for it may be a time that is waited for.

use std::sync::atomic::{AtomicI64, Ordering};

use super::Store;
use super::expire::Place;
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
        let done = self.advance_by(millis).await;
        self.tell_of_clock();
        done
    }

    async fn advance_by(&self, millis: i64) -> Result<(), Error> {
        self.look_at_clock().await?;
        let left = self.pass_moments(millis).await?;
        self.move_clock(|clock| clock.advance(left)).await?;
        self.do_what_is_due().await
    }

    /// Shows `at` from now on, having passed through everything in between if that lies ahead.
    ///
    /// Errors: as [`Store::advance`].
    pub async fn travel_to(&self, at: Timestamp) -> Result<(), Error> {
        let done = self.travel(at, |clock| clock.travel_to(at)).await;
        self.tell_of_clock();
        done
    }

    /// Runs on with the machine's time, having passed through everything in between if that lies ahead.
    ///
    /// Errors: as [`Store::advance`].
    pub async fn resume_system_time(&self) -> Result<(), Error> {
        let done = self.travel(Clock::system_now(), Clock::resume_system_time).await;
        self.tell_of_clock();
        done
    }

    /// Stops the clock at the time it shows.
    ///
    /// Errors: `Storage`.
    pub async fn freeze_clock(&self) -> Result<(), Error> {
        let done = self.move_clock(Clock::freeze).await;
        self.tell_of_clock();
        done
    }

    async fn travel(&self, to: Timestamp, arrive: impl Fn(&Clock) + Send + Sync) -> Result<(), Error> {
        self.look_at_clock().await?;
        self.pass_moments(to.millis().saturating_sub(self.clock().now().millis())).await?;
        self.move_clock(arrive).await?;
        self.do_what_is_due().await
    }

    /// Moves the clock on from one moment at which items expire to the next; how much of `millis` is left behind the last.
    async fn pass_moments(&self, millis: i64) -> Result<i64, Error> {
        let (mut left, mut moments, mut place) = (millis, 0_usize, Place::default());
        while left > 0 {
            self.expire_all(&mut place).await?;
            let until = self.clock().now().plus_millis(left);
            let Some(moment) = self.next_expiry(until, &mut place).await? else { break };
            // Of several attempts the last one counts.
            let passed = AtomicI64::new(0);
            let towards = |clock: &Clock| passed.store(clock.advance_towards(moment, left), Ordering::Relaxed);
            self.move_clock(towards).await?;
            left -= passed.into_inner();
            moments += 1;
            if moments.is_multiple_of(MOMENTS_OF_TURN) {
                give_turn().await;
            }
        }
        Ok(left)
    }

    /// Nothing is due when this returns, but what another process does.
    async fn do_what_is_due(&self) -> Result<(), Error> {
        // From the beginning: others may have written meanwhile what had expired already.
        self.expire_all(&mut Place::default()).await?;
        while !self.maintain_now().await? {
            give_turn().await;
        }
        let now = self.clock().now().millis();
        self.0.maintained_millis.store(now, Ordering::Relaxed);
        self.0.expiry.looked_at(now);
        Ok(())
    }

    /// Deletes what has expired. Without a lease, for the caller waits for it: another process that does the same meets each
    /// item either before or after.
    async fn expire_all(&self, place: &mut Place) -> Result<(), Error> {
        while self.expire(STEPS_OF_TURN, None, place).await? {
            give_turn().await;
        }
        Ok(())
    }
}
