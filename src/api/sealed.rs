//! Sealed tokens: what a caller hands back unread, and this database alone can have written.
//!
//! Base64 text of the content and a keyed hash over it. The key comes from the database's id and from what the token is for, so
//! a token of another database or of another kind, or one that was changed, does not open.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub const HASH_BYTES: usize = 16;

/// Digits that go together, and how many there are at least.
const GROUP: usize = 16;
const LEAST_DIGITS: usize = 112;

/// The token of a content. `purpose` is a text that no other kind of token has.
pub fn seal(mut content: Vec<u8>, purpose: &str, database_id: &[u8; 16]) -> String {
    let hash = hash(&content, purpose, database_id);
    content.extend(hash);
    URL_SAFE_NO_PAD.encode(content)
}

/// The content of a token; `None` unless it was sealed here and for this.
pub fn open(token: &str, purpose: &str, database_id: &[u8; 16]) -> Option<Vec<u8>> {
    let mut content = URL_SAFE_NO_PAD.decode(token).ok()?;
    let given = content.split_off(content.len().checked_sub(HASH_BYTES)?);
    is_same(&hash(&content, purpose, database_id), &given).then_some(content)
}

/// As [`seal`], in groups of sixteen hexadecimal digits, seven at least: the form of some of AWS's tokens.
pub fn seal_in_digits(content: &[u8], purpose: &str, database_id: &[u8; 16]) -> String {
    let mut padded = content.to_vec();
    // One byte, which ends the content, and zeros: with the hash behind it a whole number of groups.
    padded.push(1);
    while padded.len() < LEAST_DIGITS / 2 - HASH_BYTES || !(padded.len() + HASH_BYTES).is_multiple_of(GROUP / 2) {
        padded.push(0);
    }
    let hash = hash(&padded, purpose, database_id);
    padded.extend(hash);
    padded.iter().fold(String::with_capacity(padded.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As [`open`], of what `seal_in_digits` gave.
pub fn open_digits(token: &str, purpose: &str, database_id: &[u8; 16]) -> Option<Vec<u8>> {
    let digits = token.as_bytes().chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2 && !text.starts_with('+'))?;
        u8::from_str_radix(text, 16).ok()
    });
    let mut content = digits.collect::<Option<Vec<u8>>>()?;
    let given = content.split_off(content.len().checked_sub(HASH_BYTES)?);
    if !is_same(&hash(&content, purpose, database_id), &given) {
        return None;
    }
    let end = content.iter().rposition(|byte| *byte == 1)?;
    content.truncate(end);
    Some(content)
}

/// Takes the same time wherever the two differ.
fn is_same(one: &[u8; HASH_BYTES], other: &[u8]) -> bool {
    one.iter().zip(other).fold(0, |sum, (one, two)| sum | (one ^ two)) == 0
}

fn hash(content: &[u8], purpose: &str, database_id: &[u8; 16]) -> [u8; HASH_BYTES] {
    let key = blake3::derive_key(purpose, database_id);
    short(&blake3::keyed_hash(&key, content))
}

/// The beginning of a hash.
pub fn short(hash: &blake3::Hash) -> [u8; HASH_BYTES] {
    let mut short = [0; HASH_BYTES];
    for (to, from) in short.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_give_back_what_was_sealed_and_nothing_else() {
        let id = [7; 16];
        for content in [&b""[..], b"a", b"\x01\x00", &[1; 40], &[0; 200]] {
            let token = seal_in_digits(content, "a test", &id);
            assert!(token.len() >= 112 && token.len().is_multiple_of(16), "{token}");
            assert_eq!(open_digits(&token, "a test", &id).as_deref(), Some(content));
            assert_eq!(open_digits(&token, "another", &id), None);
            assert_eq!(open_digits(&token, "a test", &[8; 16]), None);
            assert_eq!(open_digits(&token[2..], "a test", &id), None);
            assert_eq!(open_digits(&format!("{token}0"), "a test", &id), None);
        }
        assert_eq!(open_digits("", "a test", &id), None);
        assert_eq!(open_digits("zz", "a test", &id), None);
    }
}
