//! The verdict over what the service deleted because its time to live was over.
//!
//! Of each item of the table that expires it is found out who wrote it, who ended it, and when. What the service deleted must
//! have been due at the time its record tells; what was due must be gone when time has passed through its moment, at the
//! next call where one call does it all, and in any case in the end. That nothing is deleted twice follows from the one
//! line of images of each key.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Origin, Told, Trial};
use crate::expiry::{ATTRIBUTE, FIVE_YEARS, TABLE, is_due, moment_of};
use crate::house::{Chronicle, Passage};
use crate::met::Met;
use crate::reader::DAY;

/// An item, from the record that wrote it to the one that replaced or removed it.
struct Life<'a> {
    image: &'a Json,
    moment: Option<i64>,
    written: &'a Told,
    ended: Option<&'a Told>,
}

impl Life<'_> {
    fn was_there_at(&self, chronicle: &Chronicle, time: i64) -> bool {
        self.written.created < time && self.ended.map_or(chronicle.end, |ended| ended.created - 1) >= time
    }
}

impl Trial<'_> {
    /// Finds out between which calls the service did what no request did: commits follow one another.
    pub(super) fn find_when_the_service_acted(&mut self) {
        let commits: Vec<_> = self.commits.values().cloned().collect();
        let mut origins = vec![Origin::Unknown; commits.len()];
        let mut after = 0;
        for (commit, origin) in commits.iter().zip(&mut origins) {
            let first = self.record(commit[0]);
            if first.is_by_service() {
                *origin = Origin::Service(after, u64::MAX);
            } else {
                after = after.max(self.invoked(first));
            }
        }
        let mut until = u64::MAX;
        for (commit, origin) in commits.iter().zip(&mut origins).rev() {
            match origin {
                Origin::Service(_, before) => *before = until,
                _ => until = until.min(self.returned(self.record(commit[0]))),
            }
        }
        for (commit, origin) in commits.into_iter().zip(origins) {
            let is_by_service = matches!(origin, Origin::Service(..));
            for (table, at) in commit {
                let told = &mut self.told[table][at];
                assert_eq!(told.is_by_service(), is_by_service, "deleted together with a request: {}", told.record);
                if is_by_service {
                    told.origin = origin;
                }
            }
        }
    }

    fn lives(&self) -> Vec<Life<'_>> {
        let mut lives: Vec<Life<'_>> = Vec::new();
        let mut living: BTreeMap<String, usize> = BTreeMap::new();
        for told in &self.told[TABLE] {
            let key = told.keys().to_string();
            if let Some(life) = living.remove(&key) {
                lives[life].ended = Some(told);
            }
            if let Some(image) = told.image("NewImage") {
                living.insert(key, lives.len());
                lives.push(Life { image, moment: moment_of(image), written: told, ended: None });
            }
        }
        lives
    }

    pub(super) fn judge_deletions(&self, chronicle: &Chronicle, met: &Met) {
        for told in self.told.iter().flatten().filter(|told| told.is_by_service()) {
            let identity = json!({ "Type": "Service", "PrincipalId": "dynamodb.amazonaws.com" });
            assert_eq!(told.record["userIdentity"], identity);
            assert_eq!(told.record["eventName"], "REMOVE", "in the service's name: {}", told.record);
        }
        assert!(!self.told[1 - TABLE].iter().any(Told::is_by_service), "a table without time to live");
        let lives = self.lives();
        for life in &lives {
            self.judge_life(life, chronicle, met);
        }
        if chronicle.calls_expire_all && chronicle.set_back == 0 {
            self.judge_calls(&lives);
        }
        Self::note_what_was_kept(&lives, chronicle, met);
    }

    fn judge_life(&self, life: &Life<'_>, chronicle: &Chronicle, met: &Met) {
        let by_service = life.ended.filter(|ended| ended.is_by_service());
        let Some(moment) = life.moment else {
            assert!(by_service.is_none(), "it did not say that it expires: {}", life.image);
            return;
        };
        // The step looked at a clock that may have been set back before its commit, or after the last one.
        let slack = chronicle.set_back;
        let slack_of_years = if slack == 0 { 0 } else { 7 * DAY };
        if let Some(ended) = by_service {
            assert!(moment <= ended.created + slack, "deleted before it expired: {}", ended.record);
            let oldest = ended.created - FIVE_YEARS - slack_of_years;
            assert!(moment > oldest, "deleted though it expired too long ago: {}", ended.record);
        } else if life.ended.is_none() {
            assert!(!is_due(moment, chronicle.end), "expired, and there in the end: {}", life.image);
        }
        let is_through = |passage: &&Passage| passage.from < moment && moment <= passage.to;
        let passage = chronicle.passages.iter().find(is_through).filter(|_| slack == 0);
        if let Some(passage) = passage.filter(|passage| self.returned(life.written) < passage.invoked) {
            let is_late = life.ended.is_none_or(|ended| self.invoked(ended) > passage.returned);
            assert!(!is_late, "time has passed, and it was still there: {}, {passage:?}", life.image);
            if let Some(ended) = by_service {
                assert_eq!(ended.created, moment, "deleted at another moment than its own: {}", ended.record);
                met.saw("an item that expired as time passed through its moment");
            }
        } else if let Some(ended) = by_service {
            met.saw("an item that expired by a call that found it due");
            if ended.created > moment && life.written.created < moment {
                met.saw("an item that expired late, when the clock had leapt");
            }
        }
        if life.ended.is_some_and(|ended| !ended.is_by_service() && is_due(moment, ended.created)) {
            met.saw("a write that met an expired item");
        }
    }

    /// Where every call that writes first deletes all that is due, none writes beside an item whose moment has come since it
    /// was written.
    fn judge_calls(&self, lives: &[Life<'_>]) {
        for life in lives {
            let Some(moment) = life.moment.filter(|moment| *moment > life.written.created) else { continue };
            let missed = self.told.iter().flatten().find(|told| {
                let Origin::Request(number) = told.origin else { return false };
                let is_beside =
                    told.number > life.written.number && life.ended.is_none_or(|ended| told.number <= ended.number);
                is_beside && self.returned(told) < u64::MAX && self.entries[number].span.clock.0 >= moment
            });
            assert!(
                missed.is_none(),
                "a call left {} there: {}",
                life.image,
                missed.map_or(&Json::Null, |told| &told.record)
            );
        }
    }

    /// What the service must not delete, and did not: each judged above, if it had.
    fn note_what_was_kept(lives: &[Life<'_>], chronicle: &Chronicle, met: &Met) {
        for life in lives {
            let outlived = |time| life.was_there_at(chronicle, time);
            match life.moment {
                None if life.image.get(ATTRIBUTE).is_some() && outlived(life.written.created + 1_000) => {
                    met.saw("an expiry that is no number and was ignored");
                }
                Some(moment)
                    if moment <= life.written.created - FIVE_YEARS && outlived(life.written.created + 1_000) =>
                {
                    met.saw("an item that expired too long ago and was kept");
                }
                _ => {}
            }
            let before = life.written.image("OldImage").and_then(moment_of);
            let Some(old) = before.filter(|old| *old > life.written.created && outlived(*old)) else { continue };
            match life.moment {
                Some(moment) if moment > old => met.saw("an item that was given more time and outlived its old moment"),
                None => met.saw("an item that was to expire no more and outlived its old moment"),
                Some(_) => {}
            }
        }
    }
}
