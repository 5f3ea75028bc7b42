//! Keys round trip, order as DynamoDB orders, ranges are exact, and the worst key fits FoundationDB's limit.

use proptest::prelude::*;

use super::*;
use crate::item::Number;
use crate::keyspace::arbitrary::{any_bytes, any_key, any_number, any_text};
use crate::keyspace::{Keyspace, TableId};

fn space() -> TableSpace {
    Keyspace::new(*b"database").table(TableId(7))
}

fn key_of(value: &AttributeValue) -> KeyValue<'_> {
    KeyValue::of(value).unwrap_or(KeyValue::N(Number::ZERO))
}

fn keys_of(values: &[AttributeValue]) -> Vec<KeyValue<'_>> {
    values.iter().map(key_of).collect()
}

/// Two keys of one datatype.
fn pair() -> impl Strategy<Value = (AttributeValue, AttributeValue)> {
    (any_key(), any_key()).prop_filter("one datatype", |(one, two)| one.type_name() == two.type_name())
}

fn compare(one: &AttributeValue, two: &AttributeValue) -> std::cmp::Ordering {
    match (one, two) {
        (AttributeValue::N(one), AttributeValue::N(two)) => one.cmp(two),
        (AttributeValue::S(one), AttributeValue::S(two)) => one.as_bytes().cmp(two.as_bytes()),
        (AttributeValue::B(one), AttributeValue::B(two)) => one.cmp(two),
        _ => std::cmp::Ordering::Equal,
    }
}

