//! Writers: each draws requests of every kind that writes, sends them, and keeps a journal of what became of them.
//!
//! A writer shares some items with all others and has some for itself, of which it knows what they are: so it can ask
//! for what changes nothing. Now and then it hangs up before the answer, or loses it: then it does not know, as a client
//! that died would not.

mod batches;

use std::collections::{BTreeMap, BTreeSet};

use fdyno::api::Operation;
use fdyno::clock::Clock;
use fdyno::kv::Durability;
use serde_json::{Value as Json, json};

use crate::expiry;
use crate::house::{Answer, Engine, House, Span};
use crate::journal::{Effect, Entry, Mark, Outcome, Part, Spot, TABLES};
use crate::met::Met;

/// Items of each table that everybody writes, and of each writer's own.
const SHARED: u8 = 4;
const OWN: u8 = 3;

pub struct Writer {
    number: usize,
    random: fastrand::Rng,
    /// By which it says when items expire.
    clock: Clock,
    requests: u32,
    /// In which of its requests it writes items as large as they may be.
    largest_at: Option<u32>,
    /// What its own items are.
    own: BTreeMap<Spot, Json>,
    /// Own items of which it does not know what they are any more.
    unsettled: BTreeSet<Spot>,
    /// Items of requests that may still be under way somewhere.
    under_way: BTreeSet<Spot>,
    pub entries: Vec<Entry>,
}

/// What a writer heard of a request.
enum Heard {
    Done(Json),
    Refusal,
    /// That storage failed, and nothing was done.
    Failure,
    /// Nothing, though the request is over.
    Nothing,
    /// Nothing, or that nobody knows; and it may still be under way.
    Doubt,
}

/// An item's mark, if there is an item.
fn mark_of(item: Option<&Json>) -> Option<Mark> {
    item.map(|item| item["mark"]["S"].as_str().expect("every item has a mark").to_owned())
}

impl Writer {
    pub fn new(number: usize, seed: u64, clock: Clock) -> Self {
        Self {
            number,
            clock,
            random: fastrand::Rng::with_seed(seed << 8 ^ number as u64),
            requests: 0,
            largest_at: (number == 0 && seed.is_multiple_of(8)).then_some(15),
            own: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            under_way: BTreeSet::new(),
            entries: Vec::new(),
        }
    }

    /// One request, or a few that belong together.
    pub fn turn(&mut self, house: &House, met: &Met) {
        match self.random.u8(0..100) {
            0..=19 => self.put(house),
            20..=37 => self.update(house),
            38..=49 => self.delete(house),
            50..=57 => self.change_nothing(house, met),
            58..=65 => self.compare_and_put(house, met),
            66..=79 => self.batch(house),
            80..=95 => self.transact(house, met),
            _ => self.be_refused(house),
        }
        self.settle_own(house);
    }

    /// Settles what may still be under way: no such request can land over what is acknowledged after it.
    pub fn finish(&mut self, house: &House) {
        for spot in std::mem::take(&mut self.under_way) {
            self.settle(house, spot);
        }
    }

    /// Waits for an acknowledgement.
    pub fn settle_one(&mut self, house: &House) {
        let spot = self.own_spot();
        self.settle(house, spot);
    }

    fn mark(&self, part: usize) -> Mark {
        format!("{}-{}-{part}", self.number, self.requests)
    }

    fn spot(&mut self) -> Spot {
        let (owner, many) = if self.random.bool() { (None, SHARED) } else { (Some(self.number), OWN) };
        Spot { table: usize::from(self.random.u8(0..3) == 0), owner, number: self.random.u8(0..many) }
    }

    fn own_spot(&mut self) -> Spot {
        Spot { owner: Some(self.number), number: self.random.u8(0..OWN), ..self.spot() }
    }

    fn spots(&mut self, most: usize) -> Vec<Spot> {
        let mut spots: Vec<Spot> = Vec::new();
        for _ in 0..self.random.usize(2..=most) {
            let spot = self.spot();
            if !spots.contains(&spot) {
                spots.push(spot);
            }
        }
        spots
    }

