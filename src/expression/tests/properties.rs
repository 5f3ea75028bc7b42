//! Properties: conditions mean what an independent model says, removals what filtering says, and no text panics.

use proptest::prelude::*;

use super::*;

/// A condition over the attributes `p`, `q`, `r`, each of which is a small number or missing.
#[derive(Clone, Debug)]
enum Model {
    /// Attribute, comparator, number.
    Leaf(&'static str, &'static str, i64),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
}

const COMPARATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

fn models() -> impl Strategy<Value = Model> {
    let leaf = (prop::sample::select(vec!["p", "q", "r"]), prop::sample::select(COMPARATORS.to_vec()), 0..4i64)
        .prop_map(|(attribute, comparator, number)| Model::Leaf(attribute, comparator, number));
    leaf.prop_recursive(8, 48, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Model::Not(Box::new(one))),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| Model::And(Box::new(one), Box::new(two))),
            (inner.clone(), inner).prop_map(|(one, two)| Model::Or(Box::new(one), Box::new(two))),
        ]
    })
}

impl Model {
    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Leaf(attribute, comparator, number) => match item.get(attribute) {
                None => *comparator == "<>",
                Some(AttributeValue::N(value)) => {
                    let value = value.to_i64().unwrap();
                    match *comparator {
                        "=" => value == *number,
                        "<>" => value != *number,
                        "<" => value < *number,
                        "<=" => value <= *number,
                        ">" => value > *number,
                        _ => value >= *number,
                    }
                }
                Some(_) => unreachable!("only numbers"),
            },
            Self::Not(one) => !one.holds(item),
            Self::And(one, two) => one.holds(item) && two.holds(item),
            Self::Or(one, two) => one.holds(item) || two.holds(item),
        }
    }

    const fn strength(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) => 1,
            Self::Not(_) => 2,
            Self::Leaf(..) => 3,
        }
    }

    /// Prints with the parentheses that are needed, and, where a bit of `extra` says so, others.
    fn print(&self, least: u8, extra: &mut u64) -> String {
        let more = *extra & 1 == 1;
        *extra = extra.rotate_right(1);
        let text = match self {
            Self::Leaf(attribute, comparator, number) => format!("{attribute} {comparator} :{number}"),
            Self::Not(one) => format!("NOT {}", one.print(2, extra)),
            Self::And(one, two) => format!("{} AND {}", one.print(1, extra), two.print(1, extra)),
            Self::Or(one, two) => format!("{} or {}", one.print(0, extra), two.print(0, extra)),
        };
        if more || self.strength() < least { format!("({text})") } else { text }
    }
}

proptest! {
    #[test]
    fn conditions_mean_what_the_model_says(
        model in models(),
        mut extra in any::<u64>(),
        numbers in prop::collection::vec(prop::option::of(0..4i64), 3),
    ) {
        let text = model.print(0, &mut extra);
        prop_assume!(text.len() <= 4096);
        let values = item(&[(":0", v(0)), (":1", v(1)), (":2", v(2)), (":3", v(3))]);
        let mut substitutions = Substitutions::new(None, Some(&values)).unwrap();
        let condition = Condition::parse(Kind::Filter, &text, &mut substitutions).unwrap();
        let subject: Item = ["p", "q", "r"]
            .iter()
            .zip(&numbers)
            .filter_map(|(name, number)| Some(((*name).into(), v((*number)?))))
            .collect();
        prop_assert_eq!(condition.matches(Some(&subject)), model.holds(&subject), "{}", text);
    }

    #[test]
    fn removing_elements_is_filtering_by_their_indexes(
        length in 0..12usize,
        mut indexes in prop::collection::vec(0..14usize, 1..8),
    ) {
        indexes.sort_unstable();
        indexes.dedup();
        let text = indexes.iter().rev().map(|at| format!("l[{at}]")).collect::<Vec<_>>().join(", ");
        let elements: Vec<_> = (0..length).map(|at| v(i64::try_from(at).unwrap())).collect();
        let left: Vec<_> =
            elements.iter().enumerate().filter(|(at, _)| !indexes.contains(at)).map(|(_, value)| value.clone()).collect();
        let old = item(&[("l", list(&elements))]);
        let new = update(&format!("REMOVE {text}")).unwrap().apply(Some(&old), &Item::new()).unwrap();
        prop_assert_eq!(new, item(&[("l", list(&left))]));
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        super::hostile::survives(&text);
    }

    #[test]
    fn no_sequence_of_tokens_panics(tokens in prop::collection::vec(prop::sample::select(vec![
        "a", "b", "#a", "#x", ":n", ":s", ":ss", ":l", ":x", "(", ")", "[", "]", "0", "17", ".", ",", "=", "<>", "<", "+",
        "-", "AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE", "size", "contains", "begins_with",
        "attribute_exists", "attribute_type", "if_not_exists", "list_append", "name", "é", "_",
    ]), 0..24)) {
        super::hostile::survives(&tokens.join(" "));
        super::hostile::survives(&tokens.concat());
    }
}
