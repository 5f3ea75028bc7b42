//! The HTTP server over real sockets: the protocol as AWS speaks it, and clients that abuse it.

#[path = "http/client.rs"]
mod client;

use std::io::Write;
use std::time::{Duration, Instant};

use client::{Answer, Client, Outcome, PATIENCE, answers, head, request, serve};
use fdyno::http::{Credentials, LARGEST_BODY, Limits, Options, Server};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

const TABLE: &str = r#"{"TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}"#;

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn limited(limits: Limits) -> Result<Server, Box<dyn std::error::Error>> {
    serve(Options { limits, ..Options::default() })
}

/// A client whose request is known to be under way: it lacks only a body of two bytes.
fn under_way(server: &Server) -> Result<Client, Box<dyn std::error::Error>> {
    let mut busy = Client::of(server)?;
    busy.send(format!("{}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", head("ListTables", "")))?;
    assert_eq!(busy.receive()?.status, 100);
    Ok(busy)
}

fn check_frame(answer: &Answer) {
    assert_eq!(answer.header("x-amz-crc32"), crc32fast::hash(&answer.body).to_string());
    let id = answer.header("x-amzn-requestid");
    assert_eq!(id.len(), 52);
    assert!(id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{id}");
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.0");
}

#[test]
fn a_call_is_answered_with_its_id_and_checksum_in_the_region_it_is_signed_for() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let answer = client.call("CreateTable", TABLE)?;
    check_frame(&answer);
    assert_eq!(answer.status, 200);
    let arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders";
    assert_eq!(answer.json()["TableDescription"]["TableArn"], json!(arn));
    let again = client.call("CreateTable", TABLE)?;
    check_frame(&again);
    assert_eq!(again.status, 400);
    assert_eq!(again.json()["__type"], json!("com.amazonaws.dynamodb.v20120810#ResourceInUseException"));
    assert_ne!(answer.header("x-amzn-requestid"), again.header("x-amzn-requestid"));
    let other_region = request("ListTables", "", b"{}");
    client.send(String::from_utf8(other_region)?.replace("eu-west-1", "us-west-2"))?;
    assert_eq!(client.receive()?.json(), json!({"TableNames": []}));
    Ok(())
}

#[test]
fn streams_have_a_target_of_their_own() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let asked = String::from_utf8(request("ListStreams", "", b"{}"))?;
    client.send(asked.replace("DynamoDB_20120810", "DynamoDBStreams_20120810"))?;
    assert_eq!(client.receive()?.json(), json!({"Streams": []}));
    assert_eq!(client.call("ListStreams", "{}")?.error(), (400, "UnknownOperationException".to_owned()));
    Ok(())
}

#[test]
fn an_unknown_or_missing_target_is_an_unknown_operation_without_words() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let asked = String::from_utf8(request("ListTables", "", b"{}"))?;
    let target = "X-Amz-Target: DynamoDB_20120810.ListTables";
    for other in [
        "X-Amz-Target: DynamoDB_20120810.Frob",
        "X-Amz-Target: DynamoDB_20111205.ListTables",
        "X-Amz-Target: ",
        "X-Else: 1",
    ] {
        client.send(asked.replace(target, other))?;
        let answer = client.receive()?;
        check_frame(&answer);
        assert_eq!(answer.text(), r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#, "{other}");
        assert_eq!(answer.status, 400);
    }
    Ok(())
}

#[test]
fn what_is_no_call_of_the_protocol_is_not_found() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let asked = String::from_utf8(request("ListTables", "", b"{}"))?;
    for other in [
        asked.replace("application/x-amz-json-1.0", "text/plain"),
        asked.replace("Content-Type: application/x-amz-json-1.0\r\n", ""),
        asked.replace("POST / ", "POST /else "),
        asked.replace("POST / ", "PUT / "),
        "DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "GET /else HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
    ] {
        client.send(&other)?;
        let answer = client.receive()?;
        assert_eq!((answer.status, answer.text().as_str()), (404, "<UnknownOperationException/>\n"), "{other}");
    }
    client.send(asked.replace("application/x-amz-json-1.0", "application/json; charset=utf-8"))?;
    let answer = client.receive()?;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    Ok(())
}

