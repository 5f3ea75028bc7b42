//! How far vectors are from each other: the three functions of the service's model, over vectors as index entries hold them.
//!
//! Sums are kept in several lanes, and plainly written: the compiler makes vector instructions of them, and a library of such
//! instructions was hardly faster (docs/design.md). They are 32-bit floats, as what is summed; where those overflow, or vanish, everything is computed once more in 64
//! bits. Equal vectors are exactly 0 apart by COSINE and EUCLIDEAN, since all sums of a pair are taken in one order.

use serde::{Deserialize, Serialize};

/// How the likeness of two vectors is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DistanceFunction {
    /// One less the cosine of the angle between them: 0 to 2, the least first.
    Cosine,
    /// The greatest first.
    DotProduct,
    /// The least first.
    Euclidean,
}

impl DistanceFunction {
    pub const ALL: [Self; 3] = [Self::Cosine, Self::DotProduct, Self::Euclidean];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Cosine => "COSINE",
            Self::DotProduct => "DOT_PRODUCT",
            Self::Euclidean => "EUCLIDEAN",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// What scores are ordered by, the least first. Never a negative zero, which would not equal zero in that order.
    pub(super) fn rank(self, score: f64) -> f64 {
        match self {
            Self::Cosine | Self::Euclidean => score + 0.0,
            Self::DotProduct => 0.0 - score,
        }
    }
}

/// The vector that others are compared with.
pub(super) struct Target<'a> {
    function: DistanceFunction,
    vector: &'a [f32],
    /// Its square, summed as those of the others are.
    square: f32,
}

impl<'a> Target<'a> {
    pub(super) fn new(function: DistanceFunction, vector: &'a [f32]) -> Self {
        let bytes: Vec<u8> = vector.iter().flat_map(|component| component.to_le_bytes()).collect();
        let square = sum(vector, &bytes, |one, two| one * two);
        Self { function, vector, square }
    }

    /// The score of a vector of the same dimensions: of four bytes each, little-endian.
    pub(super) fn score(&self, other: &[u8]) -> f64 {
        match self.function {
            DistanceFunction::Cosine => {
                let product = sum(self.vector, other, |one, two| one * two);
                let square = sum(self.vector, other, |_, two| two * two);
                if product.is_finite() && self.square.is_normal() && square.is_normal() {
                    cosine_distance(product.into(), self.square.into(), square.into())
                } else {
                    self.wide_cosine(other)
                }
            }
            DistanceFunction::DotProduct => {
                let product = sum(self.vector, other, |one, two| one * two);
                if product.is_finite() { product.into() } else { self.wide(other, |one, two| one * two) }
            }
            DistanceFunction::Euclidean => {
                let square = sum(self.vector, other, |one, two| (one - two) * (one - two));
                if square.is_normal() {
                    f64::from(square.sqrt())
                } else {
                    self.wide(other, |one, two| (one - two) * (one - two)).sqrt()
                }
            }
        }
    }

    fn wide(&self, other: &[u8], of: impl Fn(f64, f64) -> f64) -> f64 {
        let (components, _) = other.as_chunks();
        self.vector.iter().zip(components).map(|(one, two)| of((*one).into(), f32::from_le_bytes(*two).into())).sum()
    }

    fn wide_cosine(&self, other: &[u8]) -> f64 {
        let product = self.wide(other, |one, two| one * two);
        let (one, two) = (self.wide(other, |one, _| one * one), self.wide(other, |_, two| two * two));
        cosine_distance(product, one, two)
    }
}

/// Between vectors whose squares are these. A vector of zeros has no direction: it is as far from everything as from what is
/// perpendicular to it.
fn cosine_distance(product: f64, one: f64, two: f64) -> f64 {
    if one == 0.0 || two == 0.0 {
        return 1.0;
    }
    // The square of a 32-bit float is exact in 64 bits, and so is its root: equal vectors have the cosine 1.
    let cosine = product / (one * two).sqrt();
    // As exact as what it was computed from.
    f64::from((1.0 - cosine).clamp(0.0, 2.0) as f32)
}

/// As many as the compiler keeps in registers of every machine: with more the sums go through memory, and take four times as long.
const LANES: usize = 8;

/// The sum of what `of` makes of each pair of components.
fn sum(one: &[f32], two: &[u8], of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (ones, last_ones) = one.as_chunks::<LANES>();
    let (twos, _) = two.as_chunks::<4>();
    let (twos, last_twos) = twos.as_chunks::<LANES>();
    for (ones, twos) in ones.iter().zip(twos) {
        for (sum, (one, two)) in sums.iter_mut().zip(ones.iter().zip(twos)) {
            *sum += of(*one, f32::from_le_bytes(*two));
        }
    }
    for (sum, (one, two)) in sums.iter_mut().zip(last_ones.iter().zip(last_twos)) {
        *sum += of(*one, f32::from_le_bytes(*two));
    }
    added(&sums)
}

