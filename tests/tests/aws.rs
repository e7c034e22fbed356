//! The `aws` kind in a whole enclave: keys that are imported alone, credentials that end when they say, and nothing of a secret
//! access key in what is stored or answered.

use claviger_shared::{credential::Credential, denial::Code, id::to_hex, time::Millis};
use claviger_tests::{
    aws::{agent, call, form_call, input, object, serving},
    deployment::Deployment,
    import::{self, ACCESS_KEY, AccessKey, attested},
    owner::{done, refused},
};
use serde_json::{Value, json};

const TEMPORARY: AccessKey<'static> = AccessKey {
    id: "ASIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    token: "AQoDYXdzEJr//EXAMPLE+token==",
};

fn facts() -> Value {
    json!({"id": "k_aws", "kind": "aws", "alg": "sigv4", "env": "live", "agent": "bot"})
}

#[test]
fn temporary_credentials_sign_in_both_forms_and_survive_a_restart() {
    let (deployment, enclave, granted) = serving(TEMPORARY, |_| {});
    let fields = |enclave| {
        let issued = agent(&deployment, enclave, &granted).sign(input(object("GET", "/a")));
        match issued.unwrap().issued.credential.unwrap() {
            Credential::Aws { headers, url: None } => headers,
            other => panic!("{other:?}"),
        }
    };
    let before = fields(&enclave);
    assert!(
        before[0]
            .1
            .starts_with("AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/")
    );
    assert!(before.contains(&("x-amz-security-token".into(), TEMPORARY.token.into())));
    enclave.crash();
    let enclave = deployment.boot();
    let mut url = object("GET", "/a");
    url.presign = true;
    let issued = agent(&deployment, &enclave, &granted)
        .sign(input(url))
        .unwrap();
    let Some(Credential::Aws {
        url: Some(url),
        headers,
    }) = issued.issued.credential
    else {
        panic!("no URL");
    };
    assert!(headers.is_empty());
    assert!(
        url.contains("&X-Amz-Security-Token=AQoDYXdzEJr%2F%2FEXAMPLE%2Btoken%3D%3D&"),
        "{url}"
    );
    let state = deployment.audited();
    let (_, key) = state.keys().find(|(id, _)| id.as_str() == "k_aws").unwrap();
    assert!(key.imported);
    assert_eq!(key.alg.access_key_id(&key.public), Some(TEMPORARY.id));
}

/// Neither the log nor a blob holds the secret or the token; an answer holds the token alone.
#[test]
fn nothing_stored_or_answered_holds_the_secret() {
    let (deployment, enclave, granted) = serving(TEMPORARY, |_| {});
    let answered = agent(&deployment, &enclave, &granted)
        .sign(input(object("GET", "/a")))
        .unwrap();
    let records = deployment
        .store
        .entries()
        .into_iter()
        .flat_map(|entry| entry.records);
    let stored: Vec<Vec<u8>> = records
        .map(serde_bytes::ByteBuf::into_vec)
        .chain(deployment.store.blobs().into_values())
        .collect();
    let holds = |bytes: &[u8], part: &str| {
        bytes
            .windows(part.len())
            .any(|window| window == part.as_bytes())
    };
    assert!(
        stored.iter().any(|bytes| holds(bytes, "s3:GetObject")),
        "the search finds what is there"
    );
    for secret in [TEMPORARY.secret, &to_hex(TEMPORARY.secret.as_bytes())] {
        assert!(!stored.iter().any(|bytes| holds(bytes, secret)));
        assert!(!holds(format!("{answered:?}").as_bytes(), secret));
    }
    assert!(!stored.iter().any(|bytes| holds(bytes, TEMPORARY.token)));
}

#[test]
fn an_access_key_is_imported_only_once_and_never_made() {
    let (deployment, enclave) = Deployment::serving();
    let refusal = |action: &Value, sealed: &[u8]| {
        let refusal = refused(enclave.submit(&deployment.widening(action, &[]), sealed));
        (refusal.code, refusal.pointer.unwrap_or_default())
    };
    let create =
        json!({"type": "key.create", "key": {"id": "k_aws", "kind": "aws", "alg": "sigv4"}});
    assert_eq!(
        refusal(&create, &[]),
        ("malformed".into(), "/action/key".into())
    );
    for (kind, alg) in [
        ("aws", "p256"),
        ("http", "sigv4"),
        ("jwt", "sigv4"),
        ("aws", "ed25519"),
    ] {
        let create =
            json!({"type": "key.create", "key": {"id": "k_aws", "kind": kind, "alg": alg}});
        assert_eq!(
            refusal(&create, &[]),
            ("malformed".into(), "/action/key/alg".into())
        );
    }
    let trusted = attested(&deployment, &enclave);
    let (action, bytes) = import::access_key(&deployment, &trusted, &facts(), ACCESS_KEY);
    // What is sealed is no access key.
    let (other, seed) = import::sealed(&deployment, action.clone(), &[0; 32]);
    assert_eq!(
        refusal(&other, &seed),
        ("not_applicable".into(), "/action/key/public".into())
    );
    done(enclave.submit(&deployment.widening(&action, &[]), &bytes));
    let mut again = facts();
    again["id"] = json!("k_again");
    let (again, bytes) = import::access_key(&deployment, &trusted, &again, ACCESS_KEY);
    assert_eq!(refusal(&again, &bytes).1, "/action/key/public");
}

