//! What is signed and for how long: lives, header fields, URLs, the page of the format, equal inputs.

use super::*;

#[test]
fn lives_are_honest() {
    let mut url = s3("GET", "/2026/a");
    url.presign = true;
    url.ttl_s = Some(60);
    let call = parse(&url).unwrap();
    assert_eq!(
        (call.effects.first.max_lifetime, call.effects.first.fixed),
        (Millis(60_000), false)
    );
    assert_eq!(
        call.replay(&lasting(&call)),
        Replay {
            single_use: false,
            window_s: 60
        }
    );
    url.ttl_s = Some(901);
    refused(&url, Code::Outliving, "/ttl_s");
    url.ttl_s = Some(0);
    refused(&url, Code::InvalidRequest, "/ttl_s");
    let mut fields = s3("GET", "/2026/a");
    let call = parse(&fields).unwrap();
    assert_eq!(
        (call.effects.first.max_lifetime, call.effects.first.fixed),
        (Millis(900_000), true)
    );
    assert_eq!(
        call.replay(&lasting(&call)),
        Replay {
            single_use: false,
            window_s: 900
        }
    );
    fields.ttl_s = Some(60);
    refused(&fields, Code::Outliving, "/ttl_s");
    let mut sts = input(
        "sts",
        "GET",
        "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
    );
    sts.presign = true;
    assert!(
        parse(&sts).unwrap().effects.first.fixed,
        "only S3 keeps to what a URL says"
    );
}

#[test]
fn every_field_of_the_caller_and_of_temporary_credentials_is_signed() {
    let fields = [("content-type", "text/csv"), ("x-amz-meta-a", "b  c")];
    let call = parse(&with(s3("PUT", "/2026/a%20b"), &fields, Some("1,2"))).unwrap();
    let signing = signing(&call, Some("token/+="));
    let digest = to_hex(&sha256(&[b"1,2"]).0);
    assert_eq!(
        String::from_utf8(signing.canonical.clone()).unwrap(),
        format!(
            "PUT\n/2026/a%20b\n\ncontent-type:text/csv\nhost:reports.s3.eu-west-1.amazonaws.com\nx-amz-content-sha256:{digest}\n\
             x-amz-date:20261123T090000Z\nx-amz-meta-a:b c\nx-amz-security-token:token/+=\n\n\
             content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token\n{digest}"
        )
    );
    let to_sign = ToSign::SigV4(signing);
    let Credential::Aws { headers, url: None } =
        call.assemble(&moment(), &to_sign, &[7; 32]).unwrap()
    else {
        panic!("no header fields");
    };
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "authorization",
            CONTENT_SHA256,
            "x-amz-date",
            "x-amz-security-token"
        ]
    );
    assert_eq!(
        headers[0].1,
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261123/eu-west-1/s3/aws4_request, \
             SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token, Signature={}",
            "07".repeat(32)
        )
    );
    assert_eq!(
        call.assemble(&moment(), &to_sign, &[7; 64])
            .unwrap_err()
            .code,
        Code::KeyDenied
    );
    call.assemble(&moment(), &ToSign::Message(Vec::new()), &[7; 32])
        .unwrap_err();
    let http = fixture::key(Kind::Http, Alg::Ed25519);
    assert_eq!(
        call.to_sign(&http, &lasting(&call)).unwrap_err().code,
        Code::KeyDenied
    );
}

/// S3 API Reference, "Authenticating Requests: Using Query Parameters": the same request at another time and Region, signed
/// by the derivation that the suite is signed by.
#[test]
fn a_url_holds_its_signature() {
    let mut input = s3("GET", "/2026/a?x-id=GetObject");
    input.presign = true;
    input.ttl_s = Some(60);
    let call = parse(&input).unwrap();
    let signing = signing(&call, Some("t="));
    let made = signature("secret", &signing);
    let Credential::Aws {
        headers,
        url: Some(url),
    } = call
        .assemble(
            &moment(),
            &ToSign::SigV4(signing),
            &hex::decode(&made).unwrap(),
        )
        .unwrap()
    else {
        panic!("no URL");
    };
    assert!(headers.is_empty());
    assert_eq!(
        url,
        format!(
            "https://reports.s3.eu-west-1.amazonaws.com/2026/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE\
             %2F20261123%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20261123T090000Z&X-Amz-Expires=60&X-Amz-Security-Token=t%3D\
             &X-Amz-SignedHeaders=host&x-id=GetObject&X-Amz-Signature={made}"
        )
    );
}

#[test]
fn the_specs_tables_and_example_are_these() {
    let spec = include_str!("../../../../docs/spec/credential-aws.md");
    for service in claviger_shared::call::aws::SERVICES {
        let row = spec
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", service.name)));
        let cells: Vec<_> = row
            .unwrap_or_else(|| panic!("{}", service.name))
            .split('|')
            .collect();
        for action in service.actions {
            let cell = if action.ordinary { cells[3] } else { cells[4] };
            let mark = if action.mints { " *m*" } else { "" };
            assert!(
                cell.contains(&format!("`{}`{mark}", action.name)),
                "{}",
                action.name
            );
        }
        let named = cells[3].matches('`').count() + cells[4].matches('`').count();
        let extra = if service.name == "sts" { 1 } else { 0 };
        assert_eq!(named / 2, service.actions.len() + extra, "{}", service.name);
        for selector in service.selectors {
            let mark = if selector.optional { "?" } else { "" };
            assert!(
                cells[2].contains(&format!("`{}`{mark}", selector.name)),
                "{}",
                selector.name
            );
        }
    }
    let mut input = s3("GET", "/2026/a.csv");
    (input.presign, input.ttl_s) = (true, Some(60));
    let call = parse(&input).unwrap();
    let signing = signing(&call, None);
    let made = signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &signing);
    let made = hex::decode(made).unwrap();
    let Credential::Aws { url: Some(url), .. } = call
        .assemble(&moment(), &ToSign::SigV4(signing), &made)
        .unwrap()
    else {
        panic!("no URL");
    };
    assert!(spec.contains(&format!("```\n{url}\n```")), "{url}");
}

#[test]
fn equal_inputs_alone_have_equal_canonical_bytes() {
    let base = with(s3("PUT", "/2026/a"), &[("x-amz-meta-a", "1")], Some("x"));
    let of = |input: &AwsInput| parse(input).unwrap().canonical();
    let others = [
        with(s3("PUT", "/2026/b"), &[("x-amz-meta-a", "1")], Some("x")),
        with(s3("PUT", "/2026/a"), &[("x-amz-meta-a", "2")], Some("x")),
        with(s3("PUT", "/2026/a"), &[("x-amz-meta-a", "1")], Some("y")),
        with(s3("PUT", "/2026/a"), &[], Some("x")),
        with(
            input(
                "s3",
                "PUT",
                "https://s3.eu-west-1.amazonaws.com/reports/2026/a",
            ),
            &[("x-amz-meta-a", "1")],
            Some("x"),
        ),
    ];
    assert_eq!(of(&base), of(&base.clone()));
    for other in &others {
        assert_ne!(of(&base), of(other), "{other:?}");
    }
}
