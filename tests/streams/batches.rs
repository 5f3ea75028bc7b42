//! What a writer asks for together: batches and transactions, over both tables.

use fdyno::api::Operation;
use serde_json::{Map, Value as Json, json};

use super::{Heard, Writer};
use crate::expiry;
use crate::house::House;
use crate::journal::{Effect, Entry, Outcome, Part, Spot, TABLES};
use crate::met::Met;

/// One write of a batch or a transaction: what it is to do, and its request.
struct Planned {
    part: Part,
    verb: &'static str,
    request: Json,
    /// Its own item afterwards, if it is one.
    after: Option<Json>,
}

impl Writer {
    fn planned_put(&mut self, spot: Spot, part: usize) -> Planned {
        let mark = self.mark(part);
        let item = self.item(spot, &mark);
        Planned {
            part: Part { replaced: self.known(spot), ..Part::new(spot, Effect::Writes(mark)) },
            verb: "Put",
            request: json!({ "TableName": TABLES[spot.table], "Item": item }),
            after: Some(item),
        }
    }

    fn planned_delete(&self, spot: Spot) -> Planned {
        Planned {
            part: Part::new(spot, self.removal(spot)),
            verb: "Delete",
            request: json!({ "TableName": TABLES[spot.table], "Key": spot.key() }),
            after: None,
        }
    }

    fn planned_update(&mut self, spot: Spot, part: usize) -> Planned {
        let mark = self.mark(part);
        let score = json!({ "N": self.random.u8(0..4).to_string() });
        let mut after = self.own.get(&spot).cloned().unwrap_or_else(|| spot.key());
        after["mark"] = json!({ "S": mark });
        after["score"] = score.clone();
        // So that doing it twice would make another item.
        let hits = after["hits"]["N"].as_str().map_or(0, |hits| hits.parse().expect("a whole number"));
        after["hits"] = json!({ "N": (hits + 1).to_string() });
        let mut values = json!({ ":mark": { "S": mark }, ":score": score, ":one": { "N": "1" } });
        let mut sets = "mark = :mark, score = :score".to_owned();
        if expiry::is_possible(spot)
            && let Some(expires) = expiry::drawn(&mut self.random, self.clock.now().millis())
        {
            values[":expires"] = expires;
            sets += ", expires = :expires";
        }
        Planned {
            part: Part { replaced: self.known(spot), ..Part::new(spot, Effect::Writes(mark.clone())) },
            verb: "Update",
            request: json!({
                "TableName": TABLES[spot.table],
                "Key": spot.key(),
                "UpdateExpression": format!("SET {sets} ADD hits :one"),
                "ExpressionAttributeValues": values,
            }),
            after: Some(after),
        }
    }

    fn apply(&mut self, planned: Vec<Planned>) {
        for Planned { part, after, .. } in planned {
            if part.spot.owner.is_some() {
                match after {
                    Some(item) => self.own.insert(part.spot, item),
                    None => self.own.remove(&part.spot),
                };
            }
        }
    }

    pub(super) fn batch(&mut self, house: &House) {
        // The first is a put, so that some record says by its mark which request it comes from.
        let planned: Vec<Planned> = self
            .spots(7)
            .into_iter()
            .enumerate()
            .map(|(part, spot)| match part {
                0 => self.planned_put(spot, part),
                _ if self.random.u8(0..3) == 0 => self.planned_delete(spot),
                _ => self.planned_put(spot, part),
            })
            .collect();
        let mut request = Map::new();
        for write in &planned {
            let kind = format!("{}Request", write.verb);
            let mut content = write.request.clone();
            content.as_object_mut().expect("a request").remove("TableName");
            let of_table = request.entry(TABLES[write.part.spot.table]).or_insert_with(|| json!([]));
            of_table.as_array_mut().expect("writes").push(json!({ kind: content }));
        }
        let parts = planned.iter().map(|planned| planned.part.clone()).collect();
        let request = json!({ "RequestItems": request });
        if let Some(answer) = self.send(house, Operation::BatchWriteItem, &request, parts, None) {
            assert_eq!(answer["UnprocessedItems"], json!({}));
            self.apply(planned);
        }
    }