#[test]
fn health_and_metrics_are_told_to_anybody() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    for path in ["/", "/ping", "/healthz"] {
        let answer = client.get(path)?;
        assert_eq!((answer.status, answer.text().trim()), (200, "healthy: dynamodb.us-east-1.amazonaws.com"));
    }
    client.call("CreateTable", TABLE)?;
    client.call("CreateTable", TABLE)?;
    let page = client.get("/metrics")?.text();
    let line = |text: &str| assert!(page.lines().any(|line| line == text), "{text} is missing in\n{page}");
    line(r#"fdyno_requests_total{operation="CreateTable",status="200",code=""} 1"#);
    line(r#"fdyno_requests_total{operation="CreateTable",status="400",code="ResourceInUseException"} 1"#);
    line(r#"fdyno_request_seconds_count{operation="CreateTable"} 2"#);
    line("fdyno_connections 1");
    assert!(!page.contains("fdyno_engine_commits_total 0\n"), "{page}");
    Ok(())
}

#[test]
fn who_does_not_sign_is_refused_unless_that_is_allowed() -> Outcome {
    let server = serve(Options::default())?;
    let unsigned: String = String::from_utf8(request("ListTables", "", b"{}"))?
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Auth"))
        .collect();
    let mut client = Client::of(&server)?;
    client.send(&unsigned)?;
    let answer = client.receive()?;
    assert_eq!(answer.error(), (400, "MissingAuthenticationTokenException".to_owned()));
    assert_eq!(answer.json()["message"], json!("Request is missing Authentication Token"));
    client.send(unsigned.replace("POST / ", "POST /?X-Amz-Signature=00 "))?;
    assert_eq!(client.receive()?.error(), (400, "IncompleteSignatureException".to_owned()));
    let presigned = "POST /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Feu-west-1%2Fdynamodb%2F\
                     aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00 ";
    client.send(unsigned.replace("POST / ", presigned))?;
    assert_eq!(client.receive()?.status, 200);
    let server = serve(Options { allow_unsigned: true, region: "ap-south-1".to_owned(), ..Options::default() })?;
    let mut client = Client::of(&server)?;
    client.send(
        unsigned
            .replace("ListTables", "CreateTable")
            .replace("Content-Length: 2\r\n\r\n{}", &format!("Content-Length: {}\r\n\r\n{TABLE}", TABLE.len())),
    )?;
    let arn = client.receive()?.json()["TableDescription"]["TableArn"].clone();
    assert_eq!(arn, json!("arn:aws:dynamodb:ap-south-1:000000000000:table/orders"));
    Ok(())
}

#[test]
fn a_web_page_is_not_answered() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let answer = client.call_with("ListTables", "Origin: http://localhost\r\n", "{}")?;
    assert_eq!(answer.error(), (400, "AccessDeniedException".to_owned()));
    assert!(!answer.headers.keys().any(|name| name.starts_with("access-control")));
    Ok(())
}

#[test]
fn with_credentials_a_signature_that_is_merely_well_formed_is_refused() -> Outcome {
    let pair = |key: &str| -> Credentials { [(key.to_owned(), "secret".to_owned())].into_iter().collect() };
    for (key, code) in [("AKID", "InvalidSignatureException"), ("OTHER", "UnrecognizedClientException")] {
        let server = serve(Options { credentials: Some(pair(key)), ..Options::default() })?;
        assert_eq!(Client::of(&server)?.call("ListTables", "{}")?.error(), (400, code.to_owned()));
    }
    Ok(())
}

#[test]
fn a_malformed_body_is_a_serialization_exception_and_the_next_request_is_answered() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let deep = "[".repeat(100_000);
    let objects = "{\"a\":".repeat(100_000);
    let bodies: [&[u8]; 8] = [
        b"{",
        b"[]",
        b"\"text\"",
        b"{\"Limit\": \"one\"}",
        b"{\"Limit\": \"\xff\xfe\"}",
        b"\x00\x01\x02",
        deep.as_bytes(),
        objects.as_bytes(),
    ];
    for body in bodies {
        let answer = client.call("ListTables", body)?;
        check_frame(&answer);
        assert_eq!(answer.error(), (400, "SerializationException".to_owned()));
    }
    assert_eq!(client.call("ListTables", "")?.status, 200);
    assert_eq!(client.call("CreateTable", TABLE)?.status, 200);
    for expression in ["(".repeat(100_000), format!("{}a{}", "(".repeat(1_000), ")".repeat(1_000)), "NOT ".repeat(900)]
    {
        let scan = json!({"TableName": "orders", "FilterExpression": expression});
        let answer = client.call("Scan", scan.to_string())?;
        assert_eq!(answer.error(), (400, "ValidationException".to_owned()), "{}", answer.text());
    }
    let nested = format!("{}{}{}", "{\"L\":[".repeat(50_000), "{\"S\":\"\"}", "]}".repeat(50_000));
    let put = format!("{{\"TableName\": \"orders\", \"Item\": {{\"pk\": {nested}}}}}");
    assert_eq!(client.call("PutItem", put)?.error().0, 400);
    assert_eq!(client.call("ListTables", "{}")?.json(), json!({"TableNames": ["orders"]}));
    Ok(())
}

