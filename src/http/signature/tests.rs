//! Signatures taken apart, and what is said of those that lack something.

use hyper::header::HeaderValue;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))).collect()
}

fn found(authorization: &str) -> Result<Option<Signed>, Error> {
    find(None, &headers(&[("authorization", authorization), ("x-amz-date", "20150830T123600Z")]))
}

fn incomplete(words: &str) -> Result<Option<Signed>, Error> {
    Err(Error::IncompleteSignature(words.to_owned()))
}

const WHOLE: &str = "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab";

#[test]
fn a_whole_signature_is_taken_apart_with_or_without_spaces() -> Result<(), Error> {
    let signed = found(WHOLE)?;
    let signed = signed.ok_or(Error::MissingAuthenticationToken)?;
    assert_eq!((signed.access_key.as_str(), signed.region.as_str()), ("AKID", "eu-west-1"));
    assert_eq!((signed.day.as_str(), signed.date.as_str()), ("20150830", "20150830T123600Z"));
    assert_eq!(signed.signed_headers, ["host", "x-amz-date"]);
    assert_eq!(Some(signed), found(&WHOLE.replace(", ", ","))?);
    Ok(())
}

#[test]
fn what_is_no_signature_of_aws_is_none() {
    assert_eq!(find(None, &HeaderMap::new()), Ok(None));
    assert_eq!(found("Basic dXNlcjpwYXNz"), Ok(None));
    assert_eq!(find(Some("a=b"), &HeaderMap::new()), Ok(None));
}

#[test]
fn every_part_that_is_missing_is_named() {
    let text = "AWS4-HMAC-SHA256 Credential=a/b/eu-west-1/d/e";
    assert_eq!(
        found(text),
        incomplete(&format!(
            "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
             Authorization={text}"
        ))
    );
    assert_eq!(
        find(None, &headers(&[("authorization", WHOLE)])),
        incomplete(&format!(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization={WHOLE}"
        ))
    );
    let spaced = WHOLE.replace("AKID", "AKID ");
    assert_eq!(
        found(&spaced),
        incomplete(&format!(
            "'/20150830/eu-west-1/dynamodb/aws4_request' not a valid key=value pair (missing equal-sign) in \
             Authorization header: '{spaced}'."
        ))
    );
    assert_eq!(
        found(&WHOLE.replace("/dynamodb", "")),
        incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             'AKID/20150830/eu-west-1/aws4_request'"
        )
    );
    assert_eq!(
        found(&WHOLE.replace("AWS4-HMAC", "AWS4-ECDSA")),
        incomplete("Unsupported AWS 'algorithm': 'AWS4-ECDSA-SHA256'.")
    );
}

#[test]
fn a_region_is_a_name() {
    for region in ["", "eu west", "eu_west", "../x"] {
        let signed = found(&WHOLE.replace("eu-west-1", region));
        assert!(signed.is_err(), "{region:?} {signed:?}");
    }
}

#[test]
fn a_date_header_serves_as_well() -> Result<(), Error> {
    for date in ["Sun, 30 Aug 2015 12:36:00 GMT", "20150830T123600Z"] {
        let signed = find(None, &headers(&[("authorization", WHOLE), ("date", date)]))?;
        assert_eq!(signed.map(|signed| signed.date).as_deref(), Some("20150830T123600Z"), "{date}");
    }
    Ok(())
}

#[test]
fn a_signature_in_the_query_is_found_and_its_gaps_named() -> Result<(), Error> {
    let whole = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Feu-west-1%2Fdynamodb%2Faws4_request\
                 &X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=ab";
    let signed = find(Some(whole), &HeaderMap::new())?;
    assert_eq!(signed.as_ref().map(|signed| signed.access_key.as_str()), Some("AKID"));
    assert_eq!(signed.and_then(|signed| signed.expires), Some(60));
    assert_eq!(
        find(
            Some("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab&X-Amz-Date=20150830T123600Z"),
            &HeaderMap::new()
        ),
        incomplete(
            "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include \
             'X-Amz-SignedHeaders'. Re-examine the query-string parameters."
        )
    );
    let both = find(Some(whole), &headers(&[("authorization", WHOLE)]));
    assert!(matches!(both, Err(Error::InvalidSignature(_))), "{both:?}");
    Ok(())
}
