//! Signatures verified: an example of AWS's own, and what must not pass.

use hyper::header::HeaderValue;

use super::super::signature::find;
use super::*;

const DATE: &str = "20150830T123600Z";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))).collect()
}

fn credentials() -> Credentials {
    [("AKIDEXAMPLE".to_owned(), SECRET.to_owned())].into_iter().collect()
}

fn at(date: &str) -> i64 {
    moment(date).unwrap_or_default()
}

/// A call of ListTables, signed with `secret`.
fn signed_with(secret: &str, body: &[u8]) -> Result<(Signed, HeaderMap), Error> {
    let mut map = headers(&[
        ("host", "localhost:8000"),
        ("x-amz-date", DATE),
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature=00",
        ),
    ]);
    let mut signed = find(None, &map)?.ok_or(Error::MissingAuthenticationToken)?;
    map.remove("authorization");
    let request = canonical_request(&signed, &asked(&map), body);
    let to_sign = format!(
        "{ALGORITHM}\n{DATE}\n20150830/us-east-1/dynamodb/aws4_request\n{}",
        hexadecimal(&Sha256::digest(request))
    );
    let mut mac = keyed(&signing_key(secret, &signed)).ok_or(Error::UnrecognizedClient)?;
    mac.update(to_sign.as_bytes());
    signed.signature = hexadecimal(&mac.finalize().into_bytes());
    Ok((signed, map))
}

const fn asked(headers: &HeaderMap) -> Asked<'_> {
    Asked { method: "POST", path: "/", query: None, headers }
}

/// AWS's guide derives this key, and this signature of `AWS4-HMAC-SHA256\n20150830T123600Z\n…\nf536975d…`, as its example.
#[test]
fn the_example_of_the_guide_comes_out_as_printed() -> Result<(), Error> {
    let map = headers(&[
        ("host", "iam.amazonaws.com"),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("x-amz-date", DATE),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ]);
    let signed = find(None, &map)?.ok_or(Error::MissingAuthenticationToken)?;
    let asked = Asked { method: "GET", path: "/", query: Some("Action=ListUsers&Version=2010-05-08"), headers: &map };
    let request = canonical_request(&signed, &asked, b"");
    let digest = hexadecimal(&Sha256::digest(request));
    assert_eq!(digest, "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
    let key = signing_key(SECRET, &signed);
    assert_eq!(hexadecimal(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    let mut mac = keyed(&key).ok_or(Error::UnrecognizedClient)?;
    mac.update(format!("{ALGORITHM}\n{DATE}\n20150830/us-east-1/iam/aws4_request\n{digest}").as_bytes());
    assert_eq!(hexadecimal(&mac.finalize().into_bytes()), signed.signature);
    Ok(())
}

#[test]
fn what_was_signed_passes_and_nothing_else_does() -> Result<(), Error> {
    let (signed, map) = signed_with(SECRET, b"{}")?;
    let verify =
        |signed: &Signed, map: &HeaderMap, body: &[u8]| credentials().verify(signed, &asked(map), body, at(DATE));
    assert_eq!(verify(&signed, &map, b"{}"), Ok(()));
    let is_wrong = |outcome: Result<(), Error>| matches!(outcome, Err(Error::InvalidSignature(words)) if words.starts_with("The request signature we calculated"));
    assert!(is_wrong(verify(&signed, &map, b"{ }")));
    let mut other = map.clone();
    other.insert("x-amz-target", HeaderValue::from_static("DynamoDB_20120810.DeleteTable"));
    assert!(is_wrong(verify(&signed, &other, b"{}")));
    let (forged, map) = signed_with("another", b"{}")?;
    assert!(is_wrong(verify(&forged, &map, b"{}")));
    for signature in ["", "0", "zz", &signed.signature[..62], &format!("{}00", signed.signature), "é"] {
        let cut = Signed { signature: signature.to_owned(), ..signed_with(SECRET, b"{}")?.0 };
        assert!(is_wrong(verify(&cut, &map, b"{}")), "{signature}");
    }
    Ok(())
}

#[test]
fn an_unknown_key_or_a_token_that_nobody_gave_is_not_recognised() -> Result<(), Error> {
    let (mut signed, map) = signed_with(SECRET, b"{}")?;
    signed.token = Some("token".to_owned());
    assert_eq!(credentials().verify(&signed, &asked(&map), b"{}", at(DATE)), Err(Error::UnrecognizedClient));
    signed.token = None;
    signed.access_key = "AKIDOTHER".to_owned();
    assert_eq!(credentials().verify(&signed, &asked(&map), b"{}", at(DATE)), Err(Error::UnrecognizedClient));
    Ok(())
}

#[test]
fn five_minutes_of_skew_are_allowed_and_no_second_more() -> Result<(), Error> {
    let (signed, map) = signed_with(SECRET, b"{}")?;
    let verify = |now| credentials().verify(&signed, &asked(&map), b"{}", now);
    assert_eq!((verify(at(DATE) + 300), verify(at(DATE) - 300)), (Ok(()), Ok(())));
    assert_eq!(
        verify(at(DATE) + 301),
        Err(Error::InvalidSignature(
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"
                .to_owned()
        ))
    );
    assert_eq!(
        verify(at(DATE) - 301),
        Err(Error::InvalidSignature(
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"
                .to_owned()
        ))
    );
    Ok(())
}

#[test]
fn a_scope_of_something_else_is_refused() -> Result<(), Error> {
    type Change = fn(&mut Signed);
    let changes: [(Change, &str); 5] = [
        (|signed| signed.service = "s3".to_owned(), "Credential should be scoped to correct service: 'dynamodb'. "),
        (|signed| signed.terminator = "x".to_owned(), "Credential should be scoped with a valid terminator"),
        (|signed| signed.day = "20150831".to_owned(), "Date in Credential scope does not match"),
        (
            |signed| signed.signed_headers = vec!["x-amz-date".to_owned()],
            "'Host' or ':authority' must be a 'SignedHeader'",
        ),
        (
            |signed| signed.signed_headers = vec!["host".to_owned(), "x-amz-date".to_owned()],
            "'x-amz-target' must be a 'SignedHeader'",
        ),
    ];
    for (change, words) in changes {
        let (mut signed, map) = signed_with(SECRET, b"{}")?;
        change(&mut signed);
        let outcome = credentials().verify(&signed, &asked(&map), b"{}", at(DATE));
        assert!(matches!(&outcome, Err(Error::InvalidSignature(said)) if said.starts_with(words)), "{outcome:?}");
    }
    Ok(())
}

#[test]
fn secrets_are_not_shown() {
    assert_eq!(format!("{:?}", credentials()), r#"{"AKIDEXAMPLE"}"#);
}