#[test]
fn what_is_no_http_at_all_harms_nobody() -> Outcome {
    let server = serve(Options::default())?;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1_000_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(20_000));
    for noise in [
        "\0\0\0\0\r\n\r\n",
        "hello\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        &long,
        &many,
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = Client::of(&server)?;
        // The server may have had enough before all is sent.
        let sent = client.send(noise);
        let status = client.receive().map(|answer| answer.status);
        assert!(sent.is_err() || status.is_err() || status.is_ok_and(|status| (400..500).contains(&status)));
        answers(&server)?;
    }
    Ok(())
}

#[test]
fn compressed_requests_are_read_within_the_same_bounds() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let zipped = "Content-Encoding: gzip\r\n";
    assert_eq!(client.call_with("CreateTable", zipped, gzip(TABLE.as_bytes())?)?.status, 200);
    assert_eq!(client.call_with("ListTables", zipped, "{}")?.error(), (400, "SerializationException".to_owned()));
    let mut cut = gzip(TABLE.as_bytes())?;
    cut.truncate(cut.len() / 2);
    assert_eq!(client.call_with("ListTables", zipped, cut)?.error(), (400, "SerializationException".to_owned()));
    // A gigabyte of spaces in a megabyte.
    let bomb = gzip(&vec![b' '; 1024 * 1024])?.repeat(1024);
    assert_eq!(
        client.call_with("ListTables", zipped, bomb)?.error(),
        (413, "RequestEntityTooLargeException".to_owned())
    );
    let mut client = Client::of(&server)?;
    let coded = client.call_with("ListTables", "Content-Encoding: br\r\n", "{}")?;
    assert_eq!(coded.error(), (400, "SerializationException".to_owned()));
    assert_eq!(client.call_with("ListTables", "Content-Encoding: amz-1.0\r\n", "{}")?.status, 200);
    Ok(())
}

#[test]
fn large_answers_are_compressed_for_who_asks_and_checked_as_sent() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    client.call("CreateTable", TABLE)?;
    let item = json!({"TableName": "orders", "Item": {"pk": {"S": "a"}, "text": {"S": "x".repeat(10_000)}}});
    assert_eq!(client.call("PutItem", item.to_string())?.status, 200);
    let get = json!({"TableName": "orders", "Key": {"pk": {"S": "a"}}}).to_string();
    let plain = client.call("GetItem", &get)?;
    check_frame(&plain);
    assert_eq!(plain.header("content-encoding"), "");
    let zipped = client.call_with("GetItem", "Accept-Encoding: gzip\r\n", &get)?;
    check_frame(&zipped);
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.body.len() < plain.body.len() / 10);
    let mut read = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(zipped.body.as_slice()), &mut read)?;
    assert_eq!(read, plain.body);
    let small = client.call_with("ListTables", "Accept-Encoding: gzip\r\n", "{}")?;
    assert_eq!(small.header("content-encoding"), "");
    Ok(())
}

#[test]
fn bodies_may_come_in_chunks_and_after_a_word_of_the_server() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    client
        .send(format!("{}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n", head("ListTables", "")))?;
    assert_eq!(client.receive()?.status, 200);
    client.send(format!("{}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", head("ListTables", "")))?;
    assert_eq!(client.receive()?.status, 100);
    client.send("{}")?;
    assert_eq!(client.receive()?.status, 200);
    // Whoever waits for that word hears at once that the body is too large, or that nobody wants it.
    client.send(format!(
        "{}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        head("ListTables", ""),
        LARGEST_BODY + 1
    ))?;
    assert_eq!(client.receive()?.error(), (413, "RequestEntityTooLargeException".to_owned()));
    let mut client = Client::of(&server)?;
    client.send(format!("{}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", head("Frob", "")))?;
    assert_eq!(client.receive()?.error(), (400, "UnknownOperationException".to_owned()));
    Ok(())
}