    fn item(&mut self, spot: Spot, mark: &Mark) -> Json {
        let mut item = spot.key();
        item["mark"] = json!({ "S": mark });
        let random = &mut self.random;
        if random.bool() {
            item["team"] = json!({ "S": format!("t{}", random.u8(0..3)) });
        }
        if random.bool() {
            item["score"] = json!({ "N": format!("{}.5", random.u8(0..4)) });
        }
        if expiry::is_possible(spot)
            && let Some(expires) = expiry::drawn(random, self.clock.now().millis())
        {
            item[expiry::ATTRIBUTE] = expires;
        }
        if random.u8(0..4) == 0 {
            let photos = ["AA==", "AAEC", "/////w=="];
            item["photo"] = json!({ "B": photos[random.usize(0..3)] });
        }
        if random.u8(0..4) == 0 {
            let (tags, sizes) = (["one", "two", "three"], ["1", "2", "30"]);
            item["tags"] = json!({ "SS": tags[..random.usize(1..=3)] });
            item["sizes"] = json!({ "NS": sizes[..random.usize(1..=3)] });
        }
        if random.u8(0..6) == 0 {
            item["deep"] = json!({ "M": { "list": { "L": [{ "NULL": true }, { "N": "7" }, { "BOOL": false }] } } });
        }
        let length = match random.u16(0..2_000) {
            // Few: in this profile a byte of JSON costs more than all the rest.
            _ if self.largest_at == Some(self.requests) => 390_000,
            0 => 110_000,
            1..=20 => random.usize(9_500..16_000),
            _ => random.usize(0..120),
        };
        item["note"] = json!({ "S": "x".repeat(length) });
        item
    }

    fn may_hang_up(&mut self, house: &House) -> bool {
        // Elsewhere an answer is there at once.
        let waits = matches!(house.engine, Engine::Disk(Durability::Fsync) | Engine::Cluster);
        waits && self.random.u8(0..10) == 0
    }

    /// Sends a request; refusals must be `refusal`.
    fn ask(&mut self, house: &House, operation: Operation, request: &Json, refusal: Option<&str>) -> (Span, Heard) {
        let polls = if self.may_hang_up(house) { self.random.usize(1..8) } else { usize::MAX };
        let (span, answer) = house.call_for(self.random.usize(..), operation, request, polls);
        let heard = match answer {
            Some(Answer::Done(_)) if self.random.u8(0..12) == 0 => Heard::Nothing,
            Some(Answer::Done(answer)) => Heard::Done(answer),
            Some(Answer::Failed) => Heard::Failure,
            Some(Answer::Refused(error)) => {
                assert_eq!(Some(error.shape().code), refusal, "{request}: {error}");
                Heard::Refusal
            }
            Some(Answer::Unknown) | None => Heard::Doubt,
        };
        (span, heard)
    }

    /// Sends a request and writes it down; the answer, if it came.
    fn send(
        &mut self,
        house: &House,
        operation: Operation,
        request: &Json,
        parts: Vec<Part>,
        refusal: Option<&str>,
    ) -> Option<Json> {
        self.requests += 1;
        let (span, heard) = self.ask(house, operation, request, refusal);
        let outcome = match heard {
            Heard::Done(_) => Outcome::Done,
            Heard::Refusal | Heard::Failure => Outcome::Not,
            Heard::Nothing | Heard::Doubt => Outcome::Unknown,
        };
        if outcome == Outcome::Unknown {
            self.unsettled.extend(parts.iter().map(|part| part.spot).filter(|spot| spot.owner.is_some()));
        }
        if matches!(heard, Heard::Doubt) {
            self.under_way.extend(parts.iter().map(|part| part.spot));
        }
        self.entries.push(Entry { parts, outcome, span });
        if let Heard::Done(answer) = heard { Some(answer) } else { None }
    }

    fn settle_own(&mut self, house: &House) {
        for spot in std::mem::take(&mut self.unsettled) {
            self.settle(house, spot);
        }
    }

    /// Puts an item until it is known to be there.
    fn settle(&mut self, house: &House, spot: Spot) {
        loop {
            let mark = self.mark(0);
            self.requests += 1;
            let item = self.item(spot, &mark);
            let request = json!({ "TableName": TABLES[spot.table], "Item": item });
            let (span, answer) = house.call(self.random.usize(..), Operation::PutItem, &request);
            let outcome = match answer {
                Answer::Done(_) => Outcome::Done,
                Answer::Failed => Outcome::Not,
                Answer::Unknown => Outcome::Unknown,
                Answer::Refused(error) => panic!("{error}"),
            };
            self.entries.push(Entry { parts: vec![Part::new(spot, Effect::Writes(mark))], outcome, span });
            if outcome == Outcome::Done {
                house.has_committed(span);
                if spot.owner.is_some() {
                    self.own.insert(spot, item);
                }
                return;
            }
        }
    }