proptest! {
    #[test]
    fn item_keys_survive_and_stay_in_their_families(partition in any_key(), sort in prop::option::of(any_key())) {
        let space = space();
        let key = space.item(PrimaryKey { partition: key_of(&partition), sort: sort.as_ref().map(key_of) });
        prop_assert_eq!(space.parse_item(&key), Ok(OwnedPrimaryKey { partition: partition.clone(), sort }));
        prop_assert!(space.items().contains(&key) && space.everything().contains(&key));
        prop_assert!(space.items_of_partition(key_of(&partition), SortCondition::Any).contains(&key));
        prop_assert!(space.parse_index_entry(&key).is_err());
        prop_assert!(Keyspace::new(*b"database").table(TableId(8)).parse_item(&key).is_err());
        prop_assert!(space.without_stream().iter().any(|range| range.contains(&key)));
    }

    #[test]
    fn items_of_a_partition_order_by_sort_key_both_ways(partition in any_key(), (one, two) in pair()) {
        let space = space();
        let key = |sort| space.item(PrimaryKey { partition: key_of(&partition), sort: Some(key_of(sort)) });
        prop_assert_eq!(key(&one).cmp(&key(&two)), compare(&one, &two));
        let all = space.items_of_partition(key_of(&partition), SortCondition::Any);
        prop_assert_eq!(all.clone().after(&key(&two)).contains(&key(&one)), compare(&one, &two).is_gt());
        prop_assert_eq!(all.before(&key(&two)).contains(&key(&one)), compare(&one, &two).is_lt());
    }

    #[test]
    fn sort_conditions_hold_exactly_what_they_say(partition in any_key(), (value, one) in pair(), other in any_key()) {
        let space = space();
        let key = space.item(PrimaryKey { partition: key_of(&partition), sort: Some(key_of(&value)) });
        let holds = |condition| space.items_of_partition(key_of(&partition), condition).contains(&key);
        let bound = key_of(&one);
        let order = compare(&value, &one);
        prop_assert_eq!(holds(SortCondition::Equal(bound)), order.is_eq());
        prop_assert_eq!(holds(SortCondition::Less(bound)), order.is_lt());
        prop_assert_eq!(holds(SortCondition::LessOrEqual(bound)), order.is_le());
        prop_assert_eq!(holds(SortCondition::Greater(bound)), order.is_gt());
        prop_assert_eq!(holds(SortCondition::GreaterOrEqual(bound)), order.is_ge());
        if one.type_name() == other.type_name() {
            let between = order.is_ge() && compare(&value, &other).is_le();
            prop_assert_eq!(holds(SortCondition::Between(bound, key_of(&other))), between);
        }
        // The bytes of another partition never fall in.
        let elsewhere = space.items_of_partition(key_of(&other), SortCondition::LessOrEqual(bound));
        prop_assert_eq!(elsewhere.contains(&key), partition == other && order.is_le());
    }

    #[test]
    fn begins_with_is_exact(partition in any_key(), text in any_text(), start in any_text(), bytes in any_bytes(), first in any_bytes()) {
        let space = space();
        let holds = |value: KeyValue<'_>, start: KeyValue<'_>| {
            let key = space.item(PrimaryKey { partition: key_of(&partition), sort: Some(value) });
            space.items_of_partition(key_of(&partition), SortCondition::BeginsWith(start)).contains(&key)
        };
        for (text, start) in [(text.clone(), start.clone()), (format!("{start}{text}"), start.clone())] {
            prop_assert_eq!(holds(KeyValue::S(&text), KeyValue::S(&start)), text.starts_with(&start));
        }
        for whole in [bytes.clone(), [first.clone(), bytes].concat()] {
            prop_assert_eq!(holds(KeyValue::B(&whole), KeyValue::B(&first)), whole.starts_with(&first));
        }
        prop_assert!(!holds(KeyValue::N(1.into()), KeyValue::N(1.into())));
    }

    #[test]
    fn index_entries_survive(
        partition in prop::collection::vec(any_key(), 1..=4),
        sort in prop::collection::vec(any_key(), 0..=4),
        base in (any_key(), prop::option::of(any_key())),
        index in any::<u32>(),
    ) {
        let space = space();
        let (base_partition, base_sort) = base;
        let key = space.index_entry(IndexId(index), IndexKey {
            partition: &keys_of(&partition),
            sort: &keys_of(&sort),
            base: PrimaryKey { partition: key_of(&base_partition), sort: base_sort.as_ref().map(key_of) },
        });
        prop_assert!(space.index_entries(IndexId(index)).contains(&key) && space.indexes().contains(&key));
        let range = space.index_entries_of_partition(IndexId(index), &keys_of(&partition), &[], SortCondition::Any);
        prop_assert!(range.contains(&key));
        let range = space.index_entries_of_partition(IndexId(index), &keys_of(&partition), &keys_of(&sort), SortCondition::Any);
        prop_assert!(range.contains(&key));
        let owned = OwnedIndexKey { partition, sort, base: OwnedPrimaryKey { partition: base_partition, sort: base_sort } };
        prop_assert_eq!(space.parse_index_entry(&key), Ok((IndexId(index), owned)));
    }

    #[test]
    fn index_entries_order_by_each_sort_attribute_in_turn_then_by_base_key(
        first in pair(), second in pair(), bases in (any_key(), any_key()),
    ) {
        let space = space();
        let entry = |sort: [&AttributeValue; 2], base: &AttributeValue| {
            let sort = sort.map(key_of);
            let base = PrimaryKey { partition: key_of(base), sort: None };
            space.index_entry(IndexId(1), IndexKey { partition: &[KeyValue::S("p")], sort: &sort, base })
        };
        let one = entry([&first.0, &second.0], &bases.0);
        let two = entry([&first.1, &second.1], &bases.1);
        let expected = compare(&first.0, &first.1).then_with(|| compare(&second.0, &second.1));
        if expected.is_ne() {
            prop_assert_eq!(one.cmp(&two), expected);
        } else {
            prop_assert_eq!(one == two, bases.0 == bases.1);
        }
        let narrowed = space.index_entries_of_partition(
            IndexId(1), &[KeyValue::S("p")], &[key_of(&first.1)], SortCondition::Greater(key_of(&second.1)),
        );
        let expected = compare(&first.0, &first.1).is_eq() && compare(&second.0, &second.1).is_gt();
        prop_assert_eq!(narrowed.contains(&one), expected);
    }

    #[test]
    fn expiries_order_by_their_number_and_are_found_between_two_moments(
        one in any_number(), two in any_number(), after in any_number(), until in any_number(), base in any_key(), index in any::<u32>(),
    ) {
        let space = space();
        let base = PrimaryKey { partition: key_of(&base), sort: None };
        let entry = |number| space.expiry(IndexId(index), number, base);
        prop_assert_eq!(entry(one).cmp(&entry(two)), one.cmp(&two));
        let found = space.expiries(IndexId(index), after, until).contains(&entry(one));
        prop_assert_eq!(found, after < one && one <= until);
        prop_assert!(space.index_entries(IndexId(index)).contains(&entry(one)));
        prop_assert!(!space.index_entries(IndexId(index.wrapping_add(1))).contains(&entry(one)));
        let (of, parsed) = space.parse_index_entry(&entry(one))?;
        prop_assert_eq!((of, parsed.partition, parsed.sort), (IndexId(index), vec![], vec![AttributeValue::N(one)]));
        prop_assert_eq!(parsed.base.as_key()?, base);
    }

    #[test]
    fn segments_divide_the_items_without_gap_or_overlap(partition in any_key(), total in 1_u32..=1_000_000, nearby in 0_u32..3) {
        let space = space();
        let key = space.item(PrimaryKey { partition: key_of(&partition), sort: None });
        let small = total % 12 + 1;
        let holders = (0..small).filter(|segment| space.items_of_segment(*segment, small).contains(&key)).count();
        prop_assert_eq!(holders, 1);
        let segment = nearby.min(total - 1);
        let range = space.items_of_segment(segment, total);
        if segment + 1 < total {
            prop_assert_eq!(range.end, space.items_of_segment(segment + 1, total).begin);
        } else {
            prop_assert_eq!(range.end, space.items().end);
        }
    }

    #[test]
    fn records_and_chunks_survive(bytes in any::<[u8; 14]>(), from in any::<[u8; 14]>(), until in any::<[u8; 14]>(), blob in any::<[u8; 16]>(), chunk in any::<u16>()) {
        let space = space();
        let [position, from, until] = [bytes, from, until].map(Position::from_bytes);
        let key = space.record(position);
        prop_assert_eq!(space.parse_record(&key), Ok(position));
        prop_assert_eq!(space.records(from, None).contains(&key), position >= from);
        prop_assert_eq!(space.records(from, Some(until)).contains(&key), position >= from && position < until);
        let mut stamped = space.stamped_record(position.incarnation, position.user_version);
        stamped.key.splice(stamped.offset..stamped.offset + 10, position.stamp.0);
        prop_assert_eq!(&stamped.key, &key);
        prop_assert!(!space.without_stream().iter().any(|range| range.contains(&key)));
        let key = space.chunk(BlobId(blob), chunk);
        prop_assert_eq!(space.parse_chunk(&key), Ok((BlobId(blob), chunk)));
        prop_assert!(space.blob(BlobId(blob)).contains(&key) && space.blobs().contains(&key));
        prop_assert!(!space.without_stream().iter().any(|range| range.contains(&key)));
    }

    #[test]
    fn noise_and_cut_keys_are_corrupt_and_never_a_panic(noise in any_bytes(), family in prop::sample::select(&b"mnixcv"[..]), cut in 0_usize..40) {
        let space = space();
        let mut key = space.family(family, 0);
        key.extend(noise);
        let _ = (space.parse_item(&key), space.parse_index_entry(&key), space.parse_chunk(&key), space.parse_record(&key));
        let whole = space.index_entry(IndexId(1), IndexKey {
            partition: &[KeyValue::S("partition")],
            sort: &[KeyValue::S("sort")],
            base: PrimaryKey { partition: KeyValue::S("base"), sort: None },
        });
        let cut = whole.len().saturating_sub(cut + 1);
        prop_assert!(space.parse_index_entry(whole.get(..cut).unwrap_or_default()).is_err());
    }
}

