//! Items survive, equal items have equal bytes, single attributes agree with the whole, and damage is seen.

use proptest::prelude::*;

use super::*;
use crate::keyspace::arbitrary::{any_item, any_text, any_value};

fn encoded(item: &Item) -> Vec<u8> {
    encode_item(item).unwrap_or_default()
}

fn nested(levels: usize) -> AttributeValue {
    (1..levels).fold(AttributeValue::Null, |inner, _| AttributeValue::L(vec![inner]))
}

proptest! {
    #[test]
    fn what_is_written_from_bytes_is_what_the_item_itself_is_written_as(item in any_item()) {
        let bytes = encoded(&item);
        let reader = ItemReader::new(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let text = |written: serde_json::Result<String>| written.map_err(|error| TestCaseError::fail(error.to_string()));
        prop_assert_eq!(text(serde_json::to_string(&reader))?, text(serde_json::to_string(&item))?);
    }

    #[test]
    fn bytes_that_are_no_item_are_not_written(item in any_item(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encoded(&item);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let written = ItemReader::new(&bytes).ok().and_then(|reader| serde_json::to_string(&reader).ok());
        // Sets in another order are read leniently here: nothing is decided by it.
        if let Ok(decoded) = decode_item(&bytes) {
            prop_assert_eq!(written, serde_json::to_string(&decoded).ok());
        }
    }

    #[test]
    fn items_survive(item in any_item()) {
        prop_assert_eq!(decode_item(&encoded(&item)), Ok(item));
    }

    #[test]
    fn equal_items_have_equal_bytes_however_they_were_built(item in any_item()) {
        let mut reversed: Vec<_> = item.clone().into_iter().collect();
        reversed.reverse();
        prop_assert_eq!(encoded(&item), encoded(&reversed.into_iter().collect()));
    }

    #[test]
    fn one_attribute_is_read_as_in_the_whole(item in any_item(), other in any_text()) {
        let bytes = encoded(&item);
        let reader = ItemReader::new(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(reader.len(), item.len());
        for name in item.iter().map(|(name, _)| name.as_str()).chain([other.as_str()]) {
            prop_assert_eq!(reader.get(name), Ok(item.get(name).cloned()));
        }
        let some = reader.decode_some(|name| name.len() > 3);
        let mut expected = item;
        expected.retain(|name, _| name.len() > 3);
        prop_assert_eq!(some, Ok(expected));
    }

    #[test]
    fn a_cut_item_is_corrupt(item in any_item(), value in any_value(), cut in 1_usize..200) {
        let mut item = item;
        item.insert("never empty".into(), value);
        let bytes = encoded(&item);
        let cut = bytes.len() - 1 - cut % bytes.len();
        prop_assert!(decode_item(bytes.get(..cut).unwrap_or_default()).is_err());
    }

    #[test]
    fn garbled_bytes_never_panic_and_never_decode_to_bytes_of_another_item(
        item in any_item(), at in any::<prop::sample::Index>(), byte in any::<u8>(), tail in any::<bool>(),
    ) {
        let mut bytes = encoded(&item);
        if tail {
            bytes.push(byte);
            prop_assert!(decode_item(&bytes).is_err());
        } else if let Some(target) = bytes.get_mut(at.index(item.len() + 2).min(at.index(usize::MAX))) {
            *target = byte;
        }
        if let Ok(other) = decode_item(&bytes) {
            prop_assert_eq!(encoded(&other), bytes.clone());
        }
        if let Ok(reader) = ItemReader::new(&bytes) {
            let _ = (reader.get("a"), reader.decode_some(|_| true));
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(0_u8..14, 0..80)) {
        let mut bytes = vec![VERSION];
        bytes.extend(noise);
        if let Ok(item) = decode_item(&bytes) {
            prop_assert_eq!(encoded(&item), bytes);
        }
    }
}

#[test]
fn depth_is_limited_both_ways() {
    let item = |levels| -> Item { [("a".into(), nested(levels))].into_iter().collect() };
    assert_eq!(decode_item(&encoded(&item(MAX_DEPTH))), Ok(item(MAX_DEPTH)));
    assert_eq!(encode_item(&item(MAX_DEPTH + 1)), Err(Invalid::too_deep()));
    // Hand-made: more lists within lists than any item has.
    let mut content = vec![NULL];
    for _ in 0..20_000 {
        let mut outer = vec![L];
        outer.extend(u32::try_from(content.len() + 1).unwrap_or(0).to_be_bytes());
        outer.push(1);
        outer.append(&mut content);
        content = outer;
    }
    let hostile = [&[VERSION, 1, 1, b'a'][..], &content].concat();
    let outcome = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || decode_item(&hostile).is_err());
    assert!(outcome.is_ok_and(|thread| thread.join().unwrap_or(false)));
}

#[test]
fn items_have_their_published_bytes() {
    let item: Item = [
        ("b", AttributeValue::Bool(true)),
        ("l", AttributeValue::L(vec![AttributeValue::Null, AttributeValue::N((-120).into())])),
        ("s", AttributeValue::S("xy".to_owned())),
        ("z", AttributeValue::SS(vec!["p".to_owned(), "q".to_owned()])),
    ]
    .map(|(name, value)| (name.into(), value))
    .into_iter()
    .collect();
    let expected = [
        &[1, 4][..],
        &[1, b'b', TRUE],
        &[1, b'l', L, 0, 0, 0, 5, 2, NULL, N, 0b101, 12],
        &[1, b's', S, 2, b'x', b'y'],
        &[1, b'z', SS, 0, 0, 0, 5, 2, 1, b'p', 1, b'q'],
    ]
    .concat();
    assert_eq!(encoded(&item), expected);
}