/// Header fields live for as long as AWS takes them, which nothing that is signed can shorten.
#[test]
fn p8_what_lives_fifteen_minutes_is_refused_where_it_may_not() {
    let life = |change: fn(&mut Value), late_ms: u64, presign: bool| {
        let (deployment, enclave, granted) = serving(ACCESS_KEY, change);
        deployment.clock.advance_ms(late_ms);
        let mut call = object("GET", "/a");
        call.presign = presign;
        let issued = agent(&deployment, &enclave, &granted).sign(input(call));
        let issued = issued.map_err(|denial| denial.code)?.issued;
        let left = issued.expires_at.since(deployment.clock.now());
        assert!(Millis::from_secs(issued.replay.window_s) >= left && !issued.replay.single_use);
        Ok(left.0.div_ceil(1000))
    };
    let hour = 3_600_000;
    assert_eq!(life(|_| {}, 0, false), Ok(900));
    assert_eq!(life(|_| {}, hour - 900_000, false), Ok(900));
    assert_eq!(life(|_| {}, hour - 899_000, false), Err(Code::Outliving));
    assert_eq!(
        life(
            |grant| grant["allow_outliving"] = json!(["bucket"]),
            hour - 1000,
            false
        ),
        Ok(900)
    );
    let short = |grant: &mut Value| grant["credentials"] = json!({"aws": {"ttl_s": 60}});
    assert_eq!(life(short, 0, false), Err(Code::Outliving));
    assert_eq!(life(short, 0, true), Ok(60));
    assert_eq!(
        life(|_| {}, hour - 30_000, true),
        Ok(30),
        "a URL of S3 ends with its grant"
    );
}

/// The same key and input give the same signature: nothing in it is random.
#[test]
fn a_repetition_is_the_same_credential() {
    use claviger_shared::call::{Ask, Sign};
    let (deployment, enclave, granted) = serving(ACCESS_KEY, |_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let ask = |call| {
        let ask = Ask::Sign(Sign {
            input: input(call),
            idempotency_key: Some("once".into()),
        });
        claviger_tests::agent::issued(agent.ask(&ask))
    };
    let first = ask(form_call(
        "sts",
        "Action=GetCallerIdentity&Version=2011-06-15",
    ))
    .unwrap();
    deployment.clock.advance_ms(5000);
    let second = ask(form_call(
        "sts",
        "Action=GetCallerIdentity&Version=2011-06-15",
    ))
    .unwrap();
    assert_eq!(first.issued.credential, second.issued.credential);
    assert!(second.issued.replayed);
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!(
        ask(call("sts", "GET", url)).unwrap_err().code,
        Code::IdempotencyConflict
    );
}

#[test]
fn whoami_tells_what_of_aws_a_grant_reaches() {
    let (deployment, enclave, granted) = serving(ACCESS_KEY, |grant| {
        grant["permissions"] = json!({"read": ["bucket", "caller"], "delete": ["gateway"]});
        grant["allow_minting"] = json!(["caller"]);
    });
    let routes = agent(&deployment, &enclave, &granted).whoami().routes;
    let told: Vec<_> = routes
        .iter()
        .map(|route| (route.destination.as_str(), route.methods.join(" ")))
        .collect();
    assert_eq!(
        told,
        [
            (
                "s3 eu-west-1 bucket/reports",
                "GetObject HeadObject HeadBucket ListObjectsV2 GetBucketLocation ListParts"
                    .to_owned()
            ),
            ("sts eu-west-1", "GetCallerIdentity".to_owned()),
            (
                "https://abc.execute-api.eu-west-1.amazonaws.com/prod/{stage}/{id}",
                "DELETE".to_owned()
            ),
        ]
    );
}
