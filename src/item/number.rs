//! DynamoDB numbers: up to 38 significant digits, magnitudes 1E-130 to 9.99…E+125, either sign, and zero.
//!
//! Every number has one representation, so `==` and `Hash` are numeric. Arithmetic is exact: a result that needs
//! more than 38 digits is an error, never rounded. Limits: Amazon DynamoDB Developer Guide, "Supported data types and
//! naming rules", Number.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::Invalid;

/// Most significant digits a number may have.
pub const MAX_DIGITS: u32 = 38;
/// Largest power of ten of a number's leading digit.
pub const MAX_MAGNITUDE: i16 = 125;
/// Smallest power of ten of a number's leading digit.
pub const MIN_MAGNITUDE: i16 = -130;

/// A decimal number in its one normal form: `±coefficient × 10^exponent`, the coefficient without trailing zeros;
/// zero is `+0 × 10^0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// At most 38 digits, so it fits.
    coefficient: u128,
    exponent: i16,
}

impl Number {
    pub const ZERO: Self = Self { negative: false, coefficient: 0, exponent: 0 };

    /// Parses what DynamoDB accepts as a number: a sign, digits with at most one point among or beside them, an exponent.
    /// White space, hexadecimal digits, `NaN` and infinities are refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Some(scanned) = Scanned::scan(text.as_bytes()) else {
            // For an empty text AWS's message ends without the colon.
            let detail = if text.is_empty() { String::new() } else { format!(": {text}") };
            return Err(Invalid(format!("The parameter cannot be converted to a numeric value{detail}")));
        };
        scanned.into_number()
    }

    /// The number `±coefficient × 10^exponent`, brought to its normal form.
    ///
    /// Errors as [`Number::parse`] does when it has too many digits or too large or small a magnitude.
    pub fn from_parts(negative: bool, coefficient: u128, exponent: i16) -> Result<Self, Invalid> {
        let (coefficient, stripped) = strip_trailing_zeros(coefficient);
        Self::checked(negative, coefficient, i64::from(exponent) + i64::from(stripped))
    }

    /// Sign (true when negative), coefficient and exponent of the normal form.
    pub const fn to_parts(&self) -> (bool, u128, i16) {
        (self.negative, self.coefficient, self.exponent)
    }

    /// Checks the limits; the coefficient must be free of trailing zeros.
    fn checked(negative: bool, coefficient: u128, exponent: i64) -> Result<Self, Invalid> {
        let digits = digits(coefficient);
        if digits == 0 {
            return Ok(Self::ZERO);
        }
        check_limits(i64::from(digits), exponent)?;
        // Lossless: within the limits the exponent lies between -167 and 125.
        let exponent = i16::try_from(exponent).map_err(|_| overflow())?;
        Ok(Self { negative, coefficient, exponent })
    }

    /// How many significant digits the number has; zero has none.
    pub const fn digits(&self) -> u32 {
        digits(self.coefficient)
    }

    /// The power of ten of the leading digit: 2 for 123, -1 for 0.5. Zero has 0.
    pub fn magnitude(&self) -> i16 {
        match digits(self.coefficient) {
            0 => 0,
            // At most 39 digits, so it fits.
            digits => self.exponent + i16::try_from(digits - 1).unwrap_or(0),
        }
    }

    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    pub const fn is_zero(&self) -> bool {
        self.coefficient == 0
    }

    /// Whether the number has no fraction.
    pub const fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The number as an `i64`, if it is an integer in that range.
    pub fn to_i64(&self) -> Option<i64> {
        let power = 10_u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let magnitude = i128::try_from(self.coefficient.checked_mul(power)?).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// The least integer that is not below the number, if it is an `i64`.
    pub fn ceiling(&self) -> Option<i64> {
        let Ok(places) = u32::try_from(-self.exponent) else { return self.to_i64() };
        // With more places than a coefficient has digits it is all fraction, and not zero.
        let (whole, is_exact) = match 10_u128.checked_pow(places) {
            Some(power) => (self.coefficient / power, self.coefficient.is_multiple_of(power)),
            None => (0, false),
        };
        let whole = i128::try_from(whole).ok()?;
        i64::try_from(if self.negative { -whole } else { whole + i128::from(!is_exact) }).ok()
    }

    #[must_use]
    pub const fn negated(&self) -> Self {
        Self { negative: !self.negative && self.coefficient != 0, ..*self }
    }

    /// The exact sum.
    pub fn checked_add(&self, other: &Self) -> Result<Self, Invalid> {
        if self.is_zero() {
            return Ok(*other);
        }
        if other.is_zero() {
            return Ok(*self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // The low coefficient's last digit is not zero. So when the high one, shifted to the same exponent, does not
        // fit 128 bits, the result has more than 38 digits: it is at least 3.4E38 - 1E38 long.
        let gap = u32::try_from(high.exponent - low.exponent).map_err(|_| too_many_digits())?;
        let shifted = 10_u128
            .checked_pow(gap)
            .and_then(|power| high.coefficient.checked_mul(power))
            .ok_or_else(|| exceeds(high, low))?;
        let (negative, coefficient) = if high.negative == low.negative {
            (high.negative, shifted.checked_add(low.coefficient).ok_or_else(|| exceeds(high, low))?)
        } else {
            match shifted.cmp(&low.coefficient) {
                Ordering::Equal => return Ok(Self::ZERO),
                Ordering::Greater => (high.negative, shifted - low.coefficient),
                Ordering::Less => (low.negative, low.coefficient - shifted),
            }
        };
        Self::from_parts(negative, coefficient, low.exponent)
    }

    /// The exact difference.
    pub fn checked_sub(&self, other: &Self) -> Result<Self, Invalid> {
        self.checked_add(&other.negated())
    }
}

/// What a text says, before the limits are checked.
#[derive(Default)]
struct Scanned {
    negative: bool,
    /// The significant digits without trailing zeros, as far as 38 of them.
    coefficient: u128,
    /// How many those are, counting beyond 38.
    digits: i64,
    exponent: i64,
}

impl Scanned {
    fn scan(text: &[u8]) -> Option<Self> {
        let mut scanned = Self::default();
        let (negative, rest) = split_sign(text);
        scanned.negative = negative;
        let (mut any_digit, mut after_point, mut fraction, mut zeros) = (false, false, 0_i64, 0_i64);
        let mut bytes = rest.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'0'..=b'9' => {
                    any_digit = true;
                    fraction += i64::from(after_point);
                    scanned.push(byte - b'0', &mut zeros);
                }
                b'.' if !after_point => after_point = true,
                b'e' | b'E' if any_digit => {
                    scanned.exponent = scan_exponent(bytes.as_slice())?;
                    break;
                }
                _ => return None,
            }
        }
        scanned.exponent += zeros - fraction;
        any_digit.then_some(scanned)
    }

    /// Takes one more digit; zeros wait in `zeros` until it is known that they do not trail.
    fn push(&mut self, digit: u8, zeros: &mut i64) {
        if digit == 0 {
            *zeros += i64::from(self.digits > 0);
            return;
        }
        self.digits += *zeros + 1;
        if self.digits <= i64::from(MAX_DIGITS) {
            for _ in 0..=*zeros {
                self.coefficient *= 10;
            }
            self.coefficient += u128::from(digit);
        }
        *zeros = 0;
    }

    fn into_number(self) -> Result<Number, Invalid> {
        if self.digits == 0 {
            return Ok(Number::ZERO);
        }
        check_limits(self.digits, self.exponent)?;
        Number::checked(self.negative, self.coefficient, self.exponent)
    }
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

fn scan_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Far outside the range already, and far from where i64 ends.
    const ENOUGH: i64 = 1_000_000_000_000;
    let exponent = digits.iter().fold(0, |value: i64, digit| ENOUGH.min(value * 10 + i64::from(digit - b'0')));
    Some(if negative { -exponent } else { exponent })
}

