//! Requests whose signature, date or form is wrong, some by the SDK and some by hand.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

async fn refused(bench: &Bench, credential: &Credential) -> String {
    code(
        client(&bench.kms.endpoint(), credential)
            .describe_key()
            .key_id("a")
            .send()
            .await,
    )
}

#[tokio::test]
async fn a_request_is_signed_by_a_known_key() {
    let bench = Bench::new().await;
    assert_eq!(refused(&bench, &root()).await, "NotFoundException");
    assert_eq!(refused(&bench, &host()).await, "NotFoundException");
    let unknown = Credential::new("AKIAUNKNOWN", "secret of the root user", ROOT);
    assert_eq!(
        refused(&bench, &unknown).await,
        "UnrecognizedClientException"
    );
    let wrong = Credential::new("AKIAROOT", "another secret", ROOT);
    assert_eq!(refused(&bench, &wrong).await, "InvalidSignatureException");
}

#[tokio::test]
async fn a_session_token_is_needed_exactly_where_there_is_one() {
    let bench = Bench::new().await;
    let without = Credential::new("ASIAHOST", "secret of the host", HOST);
    assert_eq!(
        refused(&bench, &without).await,
        "UnrecognizedClientException"
    );
    let wrong =
        Credential::new("ASIAHOST", "secret of the host", HOST).with_session_token("another");
    assert_eq!(refused(&bench, &wrong).await, "UnrecognizedClientException");
    assert_eq!(
        refused(&bench, &root().with_session_token("one too many")).await,
        "UnrecognizedClientException"
    );
}

#[tokio::test]
async fn a_request_is_recent() {
    let bench = Bench::new().await;
    bench.ahead_ms.store(4 * 60_000, Ordering::Relaxed);
    assert_eq!(refused(&bench, &root()).await, "NotFoundException");
    bench.ahead_ms.store(6 * 60_000, Ordering::Relaxed);
    assert_eq!(refused(&bench, &root()).await, "InvalidSignatureException");
}

#[tokio::test]
async fn another_region_is_refused() {
    let bench = Bench::new().await;
    let config = client(&bench.kms.endpoint(), &root())
        .config()
        .to_builder()
        .region(Region::new("eu-west-1"))
        .build();
    let refused = Client::from_conf(config)
        .describe_key()
        .key_id("a")
        .send()
        .await;
    assert_eq!(code(refused), "InvalidSignatureException");
}

/// Status line and headers with body of the answer to raw bytes.
async fn raw(bench: &Bench, request: &str) -> String {
    let mut stream = TcpStream::connect(bench.kms.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn post(headers: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: TrentService.DescribeKey\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn an_error_has_the_form_of_aws() {
    let bench = Bench::new().await;
    let answer = raw(&bench, &post("", "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("\r\nx-amzn-errortype: MissingAuthenticationTokenException\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\r\nx-amzn-requestid: ")
            && answer.contains("\r\ncontent-type: application/x-amz-json-1.1\r\n")
    );
    assert!(answer.ends_with(r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#));
}

#[tokio::test]
async fn an_incomplete_authorization_is_refused() {
    let bench = Bench::new().await;
    let scope = "20270101/us-east-1/kms/aws4_request";
    for authorization in [
        "AWS4-HMAC-SHA256".to_owned(),
        format!("AWS4-HMAC-SHA512 Credential=AKIAROOT/{scope}, SignedHeaders=host, Signature=00"),
        format!("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00 {scope}"),
        format!("AWS4-HMAC-SHA256 Credential=AKIAROOT/{scope}, Signature=00"),
        format!("AWS4-HMAC-SHA256 Credential=AKIAROOT/{scope}, SignedHeaders=host"),
        "AWS4-HMAC-SHA256 Credential=AKIAROOT, SignedHeaders=host, Signature=00".to_owned(),
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAROOT/{scope}, SignedHeaders=host, Signature=00, Signature=00"
        ),
        // Complete, but without a date.
        format!("AWS4-HMAC-SHA256 Credential=AKIAROOT/{scope}, SignedHeaders=host, Signature=00"),
    ] {
        let answer = raw(
            &bench,
            &post(&format!("authorization: {authorization}\r\n"), "{}"),
        )
        .await;
        assert!(
            answer.contains("IncompleteSignatureException"),
            "{authorization}: {answer}"
        );
    }
}

#[tokio::test]
async fn every_header_that_decides_is_signed() {
    let bench = Bench::new().await;
    let now = time::OffsetDateTime::from_unix_timestamp(
        (SystemClock.now_ms() / 1000).try_into().unwrap(),
    )
    .unwrap();
    let day = format!(
        "{:04}{:02}{:02}",
        now.year(),
        u8::from(now.month()),
        now.day()
    );
    let date = format!(
        "{day}T{:02}{:02}{:02}Z",
        now.hour(),
        now.minute(),
        now.second()
    );
    let ask = async |signed: &str| {
        let headers = format!(
            "x-amz-date: {date}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=AKIAROOT/{day}/us-east-1/kms/aws4_request, SignedHeaders={signed}, Signature=00\r\n"
        );
        raw(&bench, &post(&headers, "{}")).await
    };
    for left_out in [
        "content-type;host;x-amz-date",
        "content-type;host;x-amz-target",
        "content-type;x-amz-date;x-amz-target",
        "host;x-amz-date;x-amz-target",
    ] {
        let answer = ask(left_out).await;
        assert!(
            answer.contains("IncompleteSignatureException"),
            "{left_out}: {answer}"
        );
    }
    for wrong in [
        "content-type;host;x-amz-date;x-amz-target",
        "host;content-type;x-amz-date;x-amz-target",
        "a;host",
    ] {
        let answer = ask(wrong).await;
        assert!(
            answer.contains("InvalidSignatureException"),
            "{wrong}: {answer}"
        );
    }
}

#[tokio::test]
async fn only_posts_to_the_root_within_the_size_are_taken() {
    let bench = Bench::new().await;
    let get = raw(
        &bench,
        "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(get.contains("UnknownOperationException"), "{get}");
    let path = raw(&bench, &post("", "{}").replacen("POST /", "POST /keys", 1)).await;
    assert!(path.contains("UnknownOperationException"), "{path}");
    let query = raw(&bench, &post("", "{}").replacen("POST /", "POST /?a=b", 1)).await;
    assert!(query.contains("UnknownOperationException"), "{query}");
    let large = raw(&bench, &post("", &"a".repeat(512 * 1024))).await;
    assert!(
        large.contains("MissingAuthenticationTokenException"),
        "{large}"
    );
    let mut stream = TcpStream::connect(bench.kms.address()).await.unwrap();
    let too_large = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        512 * 1024 + 1
    );
    stream.write_all(too_large.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
