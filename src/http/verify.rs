//! Whether a signature is right: Signature Version 4's canonical request, the signing key, and a comparison in constant time.
//!
//! Source: AWS's guide to creating a signed request. Skew is judged by the machine's clock, as signers sign by theirs: the
//! database's may stand still or be years ahead, and no test that moves it means to lock its client out. Secrets are
//! never shown, not even by `Debug`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sha2::{Digest, Sha256};

use super::signature::{ALGORITHM, Signed, TERMINATOR, basic, moment, parameters};
use crate::error::Error;

/// How far a signer's clock may be off.
const SKEW_SECONDS: i64 = 5 * 60;

/// The service that both of DynamoDB's services are signed for.
const SERVICE: &str = "dynamodb";

/// What stays as it is in a canonical path or query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Access keys and their secrets.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, String>);

impl FromIterator<(String, String)> for Credentials {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What was signed, but for the body.
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
}

impl Credentials {
    /// Whether a request is signed with one of these, as it is, at this time. `now` is in seconds.
    pub fn verify(&self, signed: &Signed, asked: &Asked<'_>, body: &[u8], now: i64) -> Result<(), Error> {
        let secret = self.0.get(&signed.access_key).filter(|_| signed.token.is_none());
        let secret = secret.ok_or(Error::UnrecognizedClient)?;
        check_scope(signed)?;
        check_headers(signed, asked.headers)?;
        check_time(signed, now)?;
        let request = canonical_request(signed, asked, body);
        let scope = format!("{}/{}/{}/{}", signed.day, signed.region, signed.service, signed.terminator);
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", signed.date, hexadecimal(&Sha256::digest(request)));
        let given = from_hexadecimal(&signed.signature);
        // `verify_slice` takes the same time wherever they differ.
        let is_right = given.is_some_and(|given| {
            let key = signing_key(secret, signed);
            keyed(&key).is_some_and(|mut mac| {
                mac.update(to_sign.as_bytes());
                mac.verify_slice(&given).is_ok()
            })
        });
        if is_right {
            return Ok(());
        }
        Err(Error::InvalidSignature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
             Key and signing method. Consult the service documentation for details."
                .to_owned(),
        ))
    }
}

fn check_scope(signed: &Signed) -> Result<(), Error> {
    let day = signed.date.get(..8).unwrap_or_default();
    let fault = if signed.service != SERVICE {
        format!("Credential should be scoped to correct service: '{SERVICE}'. ")
    } else if signed.terminator != TERMINATOR {
        format!("Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'. ", signed.terminator)
    } else if signed.day != day {
        format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', \
             from '{}'.",
            signed.day, signed.date
        )
    } else {
        return Ok(());
    };
    Err(Error::InvalidSignature(fault))
}

/// What a request means must be signed: whoever has seen one could otherwise make another of it.
fn check_headers(signed: &Signed, headers: &HeaderMap) -> Result<(), Error> {
    let is_signed = |wanted: &str| signed.signed_headers.iter().any(|name| name == wanted);
    let fault = if !is_signed("host") {
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    } else if headers.contains_key("x-amz-target") && !is_signed("x-amz-target") {
        "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."
    } else {
        return Ok(());
    };
    Err(Error::InvalidSignature(fault.to_owned()))
}

fn check_time(signed: &Signed, now: i64) -> Result<(), Error> {
    let at = moment(&signed.date).unwrap_or(0);
    let longest = signed.expires.unwrap_or(SKEW_SECONDS).max(0);
    let (earliest, latest) = (now.saturating_sub(longest), now.saturating_add(SKEW_SECONDS));
    let fault = if at < earliest {
        let (earliest, now) = (basic(earliest), basic(now));
        format!("Signature expired: {} is now earlier than {earliest} ({now} - {} min.)", signed.date, longest / 60)
    } else if at > latest {
        let (latest, now) = (basic(latest), basic(now));
        format!("Signature not yet current: {} is still later than {latest} ({now} + 5 min.)", signed.date)
    } else {
        return Ok(());
    };
    Err(Error::InvalidSignature(fault))
}

fn canonical_request(signed: &Signed, asked: &Asked<'_>, body: &[u8]) -> String {
    let mut request = format!("{}\n{}\n{}\n", asked.method, canonical_path(asked.path), canonical_query(asked.query));
    for name in &signed.signed_headers {
        let values = asked.headers.get_all(name.as_str()).iter().map(|value| spaced_once(value.as_bytes()));
        // Writing to a string cannot fail.
        let _ = writeln!(request, "{name}:{}", values.collect::<Vec<_>>().join(","));
    }
    let _ = write!(request, "\n{}\n{}", signed.signed_headers.join(";"), hexadecimal(&Sha256::digest(body)));
    request
}

/// The path as the request line has it, encoded once more.
fn canonical_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| percent_encode(segment.as_bytes(), ESCAPED).to_string());
    segments.collect::<Vec<_>>().join("/")
}

fn canonical_query(query: Option<&str>) -> String {
    let parameters = query.map(parameters).unwrap_or_default();
    let encoded = |text: &str| percent_encode(text.as_bytes(), ESCAPED).to_string();
    let mut pairs: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A header's value without spaces around it, and with single ones inside.
fn spaced_once(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

type Sha256Mac = Hmac<Sha256>;

/// `None` never: a key of this code has any length.
fn keyed(key: &[u8]) -> Option<Sha256Mac> {
    Sha256Mac::new_from_slice(key).ok()
}

fn signing_key(secret: &str, signed: &Signed) -> Vec<u8> {
    let steps = [&signed.day, &signed.region, &signed.service, &signed.terminator];
    steps.iter().fold(format!("AWS4{secret}").into_bytes(), |key, step| {
        keyed(&key).map_or_else(Vec::new, |mut mac| {
            mac.update(step.as_bytes());
            mac.finalize().into_bytes().to_vec()
        })
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect())
}

#[cfg(test)]
mod tests;