fn check_limits(digits: i64, exponent: i64) -> Result<(), Invalid> {
    let magnitude = exponent + digits - 1;
    if magnitude > i64::from(MAX_MAGNITUDE) {
        Err(overflow())
    } else if magnitude < i64::from(MIN_MAGNITUDE) {
        Err(underflow())
    } else if digits > i64::from(MAX_DIGITS) {
        Err(too_many_digits())
    } else {
        Ok(())
    }
}

/// Why a sum that does not fit 128 bits is refused.
fn exceeds(high: &Number, low: &Number) -> Invalid {
    let digits = i64::from(high.magnitude()) - i64::from(low.exponent) + 1;
    check_limits(digits, i64::from(low.exponent)).err().unwrap_or_else(too_many_digits)
}

fn too_many_digits() -> Invalid {
    Invalid("Attempting to store more than 38 significant digits in a Number".to_owned())
}

fn overflow() -> Invalid {
    Invalid("Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned())
}

fn underflow() -> Invalid {
    Invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range".to_owned())
}

const fn digits(coefficient: u128) -> u32 {
    match coefficient.checked_ilog10() {
        Some(log) => log + 1,
        None => 0,
    }
}

fn strip_trailing_zeros(mut coefficient: u128) -> (u128, i16) {
    let mut stripped = 0;
    // 64-bit division is many times cheaper, and nearly every number is that short.
    while coefficient > u128::from(u64::MAX) && coefficient.is_multiple_of(10) {
        coefficient /= 10;
        stripped += 1;
    }
    let Ok(mut short) = u64::try_from(coefficient) else {
        return (coefficient, stripped);
    };
    while short != 0 && short.is_multiple_of(10) {
        short /= 10;
        stripped += 1;
    }
    (u128::from(short), stripped)
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.is_zero(), number.negative) {
            (true, _) => 0_i8,
            (false, true) => -1,
            (false, false) => 1,
        };
        let ordering = sign(self).cmp(&sign(other)).then_with(|| compare_magnitudes(self, other));
        if self.negative && other.negative { ordering.reverse() } else { ordering }
    }
}

fn compare_magnitudes(one: &Number, two: &Number) -> Ordering {
    one.magnitude().cmp(&two.magnitude()).then_with(|| {
        // Equal leading positions: brought to 38 digits each, the coefficients compare as they are.
        let widened = |number: &Number| {
            number.coefficient.saturating_mul(10_u128.saturating_pow(MAX_DIGITS.saturating_sub(number.digits())))
        };
        widened(one).cmp(&widened(two))
    })
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Plain digits, never an exponent: 1E+2 is shown as 100, as DynamoDB answers.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let Ok(point) = usize::try_from(-self.exponent) else {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{}{:0>zeros$}", self.coefficient, "");
        };
        if point == 0 {
            return write!(f, "{}", self.coefficient);
        }
        let digits = self.coefficient.to_string();
        match digits.len().checked_sub(point).filter(|whole| *whole > 0) {
            Some(whole) => {
                let (whole, fraction) = digits.split_at(whole);
                write!(f, "{whole}.{fraction}")
            }
            None => write!(f, "0.{digits:0>point$}"),
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        let (coefficient, exponent) = strip_trailing_zeros(u128::from(value.unsigned_abs()));
        Self { negative: value < 0, coefficient, exponent }
    }
}

impl FromStr for Number {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