#[test]
fn a_database_on_a_cluster_lies_behind_a_tuple_of_foundationdbs() {
    let begin = |name| Keyspace::on_cluster(name).everything().begin;
    assert_eq!(begin("shop"), b"\x02fdyno\0\x02shop\0");
    assert_eq!(begin(""), b"\x02fdyno\0\x02\0");
    assert!(!Keyspace::on_cluster("shop").everything().contains(&begin("shops")));
}

#[test]
fn the_worst_index_keys_fit_foundationdb() {
    let longest = Keyspace::on_cluster(&"x".repeat(48));
    assert!(longest.everything().begin.len() <= 64);
    let space = Keyspace::new([0xFF; 64]).table(TableId(u64::MAX));
    for byte in [0_u8, 1, 0xFE, 0xFF] {
        let (long, short) = (vec![byte; 2048], vec![byte; 1024]);
        let base = PrimaryKey { partition: KeyValue::B(&long), sort: Some(KeyValue::B(&short)) };
        let single = space.index_entry(
            IndexId(u32::MAX),
            IndexKey { partition: &[base.partition], sort: &[KeyValue::B(&short)], base },
        );
        // Four attributes to each side share AWS's limits of one partition and one sort key.
        let (quarter, eighth) = (vec![byte; 512], vec![byte; 256]);
        let multiple = space.index_entry(
            IndexId(u32::MAX),
            IndexKey { partition: &[KeyValue::B(&quarter); 4], sort: &[KeyValue::B(&eighth); 4], base },
        );
        for key in [single, multiple, space.item(base)] {
            assert!(key.len() < kv::limits::KEY, "{} bytes of {byte}", key.len());
        }
    }
    let zeros = "\0".repeat(2048);
    let base = PrimaryKey { partition: KeyValue::S(&zeros), sort: zeros.get(..1024).map(KeyValue::S) };
    let key = space
        .index_entry(IndexId(1), IndexKey { partition: &[base.partition], sort: &[KeyValue::S(&zeros[..1024])], base });
    assert!(key.len() < 7_400);
}