    /// What the writer knows to be replaced at a spot of its own.
    fn known(&self, spot: Spot) -> Option<Option<Mark>> {
        spot.owner.map(|_| mark_of(self.own.get(&spot)))
    }

    /// The writer's own item must be what it knows it to be.
    fn compare(&self, spot: Spot, told: Option<&Mark>) {
        let Some(known) = self.known(spot) else { return };
        let touches = |entry: &&Entry| entry.parts.iter().any(|part| part.spot == spot);
        let history = || self.entries.iter().filter(touches).collect::<Vec<_>>();
        assert!(known.as_ref() == told, "{spot:?} was {told:?} instead of {known:?}, after {:#?}", history());
    }

    fn last_part(&mut self) -> &mut Part {
        &mut self.entries.last_mut().expect("an entry").parts[0]
    }

    fn put(&mut self, house: &House) {
        let (spot, mark) = (self.spot(), self.mark(0));
        let item = self.item(spot, &mark);
        let mut request = json!({ "TableName": TABLES[spot.table], "Item": item });
        let tells = self.random.bool();
        if tells {
            request["ReturnValues"] = "ALL_OLD".into();
        }
        let part = Part { replaced: self.known(spot), ..Part::new(spot, Effect::Writes(mark)) };
        let Some(answer) = self.send(house, Operation::PutItem, &request, vec![part], None) else { return };
        if tells {
            let told = mark_of(answer.get("Attributes"));
            self.compare(spot, told.as_ref());
            self.last_part().replaced = Some(told);
        }
        if spot.owner.is_some() {
            self.own.insert(spot, item);
        }
    }

    fn update(&mut self, house: &House) {
        let (spot, mark) = (self.spot(), self.mark(0));
        let fresh = self.item(spot, &mark);
        let mut sets = vec!["mark = :mark"];
        let mut values = json!({ ":mark": { "S": mark }, ":one": { "N": "1" } });
        let optional = ["team = :team", "score = :score", "note = :note", "expires = :expires"];
        for (name, set) in optional.map(|set| (set.split(' ').next().unwrap_or_default(), set)) {
            if let Some(value) = fresh.get(name) {
                sets.push(set);
                values[format!(":{name}")] = value.clone();
            }
        }
        let remove = match self.random.u8(0..6) {
            0 | 1 => " REMOVE photo, tags",
            // What does not expire any more stays.
            2 | 3 if expiry::is_possible(spot) && fresh.get(expiry::ATTRIBUTE).is_none() => " REMOVE expires",
            _ => "",
        };
        let returned = if spot.owner.is_some() { "ALL_NEW" } else { "ALL_OLD" };
        let request = json!({
            "TableName": TABLES[spot.table],
            "Key": spot.key(),
            "UpdateExpression": format!("SET {}{remove} ADD hits :one", sets.join(", ")),
            "ExpressionAttributeValues": values,
            "ReturnValues": returned,
        });
        let part = Part { replaced: self.known(spot), ..Part::new(spot, Effect::Writes(mark)) };
        let Some(answer) = self.send(house, Operation::UpdateItem, &request, vec![part], None) else { return };
        if spot.owner.is_some() {
            self.own.insert(spot, answer["Attributes"].clone());
        } else {
            self.last_part().replaced = Some(mark_of(answer.get("Attributes")));
        }
    }

    /// What removing the item at a spot does, as far as it is known before.
    fn removal(&self, spot: Spot) -> Effect {
        match self.known(spot) {
            None => Effect::RemovesAny,
            Some(Some(mark)) => Effect::Removes(mark),
            Some(None) => Effect::Nothing,
        }
    }

    fn delete(&mut self, house: &House) {
        let spot = self.spot();
        let request = json!({ "TableName": TABLES[spot.table], "Key": spot.key(), "ReturnValues": "ALL_OLD" });
        let part = Part::new(spot, self.removal(spot));
        let Some(answer) = self.send(house, Operation::DeleteItem, &request, vec![part], None) else { return };
        let told = mark_of(answer.get("Attributes"));
        self.compare(spot, told.as_ref());
        self.last_part().effect = told.map_or(Effect::Nothing, Effect::Removes);
        self.own.remove(&spot);
    }