    pub(super) fn transact(&mut self, house: &House, met: &Met) {
        let spots = self.spots(7);
        if spots.iter().any(|spot| spot.table == 0) && spots.iter().any(|spot| spot.table == 1) {
            met.saw("a transaction over both streams");
        }
        let mut planned: Vec<Planned> = Vec::new();
        for (part, spot) in spots.into_iter().enumerate() {
            planned.push(match self.random.u8(0..6) {
                0 | 1 => self.planned_put(spot, part),
                2 | 3 => self.planned_update(spot, part),
                4 if spot.owner.is_none() => self.planned_check(house, spot),
                _ if spot.owner.is_none() => self.planned_guarded_delete(house, spot),
                _ => self.planned_delete(spot),
            });
        }
        if self.random.u8(0..8) == 0 {
            // One of them fails, so all do.
            let chosen = self.random.usize(..planned.len());
            let Planned { verb, request, .. } = &mut planned[chosen];
            request["ConditionExpression"] = "attribute_exists(nowhere)".into();
            if *verb != "Update" {
                request.as_object_mut().expect("a request").remove("ExpressionAttributeValues");
            }
        }
        let items: Vec<Json> = planned.iter().map(|planned| json!({ planned.verb: planned.request })).collect();
        let parts: Vec<Part> = planned.iter().map(|planned| planned.part.clone()).collect();
        let mut request = json!({ "TransactItems": items });
        let refusal = Some("TransactionCanceledException");
        let done = if self.random.bool() {
            self.send(house, Operation::TransactWriteItems, &request, parts, refusal).is_some()
        } else {
            request["ClientRequestToken"] = format!("token-{}-{}", self.number, self.requests).into();
            self.send_with_token(house, &request, parts, met)
        };
        if done {
            self.apply(planned);
        }
    }

    /// Sends a transaction again and again under its token until there is an answer; then it was done once, or not at all.
    fn send_with_token(&mut self, house: &House, request: &Json, parts: Vec<Part>, met: &Met) -> bool {
        // A token holds for ten minutes.
        let _stands_still = house.hold_time();
        self.requests += 1;
        let mut ask = || self.ask(house, Operation::TransactWriteItems, request, Some("TransactionCanceledException"));
        let (mut span, mut heard) = ask();
        let mut attempts = 1;
        while matches!(heard, Heard::Failure | Heard::Nothing | Heard::Doubt) {
            let (again, answer) = ask();
            (span.returned, heard) = (again.returned, answer);
            attempts += 1;
        }
        let is_done = matches!(heard, Heard::Done(_));
        if is_done {
            if attempts > 1 {
                met.saw("a transaction repeated until it was known to be done");
            }
            if attempts % 2 == 0 {
                // Once more: a request that was done writes nothing.
                met.saw("a transaction repeated after it was done");
                assert!(!matches!(ask().1, Heard::Refusal), "a repetition is no conflict");
            }
        }
        let outcome = if is_done { Outcome::Done } else { Outcome::Not };
        self.entries.push(Entry { parts, outcome, span });
        is_done
    }

    fn planned_check(&mut self, house: &House, spot: Spot) -> Planned {
        let mut request = json!({ "TableName": TABLES[spot.table], "Key": spot.key() });
        Self::still(&mut request, self.seen(house, spot).as_ref());
        Planned { part: Part::new(spot, Effect::Nothing), verb: "ConditionCheck", request, after: None }
    }

    /// Removes a shared item if it still is what was seen of it.
    fn planned_guarded_delete(&mut self, house: &House, spot: Spot) -> Planned {
        let Some(seen) = self.seen(house, spot) else { return self.planned_check(house, spot) };
        let mut request = json!({ "TableName": TABLES[spot.table], "Key": spot.key() });
        Self::still(&mut request, Some(&seen));
        Planned { part: Part::new(spot, Effect::Removes(seen)), verb: "Delete", request, after: None }
    }
}