#[test]
fn keys_have_their_published_bytes() {
    let space = Keyspace::new(*b"p").table(TableId(1));
    assert_eq!(space.metadata_version(), b"p\x10\0\0\0\0\0\0\0\x01m\0");
    assert_eq!(space.definition(), b"p\x10\0\0\0\0\0\0\0\x01m\x01");
    assert_eq!(space.counter(IndexId::TABLE, Counter::Bytes), b"p\x10\0\0\0\0\0\0\0\x01n\0\0\0\0\x01");
    assert!(space.counters(IndexId(3)).contains(&space.counter(IndexId(3), Counter::Items)));
    let hash = xxh3_64(b"\x13\x01k").to_be_bytes();
    let item = space.item(PrimaryKey { partition: KeyValue::S("k"), sort: Some(KeyValue::N(12.into())) });
    assert_eq!(item, [&b"p\x10\0\0\0\0\0\0\0\x01i"[..], &hash, b"\x13\x01k", b"\x22\x03\x83\x18"].concat());
    let entry = space.index_entry(
        IndexId(2),
        IndexKey {
            partition: &[KeyValue::S("k")],
            sort: &[KeyValue::B(&[0])],
            base: PrimaryKey { partition: KeyValue::N(0.into()), sort: Some(KeyValue::S("s")) },
        },
    );
    let tail = b"\x21\0\xFF\0\x30\x12\x01\x02\x13\x01s";
    assert_eq!(entry, [&b"p\x10\0\0\0\0\0\0\0\x01x\0\0\0\x02"[..], &hash, b"\x13\x01k", tail].concat());
    assert_eq!(decode_counter(&encode_counter(-5)), Ok(-5));
    assert!(decode_counter(&[0; 7]).is_err());
}

#[test]
fn a_segment_that_does_not_exist_is_empty() {
    let space = space();
    assert!(space.items_of_segment(4, 4).is_empty());
    assert!(space.items_of_segment(0, 0).is_empty());
    assert_eq!(space.items_of_segment(0, 1).end, space.items().end);
}