#[test]
fn sixteen_megabytes_are_read_and_a_hundred_are_refused() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    let mut largest = b"{}".to_vec();
    largest.resize(LARGEST_BODY, b' ');
    assert_eq!(client.call("ListTables", &largest)?.status, 200);
    let too_large = vec![b' '; 100 * 1024 * 1024];
    assert_eq!(client.call("ListTables", &too_large)?.error(), (413, "RequestEntityTooLargeException".to_owned()));
    answers(&server)?;
    let mut client = Client::of(&server)?;
    client.send(format!("{}Transfer-Encoding: chunked\r\n\r\n", head("ListTables", "")))?;
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
    for _ in 0..100 {
        client.send(&chunk)?;
    }
    client.send("0\r\n\r\n")?;
    assert_eq!(client.receive()?.error(), (413, "RequestEntityTooLargeException".to_owned()));
    answers(&server)?;
    Ok(())
}

#[test]
fn a_connection_is_kept_and_takes_requests_ahead() -> Outcome {
    let server = serve(Options::default())?;
    let mut client = Client::of(&server)?;
    client.send([request("CreateTable", "", TABLE.as_bytes()), request("ListTables", "", b"{}")].concat())?;
    assert_eq!(client.receive()?.status, 200);
    assert_eq!(client.receive()?.json(), json!({"TableNames": ["orders"]}));
    let last = client.call_with("ListTables", "Connection: close\r\n", "{}")?;
    assert_eq!((last.status, last.header("connection")), (200, "close"));
    assert!(client.is_closed());
    Ok(())
}

#[test]
fn who_sends_half_a_request_is_cut_off_and_keeps_nobody_waiting() -> Outcome {
    let short = Duration::from_millis(300);
    let server = limited(Limits { head: short, body: short, ..Limits::default() })?;
    let (mut half_head, mut half_body) = (Client::of(&server)?, Client::of(&server)?);
    half_head.send("POST / HTTP/1.1\r\nHost: lo")?;
    let whole = request("ListTables", "", b"{}");
    half_body.send(&whole[..whole.len() - 1])?;
    answers(&server)?;
    assert!(half_head.is_closed());
    let late = half_body.receive()?;
    assert_eq!(late.error(), (408, "RequestTimeoutException".to_owned()));
    assert!(half_body.is_closed());
    // Byte by byte is no way around it.
    let mut slow = Client::of(&server)?;
    let began = Instant::now();
    let cut = whole.iter().find(|byte| {
        std::thread::sleep(Duration::from_millis(20));
        slow.send([**byte]).is_err()
    });
    assert!(cut.is_some() || slow.is_closed());
    assert!(began.elapsed() >= short);
    Ok(())
}

#[test]
fn who_is_quiet_for_too_long_is_closed_and_nobody_sooner() -> Outcome {
    let idle = Duration::from_millis(300);
    let server = limited(Limits { idle, ..Limits::default() })?;
    let mut client = Client::of(&server)?;
    client.call("ListTables", "{}")?;
    let began = Instant::now();
    assert!(client.is_closed());
    assert!(began.elapsed() >= idle / 2, "closed after {:?}", began.elapsed());
    Ok(())
}

#[test]
fn who_does_not_take_the_answers_is_closed() -> Outcome {
    let server = limited(Limits { idle: Duration::from_millis(500), ..Limits::default() })?;
    let mut client = Client::of(&server)?;
    client.call("CreateTable", TABLE)?;
    let item = json!({"TableName": "orders", "Item": {"pk": {"S": "a"}, "text": {"S": "x".repeat(390_000)}}});
    client.call("PutItem", item.to_string())?;
    let get = request("GetItem", "", json!({"TableName": "orders", "Key": {"pk": {"S": "a"}}}).to_string().as_bytes());
    // More than any socket's buffers hold: the server can neither send on, nor does it read on.
    let mut deaf = Client::of(&server)?;
    let ended = (0..100_000).find(|_| deaf.send(&get).is_err());
    assert!(ended.is_some());
    assert_eq!(Client::of(&server)?.call("ListTables", "{}")?.status, 200);
    Ok(())
}

