//! Numbers as 32-bit floats, in which vector indexes keep and compare them.
//!
//! A number becomes the float nearest to it (ties to even), a float the shortest decimal that names it: so a float survives
//! being written as a number and read again.

use super::Number;

/// Powers of ten that a 64-bit float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

impl Number {
    /// The float nearest to the number; `None` if that is infinite. A number too small for one is zero.
    pub fn to_f32(&self) -> Option<f32> {
        let (negative, coefficient, exponent) = self.to_parts();
        let magnitude = through_f64(coefficient, exponent).unwrap_or_else(|| through_text(coefficient, exponent));
        magnitude.is_finite().then_some(if negative { -magnitude } else { magnitude })
    }

    /// The shortest decimal that names the float; `None` if it is no number.
    pub fn from_f32(value: f32) -> Option<Self> {
        Self::parse(&value.to_string()).ok()
    }
}

/// By one exact operation on 64-bit floats, where there is one. Rounded once more, its result is the nearest float unless the
/// first rounding made it look like the middle between two.
fn through_f64(coefficient: u128, exponent: i16) -> Option<f32> {
    const DROPPED_BITS: u64 = (1 << 29) - 1;
    const MIDDLE: u64 = 1 << 28;
    let power = POWERS.get(usize::from(exponent.unsigned_abs()))?;
    if coefficient > 1 << f64::MANTISSA_DIGITS {
        return None;
    }
    let wide = if exponent < 0 { coefficient as f64 / power } else { coefficient as f64 * power };
    (wide.to_bits() & DROPPED_BITS != MIDDLE).then_some(wide as f32)
}

fn through_text(coefficient: u128, exponent: i16) -> f32 {
    // Digits and an exponent are always a float's text.
    format!("{coefficient}e{exponent}").parse().unwrap_or(f32::INFINITY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(text: &str) -> Option<f32> {
        Number::parse(text).ok()?.to_f32()
    }

    /// As the standard library reads its text.
    fn parsed(number: &Number) -> Option<f32> {
        number.to_string().parse().ok().filter(|value: &f32| value.is_finite())
    }

    proptest! {
        #[test]
        fn floats_survive_as_numbers(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            let number = Number::from_f32(value);
            prop_assert_eq!(number.is_some(), value.is_finite());
            if let Some(number) = number {
                // Numbers have no negative zero.
                prop_assert_eq!(number.to_f32().map(f32::to_bits), Some((value + 0.0).to_bits()));
            }
        }

        #[test]
        fn numbers_become_the_nearest_float(coefficient in 0..10_u128.pow(38), places in 0_i16..80, negative: bool) {
            if let Ok(number) = Number::from_parts(negative, coefficient, -places) {
                prop_assert_eq!(number.to_f32(), parsed(&number));
            }
        }

        #[test]
        fn short_numbers_become_the_nearest_float(coefficient in 0..1_u64 << 54, places in -25_i16..25) {
            if let Ok(number) = Number::from_parts(false, coefficient.into(), places) {
                prop_assert_eq!(number.to_f32(), parsed(&number));
            }
        }

        #[test]
        fn what_lies_around_the_middle_of_two_floats_goes_to_the_nearer(bits in 0x0080_0000_u32..0x7F00_0000, nudge in -1_i64..=1) {
            let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
            let middle = f64::midpoint(low.into(), high.into());
            let near = f64::from_bits(middle.to_bits().wrapping_add_signed(nudge));
            if let Ok(number) = Number::parse(&near.to_string()) {
                prop_assert_eq!(number.to_f32(), parsed(&number));
            }
        }
    }

    #[test]
    fn the_largest_and_the_smallest_are_told_apart() {
        assert_eq!(float("0"), Some(0.0));
        assert_eq!(float("16777217"), Some(16_777_216.0));
        assert_eq!(float("-0.1"), Some(-0.1));
        assert_eq!(float("340282346638528859811704183484516925440"), Some(f32::MAX));
        assert_eq!(float("3.4028235677973367E38"), None);
        assert_eq!(float("-1E125"), None);
        assert_eq!(float("1E-130"), Some(0.0));
        assert_eq!(float("1E-45"), Some(f32::from_bits(1)));
        assert_eq!(Number::from_f32(f32::NAN), None);
        assert_eq!(Number::from_f32(0.1).map(|number| number.to_string()), Some("0.1".to_owned()));
    }
}
