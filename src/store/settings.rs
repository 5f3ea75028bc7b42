//! Settings of a table that its definition carries: capacity beyond the provisioned one, class, encryption, recovery to a
//! point in time, replication. Changing them is a change of the definition like any other.
//!
//! None of them changes what is stored or answered of items. What AWS limits by time (how often capacity may be lowered,
//! the class or the encryption changed) is limited by the database's clock, as it documents and as it was measured
//! (the notes published as ack-api-quirks, findings DDB-TABLE-141, 184, 326 and 377, October 2026).

use serde::{Deserialize, Serialize};

use super::{BillingMode, Throughput};
use crate::clock::Timestamp;
use crate::error::Error;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;
const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;

/// Lowering capacity: so often a day as one likes, then once an hour.
const FREE_DECREASES: u32 = 4;
/// Changes of class in thirty days.
const CLASS_CHANGES: usize = 2;
const CLASS_WINDOW_MILLIS: i64 = 30 * DAY_MILLIS;
/// Changes of encryption in a day: so many, then one in six hours.
const ENCRYPTION_CHANGES: usize = 4;
const ENCRYPTION_PAUSE_MILLIS: i64 = 6 * HOUR_MILLIS;
/// What a table on demand serves at once.
const ON_DEMAND_AT_ONCE: Throughput = Throughput { read: 12_000, write: 4_000 };
/// How far behind now the latest moment lies that can be restored.
const RESTORABLE_AFTER_MILLIS: i64 = 5 * 60 * 1000;

/// Members that are absent have never been set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub capacity: CapacitySettings,
    pub class: ClassSetting,
    pub encryption: Encryption,
    pub point_in_time: Option<PointInTime>,
    pub replication: Replication,
}

impl Settings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Of a table or a global index, beside its provisioned throughput.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapacitySettings {
    pub most_on_demand: OnDemand,
    /// The highest that it was ever said to serve at once, if that is not what its billing mode says.
    pub warm: Option<Throughput>,
    pub last_increase_millis: Option<i64>,
    pub last_decrease_millis: Option<i64>,
    /// How often it was lowered on the UTC day of the last decrease.
    pub decreases: u32,
}

/// The most that is served on demand; without a number, whatever comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OnDemand {
    pub read: Option<u64>,
    pub write: Option<u64>,
}

/// A change of [`OnDemand`]: what is not given stays, and what is negative is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDemandChange {
    pub read: Option<i64>,
    pub write: Option<i64>,
}

impl OnDemand {
    #[must_use]
    fn changed(self, change: OnDemandChange) -> Self {
        let member = |kept: Option<u64>, given: Option<i64>| given.map_or(kept, |given| u64::try_from(given).ok());
        Self { read: member(self.read, change.read), write: member(self.write, change.write) }
    }
}

impl CapacitySettings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What is served at once: never less than the billing mode says.
    pub fn warm(&self, billing_mode: BillingMode, throughput: Option<Throughput>) -> Throughput {
        let least = match (billing_mode, throughput) {
            (BillingMode::Provisioned, Some(throughput)) => throughput,
            _ => ON_DEMAND_AT_ONCE,
        };
        highest(least, self.warm.unwrap_or(least))
    }

    pub fn change_on_demand(&mut self, change: OnDemandChange) {
        self.most_on_demand = self.most_on_demand.changed(change);
    }

    /// Keeps what has been served so far as what can be served at once.
    pub(super) fn keep_warm(&mut self, before: Throughput, asked: Option<Throughput>) {
        self.warm = Some(asked.map_or(before, |asked| highest(before, asked)));
    }

    pub fn decreases_today(&self, now: Timestamp) -> u32 {
        match self.last_decrease_millis {
            Some(last) if day(last) == day(now.millis()) => self.decreases,
            _ => 0,
        }
    }

    /// Notes that the throughput changes, unless it has been lowered too often today.
    pub(super) fn adjust(&mut self, from: Throughput, to: Throughput, now: Timestamp) -> Result<(), Error> {
        if to.read < from.read || to.write < from.write {
            let today = self.decreases_today(now);
            let next =
                self.last_decrease_millis.map_or(0, |last| (last + HOUR_MILLIS).min((day(last) + 1) * DAY_MILLIS));
            if let Some(last) = self.last_decrease_millis
                && today >= FREE_DECREASES
                && now.millis() < next
            {
                return Err(Error::LimitExceeded(format!(
                    "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After \
                     the first 4 decreases, each subsequent decrease in the same UTC day can be performed at most once \
                     every 3600 seconds. Number of decreases today: {today}. Last decrease at {}. Next decrease can be \
                     made at {}.",
                    Timestamp(last).to_english(),
                    Timestamp(next).to_english()
                )));
            }
            self.decreases = today + 1;
            self.last_decrease_millis = Some(now.millis());
        }
        if to.read > from.read || to.write > from.write {
            self.last_increase_millis = Some(now.millis());
        }
        Ok(())
    }
}

