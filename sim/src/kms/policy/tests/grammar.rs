//! Grammar: what is not wholly understood is refused.
#![expect(
    clippy::assertions_on_result_states,
    reason = "tests say which side of a rule they are on"
)]

use super::*;

#[test]
fn a_policy_not_wholly_understood_is_refused() {
    let good = allow(r#""*""#, "kms:*");
    assert!(Policy::of_key(&policy(&[&good])).is_ok());
    let statement = |replaced: &str, by: &str| policy(&[&good.replacen(replaced, by, 1)]);
    for (what, text) in [
        ("not JSON", "{".to_owned()),
        ("no object", "[]".to_owned()),
        ("no statement", r#"{"Version":"2012-10-17"}"#.to_owned()),
        ("empty", r#"{"Statement":[]}"#.to_owned()),
        (
            "another version",
            format!(r#"{{"Version":"2027-01-01","Statement":[{good}]}}"#),
        ),
        (
            "an unknown member",
            format!(r#"{{"Version":"2012-10-17","Statements":[],"Statement":[{good}]}}"#),
        ),
        (
            "a member twice",
            format!(r#"{{"Statement":[{good}],"Statement":[{good}]}}"#),
        ),
        ("trailing bytes", format!("{}x", policy(&[&good]))),
        ("an unknown effect", statement("Allow", "allow")),
        ("no effect", statement(r#""Effect":"Allow","#, "")),
        ("no principal", statement(r#""Principal":"*","#, "")),
        ("NotPrincipal", statement("Principal", "NotPrincipal")),
        (
            "a partial principal",
            statement(
                r#""Principal":"*""#,
                r#""Principal":{"AWS":"arn:aws:iam::*:root"}"#,
            ),
        ),
        (
            "an unknown kind of principal",
            statement(r#""Principal":"*""#, r#""Principal":{"Robot":"a"}"#),
        ),
        (
            "an empty principal",
            statement(r#""Principal":"*""#, r#""Principal":{}"#),
        ),
        ("no action", statement(r#""Action":"kms:*","#, "")),
        ("an action without a service", statement("kms:*", "Decrypt")),
        ("an empty list of actions", statement(r#""kms:*""#, "[]")),
        (
            "an action and its negation",
            statement(r#""Action""#, r#""NotAction":"kms:*","Action""#),
        ),
        ("no resource", statement(r#","Resource":"*""#, r#"""#)),
        (
            "a resource that is no ARN",
            statement(r#""Resource":"*""#, r#""Resource":"key/1""#),
        ),
        (
            "an unknown element",
            statement(r#""Effect""#, r#""Conditions":{},"Effect""#),
        ),
        (
            "a variable",
            statement(
                r#""Resource":"*""#,
                r#""Resource":"arn:aws:kms:::${aws:userid}""#,
            ),
        ),
        (
            "a Sid twice",
            policy(&[
                &good.replacen('{', r#"{"Sid":"a","#, 1),
                &good.replacen('{', r#"{"Sid":"a","#, 1),
            ]),
        ),
        (
            "an unknown operator",
            allowed_if(r#""StringIs":{"a:b":"c"}"#),
        ),
        (
            "another family",
            allowed_if(r#""NumericEquals":{"a:b":"1"}"#),
        ),
        (
            "an unknown quantifier",
            allowed_if(r#""ForSomeValues:StringEquals":{"a:b":"c"}"#),
        ),
        (
            "NullIfExists",
            allowed_if(r#""NullIfExists":{"a:b":"true"}"#),
        ),
        ("Null with a text", allowed_if(r#""Null":{"a:b":"maybe"}"#)),
        ("Bool with a text", allowed_if(r#""Bool":{"a:b":"yes"}"#)),
        (
            "an operator without a key",
            allowed_if(r#""StringEquals":{}"#),
        ),
        (
            "a key without a value",
            allowed_if(r#""StringEquals":{"a:b":[]}"#),
        ),
        (
            "a value that is an object",
            allowed_if(r#""StringEquals":{"a:b":{}}"#),
        ),
        (
            "a variable as value",
            allowed_if(r#""StringEquals":{"a:b":"${aws:userid}"}"#),
        ),
        (
            "too large",
            policy(&[&good.replacen('{', &format!(r#"{{"Sid":"{}","#, "a".repeat(32 * 1024)), 1)]),
        ),
    ] {
        assert!(Policy::of_key(&text).is_err(), "{what}: {text}");
    }
    let with_principal = policy(&[&good]);
    assert!(Policy::of_identity(&with_principal).is_err());
}
