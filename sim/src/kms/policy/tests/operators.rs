//! Conditions: one row for each operator with its key present and absent.

use super::*;

/// Operator, value in the policy; then whether the condition holds for `abc`, for `ABC`, for `xyz`, for no key at all.
const OPERATORS: &[(&str, &str, [bool; 4])] = &[
    ("StringEquals", r#""abc""#, [true, false, false, false]),
    (
        "StringEquals",
        r#"["abc","xyz"]"#,
        [true, false, true, false],
    ),
    (
        "StringEqualsIfExists",
        r#""abc""#,
        [true, false, false, true],
    ),
    ("StringNotEquals", r#""abc""#, [false, true, true, true]),
    (
        "StringNotEquals",
        r#"["abc","xyz"]"#,
        [false, true, false, true],
    ),
    (
        "StringNotEqualsIfExists",
        r#""abc""#,
        [false, true, true, true],
    ),
    (
        "StringEqualsIgnoreCase",
        r#""aBc""#,
        [true, true, false, false],
    ),
    (
        "StringEqualsIgnoreCaseIfExists",
        r#""aBc""#,
        [true, true, false, true],
    ),
    (
        "StringNotEqualsIgnoreCase",
        r#""aBc""#,
        [false, false, true, true],
    ),
    (
        "StringNotEqualsIgnoreCaseIfExists",
        r#""aBc""#,
        [false, false, true, true],
    ),
    ("StringLike", r#""a*c""#, [true, false, false, false]),
    ("StringLike", r#""???""#, [true, true, true, false]),
    ("StringLikeIfExists", r#""a*c""#, [true, false, false, true]),
    ("StringNotLike", r#""a?c""#, [false, true, true, true]),
    (
        "StringNotLikeIfExists",
        r#""a?c""#,
        [false, true, true, true],
    ),
    ("Null", r#""true""#, [false, false, false, true]),
    ("Null", r#"false"#, [true, true, true, false]),
    (
        "ForAnyValue:StringEquals",
        r#""abc""#,
        [true, false, false, false],
    ),
    (
        "ForAnyValue:StringNotEquals",
        r#""abc""#,
        [false, true, true, false],
    ),
    (
        "ForAnyValue:StringLike",
        r#""a*""#,
        [true, false, false, false],
    ),
    (
        "ForAllValues:StringEquals",
        r#""abc""#,
        [true, false, false, true],
    ),
    (
        "ForAllValues:StringNotEquals",
        r#""abc""#,
        [false, true, true, true],
    ),
    (
        "ForAllValues:StringEqualsIfExists",
        r#""abc""#,
        [true, false, false, true],
    ),
];

#[test]
fn every_operator_with_its_key_present_and_absent() {
    for (operator, value, expected) in OPERATORS {
        for (found, expected) in [Some("abc"), Some("ABC"), Some("xyz"), None]
            .into_iter()
            .zip(expected)
        {
            let condition = format!(r#""{operator}":{{"kms:ViaService":{value}}}"#);
            let context = found
                .map(|found| ("kms:ViaService", found))
                .into_iter()
                .collect::<Vec<_>>();
            let call = Call {
                context,
                ..Call::default()
            };
            let allowed = if *expected {
                Decision::Allowed
            } else {
                Decision::ImplicitDeny
            };
            assert_eq!(
                call.decide(&allowed_if(&condition)),
                allowed,
                "{operator} {value} {found:?}"
            );
            let denied = if *expected {
                Decision::ExplicitDeny(Some("no".to_owned()))
            } else {
                Decision::Allowed
            };
            assert_eq!(
                call.decide(&denied_if(&condition)),
                denied,
                "Deny {operator} {value} {found:?}"
            );
        }
    }
}

#[test]
fn bool_compares_and_is_false_when_absent() {
    for (operator, wanted, found, expected) in [
        ("Bool", "true", Some("true"), true),
        ("Bool", "true", Some("false"), false),
        ("Bool", "false", Some("false"), true),
        ("Bool", "true", None, false),
        ("Bool", "false", None, false),
        ("BoolIfExists", "true", None, true),
        ("BoolIfExists", "true", Some("false"), false),
    ] {
        let condition = format!(r#""{operator}":{{"aws:SecureTransport":"{wanted}"}}"#);
        let context = found
            .map(|found| ("aws:SecureTransport", found))
            .into_iter()
            .collect();
        let decision = Call {
            context,
            ..Call::default()
        }
        .decide(&allowed_if(&condition));
        assert_eq!(
            decision == Decision::Allowed,
            expected,
            "{operator} {wanted} {found:?}"
        );
    }
}

#[test]
fn arns_are_compared_part_by_part() {
    for (operator, pattern, expected) in [
        ("ArnEquals", "arn:aws:iam::000000000000:role/*", true),
        ("ArnLike", "arn:aws:iam::*:role/host", true),
        ("ArnLike", "arn:*:role/host", false),
        ("ArnNotLike", "arn:aws:iam::*:role/host", false),
        ("ArnNotEquals", "arn:aws:iam::000000000000:role/other", true),
    ] {
        let condition = format!(r#""{operator}":{{"aws:PrincipalArn":"{pattern}"}}"#);
        let decision = Call {
            context: vec![("aws:PrincipalArn", HOST)],
            ..Call::default()
        }
        .decide(&allowed_if(&condition));
        assert_eq!(
            decision == Decision::Allowed,
            expected,
            "{operator} {pattern}"
        );
    }
}

#[test]
fn all_conditions_of_a_statement_must_hold() {
    let condition = r#""StringEquals":{"a:x":"1","a:y":"2"},"StringLike":{"a:z":"3*"}"#;
    let all = vec![("a:x", "1"), ("a:y", "2"), ("a:z", "34")];
    assert_eq!(
        Call {
            context: all.clone(),
            ..Call::default()
        }
        .decide(&allowed_if(condition)),
        Decision::Allowed
    );
    for left_out in 0..all.len() {
        let mut context = all.clone();
        context.remove(left_out);
        let decision = Call {
            context,
            ..Call::default()
        }
        .decide(&allowed_if(condition));
        assert_eq!(decision, Decision::ImplicitDeny, "{left_out}");
    }
}

#[test]
fn condition_keys_are_compared_without_letter_case() {
    let condition = r#""StringEquals":{"KMS:recipientattestation:pcr0":"ab"}"#;
    let call = Call {
        context: vec![("kms:RecipientAttestation:PCR0", "ab")],
        ..Call::default()
    };
    assert_eq!(call.decide(&allowed_if(condition)), Decision::Allowed);
}
