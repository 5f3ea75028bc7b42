//! Ids of requests, of the form AWS gives: every answer carries one, by whichever door it leaves.

use crate::clock::Clock;

const LENGTH: usize = 52;

/// 52 digits and capital letters. Takes the clock's lock.
pub fn request_id(clock: &Clock) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    const PER_WORD: usize = 12;
    let mut id = String::with_capacity(LENGTH);
    while id.len() < LENGTH {
        let mut bits = clock.random_u64();
        for _ in 0..PER_WORD.min(LENGTH - id.len()) {
            id.push(char::from(ALPHABET.get((bits % 32) as usize).copied().unwrap_or(b'0')));
            bits /= 32;
        }
    }
    id
}