    /// Asks for what leaves its own item as it is, in other words each time.
    fn change_nothing(&mut self, house: &House, met: &Met) {
        let spot = self.own_spot();
        let table = TABLES[spot.table];
        let (operation, request) = match self.own.get(&spot) {
            None if self.random.bool() => (Operation::DeleteItem, json!({ "TableName": table, "Key": spot.key() })),
            None => {
                let nothing = "REMOVE team, photo";
                let request = json!({ "TableName": table, "Key": spot.key(), "UpdateExpression": nothing });
                (Operation::UpdateItem, request)
            }
            Some(item) if self.random.bool() => {
                (Operation::PutItem, json!({ "TableName": table, "Item": in_other_words(item) }))
            }
            Some(item) => {
                let request = json!({
                    "TableName": table,
                    "Key": spot.key(),
                    "UpdateExpression": "SET mark = :mark, note = :note REMOVE absentee",
                    "ExpressionAttributeValues": {
                        ":mark": item["mark"],
                        ":note": item.get("note").cloned().unwrap_or_else(|| json!({ "S": "" })),
                    },
                });
                // Without a note it would get one.
                if item.get("note").is_none() {
                    return;
                }
                (Operation::UpdateItem, request)
            }
        };
        if self.send(house, operation, &request, vec![Part::new(spot, Effect::Nothing)], None).is_some() {
            met.saw("a write that changes nothing");
        }
    }

    fn seen(&mut self, house: &House, spot: Spot) -> Option<Mark> {
        let request = json!({ "TableName": TABLES[spot.table], "Key": spot.key(), "ConsistentRead": true });
        let (_, answer) = house.insist(self.random.usize(..), Operation::GetItem, &request);
        mark_of(answer.expect("an answer").get("Item"))
    }

    fn compare_and_put(&mut self, house: &House, met: &Met) {
        let spot = Spot { owner: None, number: self.random.u8(0..SHARED), ..self.spot() };
        let seen = self.seen(house, spot);
        let mark = self.mark(0);
        let mut request = json!({ "TableName": TABLES[spot.table], "Item": self.item(spot, &mark) });
        Self::still(&mut request, seen.as_ref());
        let part = Part { replaced: Some(seen), ..Part::new(spot, Effect::Writes(mark)) };
        let refusal = Some("ConditionalCheckFailedException");
        if self.send(house, Operation::PutItem, &request, vec![part], refusal).is_some() {
            met.saw("a comparison that held");
        }
    }

    fn be_refused(&mut self, house: &House) {
        let (spot, mark) = (self.spot(), self.mark(0));
        let request = json!({
            "TableName": TABLES[spot.table],
            "Item": self.item(spot, &mark),
            "ConditionExpression": "attribute_exists(nowhere)",
        });
        let part = Part::new(spot, Effect::Writes(mark));
        let answer =
            self.send(house, Operation::PutItem, &request, vec![part], Some("ConditionalCheckFailedException"));
        assert!(answer.is_none(), "no item has that attribute");
    }

    /// The condition under which what was seen is still there.
    fn still(request: &mut Json, seen: Option<&Mark>) {
        match seen {
            None => request["ConditionExpression"] = "attribute_not_exists(mark)".into(),
            Some(seen) => {
                request["ConditionExpression"] = "mark = :seen".into();
                request["ExpressionAttributeValues"] = json!({ ":seen": { "S": seen } });
            }
        }
    }
}

/// An item that is equal, though it is written differently: numbers with zeros behind them, sets from the other end.
fn in_other_words(value: &Json) -> Json {
    match value {
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("N", Json::String(digits)) => with_zeros(digits).into(),
                    ("NS", Json::Array(numbers)) => {
                        numbers.iter().rev().map(|digits| with_zeros(digits.as_str().unwrap_or_default())).collect()
                    }
                    ("SS", Json::Array(texts)) => texts.iter().rev().cloned().collect(),
                    (_, value) => in_other_words(value),
                };
                (name.clone(), value)
            })
            .collect(),
        Json::Array(values) => values.iter().map(in_other_words).collect(),
        value => value.clone(),
    }
}

fn with_zeros(digits: &str) -> String {
    format!("{digits}{}", if digits.contains('.') { "00" } else { ".0" })
}
