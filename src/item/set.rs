//! The one way sets come about: sorted, without duplicates, never empty; else AWS's message.
//!
//! The three messages for empty sets and the three for duplicates differ on AWS, double spaces and all (issues
//! 3297 of aws/aws-sdk-net and 113 of zio/zio-dynamodb show the first two).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AttributeValue, Invalid, Number};

impl AttributeValue {
    /// The string set of `members`, in any order.
    pub fn string_set(mut members: Vec<String>) -> Result<Self, Invalid> {
        if members.is_empty() {
            return Err(invalid("An string set  may not be empty"));
        }
        if has_duplicates(&members) {
            return Err(invalid(&format!("Input collection [{}] contains duplicates.", members.join(", "))));
        }
        members.sort_unstable();
        Ok(Self::SS(members))
    }

    /// The number set of `members`, in any order.
    pub fn number_set(mut members: Vec<Number>) -> Result<Self, Invalid> {
        if members.is_empty() {
            return Err(invalid("An number set  may not be empty"));
        }
        if has_duplicates(&members) {
            return Err(Invalid::new("Input collection contains duplicates"));
        }
        members.sort_unstable();
        Ok(Self::NS(members))
    }

    /// The binary set of `members`, in any order.
    pub fn binary_set(mut members: Vec<Vec<u8>>) -> Result<Self, Invalid> {
        if members.is_empty() {
            return Err(invalid("Binary sets should not be empty"));
        }
        if has_duplicates(&members) {
            let shown: Vec<String> = members.iter().map(|member| STANDARD.encode(member)).collect();
            return Err(invalid(&format!("Input collection [{}]of type BS contains duplicates.", shown.join(", "))));
        }
        members.sort_unstable();
        Ok(Self::BS(members))
    }
}

/// Leaves the members in their order, which the message about duplicates shows.
fn has_duplicates<T: Ord>(members: &[T]) -> bool {
    if members.is_sorted_by(|one, two| one < two) {
        return false;
    }
    let mut sorted: Vec<&T> = members.iter().collect();
    sorted.sort_unstable();
    !sorted.is_sorted_by(|one, two| one < two)
}

fn invalid(detail: &str) -> Invalid {
    Invalid(format!("One or more parameter values were invalid: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<AttributeValue, Invalid>) -> String {
        result.err().map(|invalid| invalid.0).unwrap_or_default()
    }

    #[test]
    fn sets_are_sorted_and_equal_whatever_their_order() {
        let set = |members: [&str; 3]| AttributeValue::string_set(members.map(str::to_owned).to_vec());
        assert_eq!(set(["b", "", "a"]), set(["a", "b", ""]));
        assert_eq!(
            AttributeValue::number_set(vec![10.into(), (-1).into(), 9.into()]),
            Ok(AttributeValue::NS(vec![(-1).into(), 9.into(), 10.into()]))
        );
    }

    #[test]
    fn empty_and_repeating_sets_are_refused_in_words_of_aws() {
        let prefix = "One or more parameter values were invalid: ";
        for (result, expected) in [
            (AttributeValue::string_set(vec![]), "An string set  may not be empty"),
            (AttributeValue::number_set(vec![]), "An number set  may not be empty"),
            (AttributeValue::binary_set(vec![]), "Binary sets should not be empty"),
            (
                AttributeValue::string_set(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]),
                "Input collection [b, a, b] contains duplicates.",
            ),
            (
                AttributeValue::binary_set(vec![b"b".to_vec(), b"b".to_vec()]),
                "Input collection [Yg==, Yg==]of type BS contains duplicates.",
            ),
        ] {
            assert_eq!(message(result), format!("{prefix}{expected}"));
        }
        assert_eq!(
            message(AttributeValue::number_set(vec![1.into(), 1.into()])),
            "Input collection contains duplicates"
        );
    }
}