fn highest(one: Throughput, other: Throughput) -> Throughput {
    Throughput { read: one.read.max(other.read), write: one.write.max(other.write) }
}

const fn day(millis: i64) -> i64 {
    millis.div_euclid(DAY_MILLIS)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableClass {
    #[default]
    Standard,
    InfrequentAccess,
}

impl TableClass {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "STANDARD" => Some(Self::Standard),
            "STANDARD_INFREQUENT_ACCESS" => Some(Self::InfrequentAccess),
            _ => None,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "STANDARD_INFREQUENT_ACCESS",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassSetting {
    pub class: TableClass,
    /// When it was last changed, if it ever was.
    pub changed_millis: Option<i64>,
    /// The changes of the last thirty days.
    recent_millis: Vec<i64>,
}

impl ClassSetting {
    pub fn new(class: TableClass) -> Self {
        Self { class, ..Self::default() }
    }

    pub(super) fn change(&mut self, class: TableClass, now: Timestamp) -> Result<(), Error> {
        self.recent_millis.retain(|changed| now.millis() - changed < CLASS_WINDOW_MILLIS);
        if self.recent_millis.len() >= CLASS_CHANGES {
            return Err(Error::LimitExceeded(
                "Subscriber limit exceeded: Updates to TableClass are limited to 2 times in 30 day(s).".to_owned(),
            ));
        }
        if class != self.class {
            self.class = class;
            self.changed_millis = Some(now.millis());
            self.recent_millis.push(now.millis());
        }
        Ok(())
    }
}

/// Which key a table is said to be encrypted with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Encryption {
    /// None is AWS's own, which is not shown.
    pub key_arn: Option<String>,
    /// The changes of the last day.
    recent_millis: Vec<i64>,
}

impl Encryption {
    pub fn new(key_arn: Option<String>) -> Self {
        Self { key_arn, ..Self::default() }
    }

    pub(super) fn change(&mut self, key_arn: Option<String>, now: Timestamp) -> Result<(), Error> {
        self.recent_millis.retain(|changed| now.millis() - changed < DAY_MILLIS);
        if let (Some(first), Some(last)) = (self.recent_millis.first(), self.recent_millis.last())
            && self.recent_millis.len() >= ENCRYPTION_CHANGES
            && now.millis() - last < ENCRYPTION_PAUSE_MILLIS
        {
            return Err(Error::LimitExceeded(format!(
                "Subscriber limit exceeded: Encryption mode changes are limited in the 24h window ending at {}Z. After the \
                 first 4 change, each subsequent change in the same window can be performed at most once every 21600 \
                 seconds. Number of updates today: {}. Last change at {}Z. Next changes can be made at {}Z.",
                Timestamp(first + DAY_MILLIS).to_iso_millis(),
                self.recent_millis.len(),
                Timestamp(*last).to_iso_millis(),
                Timestamp((last + ENCRYPTION_PAUSE_MILLIS).min(first + DAY_MILLIS)).to_iso_millis()
            )));
        }
        self.key_arn = key_arn;
        self.recent_millis.push(now.millis());
        Ok(())
    }
}

/// Recovery to a point in time, while it is on. The log by which a restore finds what was is kept for as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointInTime {
    pub since_millis: i64,
    pub days: u16,
}

