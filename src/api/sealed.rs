//! Sealed tokens: what a caller hands back unread, and this database alone can have written.
//!
//! Base64 text of the content and a keyed hash over it. The key comes from the database's id and from what the token is for, so
//! a token of another database or of another kind, or one that was changed, does not open.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub const HASH_BYTES: usize = 16;

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
    // Takes the same time wherever the two differ.
    let difference =
        hash(&content, purpose, database_id).iter().zip(&given).fold(0, |sum, (one, two)| sum | (one ^ two));
    (difference == 0).then_some(content)
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