#[test]
fn a_thousand_idle_connections_leave_room_for_the_next() -> Outcome {
    let most = 100;
    let server = limited(Limits { connections: most, ..Limits::default() })?;
    let mut first = Client::of(&server)?;
    first.call("ListTables", "{}")?;
    let mut busy = under_way(&server)?;
    let idle = (0..1_000).map(|_| Client::of(&server)).collect::<Result<Vec<_>, _>>()?;
    answers(&server)?;
    assert!(first.is_closed());
    // A request under way is never cut off for it.
    busy.send("{}")?;
    assert_eq!(busy.receive()?.status, 200);
    drop(idle);
    Ok(())
}

/// Until the bodies that the server holds take so many bytes.
fn wait_for_held(client: &mut Client, bytes: usize) -> Outcome {
    let line = format!("fdyno_request_body_bytes {bytes}");
    let began = Instant::now();
    while !client.get("/metrics")?.text().lines().any(|each| each == line) {
        assert!(began.elapsed() < PATIENCE, "the server never held {bytes} bytes");
    }
    Ok(())
}

#[test]
fn many_bodies_at_once_are_told_to_come_again() -> Outcome {
    let server = limited(Limits { body_bytes: 64 * 1024, ..Limits::default() })?;
    let mut client = Client::of(&server)?;
    let mut body = b"{}".to_vec();
    body.resize(60 * 1024, b' ');
    assert_eq!(client.call("ListTables", &body)?.status, 200);
    wait_for_held(&mut client, 0)?;
    let mut holding = Client::of(&server)?;
    let whole = request("ListTables", "", &body);
    holding.send(&whole[..whole.len() - 1])?;
    wait_for_held(&mut client, body.len())?;
    assert_eq!(client.call("ListTables", &body)?.error(), (400, "ThrottlingException".to_owned()));
    assert_eq!(client.call("ListTables", "{}")?.status, 200);
    holding.send(&whole[whole.len() - 1..])?;
    assert_eq!(holding.receive()?.status, 200);
    wait_for_held(&mut client, 0)?;
    assert_eq!(client.call("ListTables", &body)?.status, 200);
    Ok(())
}

#[test]
fn a_server_that_stops_answers_what_is_under_way_and_takes_nothing_new() -> Outcome {
    let server = serve(Options::default())?;
    let (mut busy, mut idle, mut half) = (under_way(&server)?, Client::of(&server)?, Client::of(&server)?);
    idle.call("ListTables", "{}")?;
    half.send("POST / HT")?;
    assert!(server.is_serving());
    std::thread::scope(|scope| -> Outcome {
        let stopping = scope.spawn(|| futures_executor::block_on(server.stop(Duration::from_secs(30))));
        assert!(idle.is_closed() && half.is_closed());
        assert!(Client::of(&server).is_err());
        assert!(!stopping.is_finished());
        busy.send("{}")?;
        let answer = busy.receive()?;
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
        assert!(busy.is_closed());
        assert!(stopping.join().is_ok());
        Ok(())
    })?;
    assert!(!server.is_serving());
    server.close();
    server.close();
    Ok(())
}

#[test]
fn stopping_waits_no_longer_than_it_may_for_who_never_finishes() -> Outcome {
    let server = serve(Options::default())?;
    let mut busy = under_way(&server)?;
    let began = Instant::now();
    futures_executor::block_on(server.stop(Duration::from_millis(200)));
    assert!(began.elapsed() >= Duration::from_millis(200));
    server.close();
    assert!(busy.is_closed());
    assert!(began.elapsed() < Duration::from_secs(20));
    Ok(())
}

#[test]
fn a_port_that_is_taken_is_said_so() -> Outcome {
    let server = serve(Options::default())?;
    let taken = serve(Options { port: server.address().port(), ..Options::default() });
    let text = taken.err().map(|failure| failure.to_string()).unwrap_or_default();
    assert!(text.starts_with(&format!("cannot listen on 127.0.0.1 port {}: ", server.address().port())), "{text}");
    Ok(())
}
