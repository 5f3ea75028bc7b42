//! Who a request says it comes from: Signature Version 4, in the `Authorization` header or in the query, taken apart.
//!
//! Words of the errors: DynamoDB's answers to requests that were signed badly, as public issue threads quote them, and AWS's
//! guide to signing requests. Whether a signature is right is `verify`'s to say.

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, DATE, HeaderMap};
use percent_encoding::percent_decode_str;
use time::format_description::well_known::Rfc2822;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::error::Error;

pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub const TERMINATOR: &str = "aws4_request";

/// A signature that has all its parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
    pub access_key: String,
    /// `20150830`.
    pub day: String,
    pub region: String,
    pub service: String,
    pub terminator: String,
    pub signed_headers: Vec<String>,
    pub signature: String,
    /// `20150830T123600Z`.
    pub date: String,
    pub token: Option<String>,
    /// Of a signature in the query: for how many seconds it holds.
    pub expires: Option<i64>,
}

/// The signature of a request, if it has any.
pub fn find(query: Option<&str>, headers: &HeaderMap) -> Result<Option<Signed>, Error> {
    let parameters = query.map(parameters).unwrap_or_default();
    let is_presigned = parameters.iter().any(|(name, _)| name.starts_with("X-Amz-") && name != "X-Amz-Security-Token");
    let header = headers.get(AUTHORIZATION);
    match (header, is_presigned) {
        (Some(_), true) => Err(Error::InvalidSignature(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.".to_owned(),
        )),
        (None, true) => in_query(&parameters).map(Some),
        (None, false) => Ok(None),
        (Some(value), false) => {
            let text = String::from_utf8_lossy(value.as_bytes());
            if text.trim_start().starts_with("AWS4-") { in_header(text.trim(), headers).map(Some) } else { Ok(None) }
        }
    }
}

/// Names and values of a query, decoded.
pub fn parameters(query: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn in_header(text: &str, headers: &HeaderMap) -> Result<Signed, Error> {
    let (algorithm, rest) = text.split_once(' ').unwrap_or((text, ""));
    if algorithm != ALGORITHM {
        return Err(Error::IncompleteSignature(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
    }
    let mut parts = Vec::new();
    for part in rest.split([',', ' ']).filter(|part| !part.is_empty()) {
        let Some(pair) = part.split_once('=') else {
            return Err(Error::IncompleteSignature(format!(
                "'{part}' not a valid key=value pair (missing equal-sign) in Authorization header: '{text}'."
            )));
        };
        parts.push(pair);
    }
    let part = |wanted: &str| parts.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
    let (credential, signature, signed_headers) = (part("Credential"), part("Signature"), part("SignedHeaders"));
    let date = date_of(headers);
    let missing: String = [("Credential", &credential), ("Signature", &signature), ("SignedHeaders", &signed_headers)]
        .iter()
        .filter(|(_, value)| value.as_ref().is_none_or(String::is_empty))
        .map(|(name, _)| format!("Authorization header requires '{name}' parameter. "))
        .chain(date.is_none().then(|| {
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ".to_owned()
        }))
        .collect();
    let (Some(credential), Some(signature), Some(signed_headers), Some(date), true) =
        (credential, signature, signed_headers, date, missing.is_empty())
    else {
        return Err(Error::IncompleteSignature(format!("{missing}Authorization={text}")));
    };
    let token = headers.get("x-amz-security-token").map(|token| String::from_utf8_lossy(token.as_bytes()).into_owned());
    assembled(&credential, &signed_headers, signature, date, token, None)
}

fn in_query(parameters: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<Signed, Error> {
    let parameter =
        |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone().into_owned());
    let names = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
    let missing: String = names
        .iter()
        .filter(|name| parameter(name).is_none_or(|value| value.is_empty()))
        .map(|name| format!("AWS query-string parameters must include '{name}'. "))
        .collect();
    if !missing.is_empty() {
        return Err(Error::IncompleteSignature(format!("{missing}Re-examine the query-string parameters.")));
    }
    let [algorithm, credential, signature, signed_headers, date] =
        names.map(|name| parameter(name).unwrap_or_default());
    if algorithm != ALGORITHM {
        return Err(Error::IncompleteSignature(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
    }
    if moment(&date).is_none() {
        return Err(Error::IncompleteSignature(format!("Date must be in ISO-8601 'basic format'. Got '{date}'.")));
    }
    let expires = parameter("X-Amz-Expires").and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    assembled(&credential, &signed_headers, signature, date, parameter("X-Amz-Security-Token"), Some(expires))
}

fn assembled(
    credential: &str,
    signed_headers: &str,
    signature: String,
    date: String,
    token: Option<String>,
    expires: Option<i64>,
) -> Result<Signed, Error> {
    let elements: Vec<&str> = credential.split('/').collect();
    let [access_key, day, region, service, terminator] = elements.as_slice() else {
        return Err(Error::IncompleteSignature(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        )));
    };
    let is_named =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_named(region) {
        return Err(Error::InvalidSignature(format!(
            "Credential should be scoped to a valid region, not '{region}'. "
        )));
    }
    Ok(Signed {
        access_key: (*access_key).to_owned(),
        day: (*day).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
        terminator: (*terminator).to_owned(),
        signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
        signature,
        date,
        token,
        expires,
    })
}

/// The time a request was signed, as the text that was signed.
fn date_of(headers: &HeaderMap) -> Option<String> {
    if let Some(date) = headers.get("x-amz-date") {
        return date.to_str().ok().filter(|date| moment(date).is_some()).map(str::to_owned);
    }
    let date = headers.get(DATE)?.to_str().ok()?;
    if moment(date).is_some() {
        return Some(date.to_owned());
    }
    let date = OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok()?;
    Some(basic(date.unix_timestamp()))
}

/// The seconds since the epoch of a time in ISO 8601's basic format.
pub fn moment(date: &str) -> Option<i64> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    Some(PrimitiveDateTime::parse(date, &format).ok()?.assume_utc().unix_timestamp())
}

/// A time in ISO 8601's basic format: `20150830T123600Z`.
pub fn basic(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests;