impl PointInTime {
    pub(super) fn period_millis(&self) -> i64 {
        i64::from(self.days) * DAY_MILLIS
    }

    /// The first second that can be restored.
    pub fn earliest(&self, now: Timestamp) -> Timestamp {
        whole_seconds(self.since_millis.max(now.millis() - self.period_millis()))
    }

    /// The last second that can be restored.
    pub fn latest(&self, now: Timestamp) -> Timestamp {
        whole_seconds(self.since_millis.max(now.millis() - RESTORABLE_AFTER_MILLIS))
    }

    /// With another period: what a shorter one did not keep does not come back with a longer one.
    #[must_use]
    pub(super) fn changed(self, days: u16, now: Timestamp) -> Self {
        let kept = self.days.min(days);
        let since_millis = self.since_millis.max(now.millis() - i64::from(kept) * DAY_MILLIS);
        Self { since_millis, days }
    }
}

fn whole_seconds(millis: i64) -> Timestamp {
    Timestamp::from_seconds(Timestamp(millis).seconds())
}

/// What is said of replicas in other regions; there is none, and nothing goes there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replication {
    pub replicas: Vec<Replica>,
    /// Regions that witness a strongly consistent group.
    pub witnesses: Vec<String>,
    pub is_strong: bool,
    /// Whether a table of its own is to share its settings, once somebody has said so.
    pub settings_mode: Option<bool>,
    /// Whether it may leave the group; it may not unless that was changed.
    pub may_disassociate: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica {
    pub region: String,
    /// Of another account, the ARN of the table that this one is a replica of.
    pub source_arn: Option<String>,
    pub key_arn: Option<String>,
    pub capacity: ReplicaCapacity,
    /// By the names of indexes.
    pub indexes: Vec<(String, ReplicaCapacity)>,
    pub class: Option<(TableClass, i64)>,
    pub added_millis: i64,
}

/// What a replica has of its own; what it does not say is the table's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaCapacity {
    pub provisioned_read: Option<u64>,
    pub on_demand_read: Option<u64>,
}

/// How long a table is the source of a replica that was added from it.
const SOURCE_MILLIS: i64 = DAY_MILLIS;

