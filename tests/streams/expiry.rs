//! Time to live in the proof: what items say of their expiry.
//!
//! Only items that everybody writes say anything: of its own a writer knows what they are, and the service deletes without
//! asking it. What it may delete, and when it must have, is judged with everything else (`deletions.rs`).

use serde_json::{Value as Json, json};

use crate::journal::{Spot, TABLES, Table};

/// The one of the two tables that has a time to live.
pub const TABLE: Table = 1;
/// The attribute that says when an item expires.
pub const ATTRIBUTE: &str = "expires";
/// Who says that he expired longer ago is not believed.
pub const FIVE_YEARS: i64 = 5 * 365 * 24 * 60 * 60 * 1000;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// The request that switches it on.
pub fn enable() -> Json {
    json!({
        "TableName": TABLES[TABLE],
        "TimeToLiveSpecification": { "Enabled": true, "AttributeName": ATTRIBUTE },
    })
}

/// Whether the item at a spot may say that it expires.
pub fn is_possible(spot: Spot) -> bool {
    spot.table == TABLE && spot.owner.is_none()
}

/// What an item says that is written at `now`, in milliseconds; most often nothing at all.
pub fn drawn(random: &mut fastrand::Rng, now: i64) -> Option<Json> {
    let now = now.div_euclid(1000);
    let number = |seconds: i64| Some(json!({ "N": seconds.to_string() }));
    match random.u8(0..24) {
        0..=2 => number(now + random.i64(1..20 * MINUTE)),
        3..=5 => number(now + random.i64(HOUR..12 * HOUR)),
        // About where the clock soon stands: what expires in a second must still be there.
        6..=7 => number(now + random.i64(1..=2)),
        8 => number(now + [59, 6 * MINUTE, 10 * MINUTE, 16 * MINUTE, HOUR][random.usize(0..5)] + random.i64(0..=1)),
        9 => Some(json!({ "N": format!("{}.5", now + random.i64(1..2 * HOUR)) })),
        // Over already, but nobody may have looked since.
        10..=11 => number(now - random.i64(0..HOUR)),
        // By so little too long ago, and by so much that the clock is never set back as far.
        12 => number(now - FIVE_YEARS / 1000 - random.i64(0..2)),
        13 => number(now - FIVE_YEARS / 1000 - 30 * 24 * HOUR),
        14 => Some(json!({ "S": (now - MINUTE).to_string() })),
        15 => Some(json!({ "NS": [(now - MINUTE).to_string()] })),
        _ => None,
    }
}

/// The moment from which on an item is expired, in milliseconds: only a number says so, and whole seconds count.
pub fn moment_of(item: &Json) -> Option<i64> {
    let seconds: f64 = item[ATTRIBUTE]["N"].as_str()?.parse().expect("a number");
    Some(seconds.ceil() as i64 * 1000)
}

/// Whether the service deletes at `now` what expires at `moment`.
pub const fn is_due(moment: i64, now: i64) -> bool {
    now - FIVE_YEARS < moment && moment <= now
}
