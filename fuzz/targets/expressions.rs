//! Every parser of expressions over any text, and whatever comes of it over an item.
//!
//! Nothing panics; an update's item can be stored and read again, and what it leaves alone is left alone.

#![no_main]

use std::collections::BTreeMap;

use fdyno::expression::{Condition, KeyAttribute, KeyCondition, KeyType, Kind, Projection, Substitutions, Update};
use fdyno::item::wire::ItemInput;
use fdyno::item::{AttributeValue, Item};
use fdyno::keyspace::{decode_item, encode_item};
use libfuzzer_sys::fuzz_target;

/// Attributes of every kind, so that operators find something to work on.
const ITEM: &str = r##"{"a": {"N": "1"}, "b": {"L": [{"N": "1"}, {"M": {"c": {"S": "x"}}}]}, "c": {"S": "text"},
    "d": {"SS": ["x", "y"]}, "e": {"NS": ["1", "2.5"]}, "g": {"M": {"h": {"NULL": true}}}, "i": {"BOOL": false}}"##;

const VALUES: &str = r##"{":n": {"N": "-1.5"}, ":s": {"S": "x"}, ":l": {"L": []}, ":m": {"M": {}},
    ":t": {"SS": ["x"]}, ":u": {"NS": ["1"]}, ":o": {"BOOL": true}, ":z": {"NULL": true}}"##;

struct World {
    item: Item,
    values: Item,
    names: BTreeMap<String, String>,
}

fn world() -> World {
    let read = |text: &str, blob: &str| {
        let mut item = serde_json::from_str::<ItemInput>(text).expect("JSON").into_result().expect("an item");
        item.insert(blob.into(), AttributeValue::B(vec![0, 1]));
        item
    };
    let names = [("#a", "a"), ("#b", "b"), ("#r", "select")];
    let names = names.map(|(key, name)| (key.to_owned(), name.to_owned())).into();
    World { item: read(ITEM, "f"), values: read(VALUES, ":b"), names }
}

thread_local! {
    static WORLD: World = world();
}

fuzz_target!(|text: &str| WORLD.with(|world| {
    let substitutions = || Substitutions::new(Some(&world.names), Some(&world.values)).expect("placeholders");
    for kind in [Kind::Condition, Kind::Filter] {
        if let Ok(condition) = Condition::parse(kind, text, &mut substitutions()) {
            condition.matches(Some(&world.item));
            condition.matches(None);
            condition.paths().for_each(|path| drop(path.to_string()));
        }
    }
    if let Ok(condition) = KeyCondition::parse(text, &mut substitutions()) {
        let [hash, range] =
            [("a", KeyType::N), ("c", KeyType::S)].map(|(name, key_type)| KeyAttribute { name, key_type });
        drop(condition.resolve(&[hash], &[range]));
        drop(condition.resolve(&[range], &[]));
    }
    if let Ok(projection) = Projection::parse(text, &mut substitutions()) {
        let projected = projection.apply(&world.item);
        assert!(projected.iter().all(|(name, _)| world.item.get(name.as_str()).is_some()));
    }
    if let Ok(update) = Update::parse(text, &mut substitutions()) {
        let key: Item = [("a".into(), AttributeValue::N(1.into()))].into_iter().collect();
        drop(update.apply(None, &key));
        update.updated_old(Some(&world.item));
        if let Ok(new) = update.apply(Some(&world.item), &key) {
            update.updated_new(&new);
            let touched: Vec<_> = update.touched().collect();
            for (name, value) in &world.item {
                assert!(touched.contains(&name) || new.get(name.as_str()) == Some(value), "{name} was changed");
            }
            if let Ok(bytes) = encode_item(&new) {
                assert_eq!(decode_item(&bytes).expect("what was written"), new);
            }
        }
    }
}));