impl Replication {
    /// Whether a replica was made from this table so lately that it still needs it.
    pub fn is_source(&self, now: Timestamp) -> bool {
        self.replicas.iter().any(|replica| now.millis() - replica.added_millis < SOURCE_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_764_000_000_000;

    fn units(read: u64, write: u64) -> Throughput {
        Throughput { read, write }
    }

    #[test]
    fn capacity_is_lowered_four_times_a_day_and_then_once_an_hour() -> Result<(), Error> {
        let midnight = day(START) * DAY_MILLIS;
        let mut capacity = CapacitySettings::default();
        let mut lower = |after: i64| capacity.adjust(units(9, 9), units(8, 9), Timestamp(midnight + after));
        for second in 0..4 {
            lower(second * 1000)?;
        }
        let refused = lower(10_000).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            refused.contains("Number of decreases today: 4. Last decrease at Monday, November 24, 2025 at 12:00:03 AM")
        );
        assert!(refused.ends_with(
            "Next decrease can be made at Monday, November 24, 2025 at 1:00:03 AM Coordinated Universal Time."
        ));
        lower(3_000 + HOUR_MILLIS)?;
        assert!(lower(3_000 + 2 * HOUR_MILLIS - 1).is_err());
        lower(DAY_MILLIS)?;
        assert_eq!(capacity.decreases_today(Timestamp(midnight + DAY_MILLIS)), 1);
        assert_eq!(capacity.decreases_today(Timestamp(midnight + 2 * DAY_MILLIS)), 0);
        Ok(())
    }

    #[test]
    fn raising_is_free_and_both_are_noted() -> Result<(), Error> {
        let mut capacity = CapacitySettings::default();
        capacity.adjust(units(1, 1), units(2, 2), Timestamp(START))?;
        assert_eq!((capacity.last_increase_millis, capacity.last_decrease_millis), (Some(START), None));
        capacity.adjust(units(2, 2), units(3, 1), Timestamp(START + 1))?;
        assert_eq!((capacity.last_increase_millis, capacity.last_decrease_millis), (Some(START + 1), Some(START + 1)));
        Ok(())
    }

    #[test]
    fn what_was_served_once_stays_warm() {
        let mut capacity = CapacitySettings::default();
        let provisioned =
            |capacity: &CapacitySettings, throughput| capacity.warm(BillingMode::Provisioned, Some(throughput));
        assert_eq!(provisioned(&capacity, units(3, 2)), units(3, 2));
        assert_eq!(capacity.warm(BillingMode::PayPerRequest, None), units(12_000, 4_000));
        capacity.keep_warm(provisioned(&capacity, units(3, 2)), None);
        assert_eq!(provisioned(&capacity, units(1, 5)), units(3, 5));
    }

    #[test]
    fn class_and_encryption_change_only_so_often() -> Result<(), Error> {
        let (mut class, now) = (ClassSetting::default(), Timestamp(START));
        class.change(TableClass::Standard, now)?;
        assert_eq!(class.changed_millis, None);
        class.change(TableClass::InfrequentAccess, now)?;
        class.change(TableClass::Standard, now)?;
        assert!(class.clone().change(TableClass::Standard, now).is_err());
        class.change(TableClass::InfrequentAccess, Timestamp(START + CLASS_WINDOW_MILLIS))?;

        let mut encryption = Encryption::default();
        for second in 0..4 {
            encryption.change(Some("k".to_owned()), Timestamp(START + second * 1000))?;
        }
        let refused = encryption.change(None, Timestamp(START + 5_000)).err().map(|error| error.to_string());
        assert!(
            refused.unwrap_or_default().contains("Number of updates today: 4. Last change at 2025-11-24T16:00:03.000Z")
        );
        encryption.change(None, Timestamp(START + 3_000 + ENCRYPTION_PAUSE_MILLIS))?;
        assert_eq!(encryption.key_arn, None);
        Ok(())
    }

    #[test]
    fn restorable_moments_follow_the_clock() {
        let recovery = PointInTime { since_millis: START, days: 2 };
        let minute = 60_000;
        assert_eq!(recovery.latest(Timestamp(START + minute)), Timestamp(START));
        assert_eq!(recovery.latest(Timestamp(START + 6 * minute)), Timestamp(START + minute));
        assert_eq!(recovery.earliest(Timestamp(START + DAY_MILLIS)), Timestamp(START));
        assert_eq!(recovery.earliest(Timestamp(START + 3 * DAY_MILLIS)), Timestamp(START + DAY_MILLIS));
        assert_eq!(recovery.earliest(Timestamp(START + 3 * DAY_MILLIS + 999)), Timestamp(START + DAY_MILLIS));
        let now = Timestamp(START + 3 * DAY_MILLIS);
        let shorter = recovery.changed(1, now);
        assert_eq!(shorter, PointInTime { since_millis: START + 2 * DAY_MILLIS, days: 1 });
        assert_eq!(shorter.changed(35, now).earliest(now), Timestamp(START + 2 * DAY_MILLIS));
        assert_eq!(recovery.changed(35, Timestamp(START + DAY_MILLIS)).since_millis, START);
    }
}