/// Pairwise, so that errors grow with the logarithm of how many there are.
fn added(sums: &[f32; LANES]) -> f32 {
    let mut sums = *sums;
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high.iter()) {
            *low += *high;
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(vector: &[f32]) -> Vec<u8> {
        vector.iter().flat_map(|component| component.to_le_bytes()).collect()
    }

    fn score(function: DistanceFunction, one: &[f32], two: &[f32]) -> f64 {
        Target::new(function, one).score(&bytes(two))
    }

    /// By the definitions, in 64 bits.
    fn expected(function: DistanceFunction, one: &[f32], two: &[f32]) -> f64 {
        let sum = |of: fn(f64, f64) -> f64| -> f64 {
            one.iter().zip(two).map(|(one, two)| of((*one).into(), (*two).into())).sum()
        };
        let product = sum(|one, two| one * two);
        match function {
            DistanceFunction::DotProduct => product,
            DistanceFunction::Euclidean => sum(|one, two| (one - two).powi(2)).sqrt(),
            DistanceFunction::Cosine => {
                let (one, two) = (sum(|one, _| one * one), sum(|_, two| two * two));
                if one == 0.0 || two == 0.0 { 1.0 } else { 1.0 - product / (one.sqrt() * two.sqrt()) }
            }
        }
    }

    fn pairs(largest: f32) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
        (1_usize..200).prop_flat_map(move |dimensions| {
            let vector = prop::collection::vec(-largest..=largest, dimensions);
            (vector.clone(), vector)
        })
    }

    proptest! {
        #[test]
        fn scores_are_those_of_the_definitions((one, two) in pairs(1.0)) {
            for function in DistanceFunction::ALL {
                let (found, wanted) = (score(function, &one, &two), expected(function, &one, &two));
                prop_assert!((found - wanted).abs() < 1e-4, "{function:?}: {found} and not {wanted}");
            }
        }

        #[test]
        fn sums_that_overflow_or_vanish_are_wider((one, two) in pairs(1.0), power in prop::sample::select(vec![-38_i32, -25, 25, 38])) {
            let scaled = |vector: &[f32]| -> Vec<f32> { vector.iter().map(|component| component * 10_f32.powi(power)).collect() };
            let (one, two) = (scaled(&one), scaled(&two));
            for function in DistanceFunction::ALL {
                let (found, wanted) = (score(function, &one, &two), expected(function, &one, &two));
                let most = if function == DistanceFunction::Cosine { 1e-4 } else { 1e-4 * 200.0 * 10_f64.powi(power).max(10_f64.powi(2 * power)) };
                prop_assert!(found.is_finite() && (found - wanted).abs() <= most, "{function:?}: {found} and not {wanted}");
            }
        }

        #[test]
        fn a_vector_is_nothing_apart_from_itself((one, _) in pairs(1e3)) {
            if one.iter().any(|component| *component != 0.0) {
                prop_assert_eq!(score(DistanceFunction::Cosine, &one, &one), 0.0);
                let opposite: Vec<f32> = one.iter().map(|component| -component).collect();
                prop_assert_eq!(score(DistanceFunction::Cosine, &one, &opposite), 2.0);
            }
            prop_assert_eq!(score(DistanceFunction::Euclidean, &one, &one), 0.0);
        }
    }

    /// As measured on DynamoDB (nubo-db/dynamodb-conformance, vectorSearch/search, 2026-08).
    #[test]
    fn scores_are_those_that_were_measured() {
        let vectors = [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]];
        for (function, measured) in [
            (DistanceFunction::Cosine, [0.0, 0.4, 1.0, 2.0]),
            (DistanceFunction::DotProduct, [1.0, 0.6, 0.0, -1.0]),
            (DistanceFunction::Euclidean, [0.0, 0.8_f64.sqrt(), 2_f64.sqrt(), 2.0]),
        ] {
            let scores = vectors.map(|vector| score(function, &[1.0, 0.0, 0.0], &vector));
            assert_eq!((scores[0], scores[3]), (measured[0], measured[3]), "{function:?}");
            assert!(scores.iter().zip(measured).all(|(found, wanted)| (found - wanted).abs() < 5e-7), "{scores:?}");
        }
    }

    #[test]
    fn zeros_are_perpendicular_to_everything() {
        for vector in [[0.0, 0.0], [3.0, 4.0]] {
            assert_eq!(score(DistanceFunction::Cosine, &[0.0, 0.0], &vector), 1.0);
            assert_eq!(score(DistanceFunction::Cosine, &vector, &[0.0, 0.0]), 1.0);
        }
        assert_eq!(DistanceFunction::DotProduct.rank(0.0).to_bits(), DistanceFunction::DotProduct.rank(-0.0).to_bits());
    }
}
