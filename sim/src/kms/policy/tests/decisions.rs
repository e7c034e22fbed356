//! Decisions: effects, actions, resources, principals, accounts.

use super::*;

#[test]
fn deny_wins_in_any_order_and_nothing_said_is_no() {
    let (yes, no) = (
        allow(r#""*""#, "kms:*"),
        r#"{"Sid":"stop","Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}"#,
    );
    for statements in [[yes.as_str(), no], [no, yes.as_str()]] {
        let decision = Call::default().decide(&policy(&statements));
        assert_eq!(decision, Decision::ExplicitDeny(Some("stop".to_owned())));
    }
    assert_eq!(
        Call::default().decide(&policy(&[&allow(r#""*""#, "kms:GetPublicKey")])),
        Decision::ImplicitDeny
    );
}

#[test]
fn actions_have_wildcards_and_no_letter_case() {
    for (action, expected) in [
        ("kms:DeriveSharedSecret", true),
        ("KMS:derivesharedsecret", true),
        ("kms:Derive*", true),
        ("kms:?eriveSharedSecret", true),
        ("*", true),
        ("kms:Describe*", false),
        ("s3:*", false),
    ] {
        let decision = Call::default().decide(&policy(&[&allow(r#""*""#, action)]));
        assert_eq!(decision == Decision::Allowed, expected, "{action}");
    }
}

#[test]
fn not_action_and_not_resource_mean_everything_else() {
    let statement =
        r#"{"Effect":"Allow","Principal":"*","NotAction":"kms:Derive*","Resource":"*"}"#;
    assert_eq!(
        Call::default().decide(&policy(&[statement])),
        Decision::ImplicitDeny
    );
    let describe = Call {
        action: "kms:DescribeKey",
        ..Call::default()
    };
    assert_eq!(describe.decide(&policy(&[statement])), Decision::Allowed);
    let other_key = r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","NotResource":"arn:aws:kms:us-east-1:000000000000:key/*"}"#;
    assert_eq!(
        Call::default().decide(&policy(&[other_key])),
        Decision::ImplicitDeny
    );
}

#[test]
fn a_resource_is_this_key_or_a_pattern_of_it() {
    for (resource, expected) in [
        ("*", true),
        (KEY, true),
        ("arn:aws:kms:*:000000000000:key/*", true),
        ("arn:aws:kms:us-east-1:000000000000:key/other", false),
    ] {
        let statement = format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"{resource}"}}"#
        );
        assert_eq!(
            Call::default().decide(&policy(&[&statement])) == Decision::Allowed,
            expected,
            "{resource}"
        );
    }
}

#[test]
fn a_principal_is_everybody_a_name_or_a_session_of_it() {
    let session = "arn:aws:sts::000000000000:assumed-role/host/i-0";
    for (principal, caller, expected) in [
        (r#""*""#, HOST, true),
        (r#"{"AWS":"*"}"#, HOST, true),
        (
            r#"{"AWS":"arn:aws:iam::000000000000:role/host"}"#,
            HOST,
            true,
        ),
        (
            r#"{"AWS":"arn:aws:iam::000000000000:role/host"}"#,
            session,
            true,
        ),
        (
            r#"{"AWS":["arn:aws:iam::000000000000:role/a","arn:aws:iam::000000000000:role/host"]}"#,
            HOST,
            true,
        ),
        (
            r#"{"AWS":"arn:aws:sts::000000000000:assumed-role/host/i-0"}"#,
            session,
            true,
        ),
        (
            r#"{"AWS":"arn:aws:sts::000000000000:assumed-role/host/i-1"}"#,
            session,
            false,
        ),
        (
            r#"{"AWS":"arn:aws:iam::000000000000:role/other"}"#,
            HOST,
            false,
        ),
        (
            r#"{"AWS":"arn:aws:iam::000000000000:user/host"}"#,
            HOST,
            false,
        ),
        (r#"{"Service":"states.amazonaws.com"}"#, HOST, false),
    ] {
        let decision = Call {
            caller,
            ..Call::default()
        }
        .decide(&policy(&[&allow(principal, "kms:*")]));
        assert_eq!(
            decision == Decision::Allowed,
            expected,
            "{principal} {caller}"
        );
    }
}

#[test]
fn an_account_as_principal_delegates_to_its_own_policies() {
    let yes = r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
    let no = r#"{"Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*"}}"#;
    let root = "arn:aws:iam::000000000000:root";
    for principal in [
        r#"{"AWS":"000000000000"}"#,
        r#"{"AWS":"arn:aws:iam::000000000000:root"}"#,
    ] {
        let policy = policy(&[&allow(principal, "kms:*")]);
        for (caller, identity, expected) in [
            (HOST, None, false),
            (HOST, Some(yes), true),
            (HOST, Some(no), false),
            (root, None, true),
        ] {
            let decision = Call {
                caller,
                identity,
                ..Call::default()
            }
            .decide(&policy);
            assert_eq!(
                decision == Decision::Allowed,
                expected,
                "{caller} {identity:?}"
            );
        }
    }
}

#[test]
fn a_named_principal_needs_no_policy_of_its_own_but_may_be_denied_by_it() {
    let policy = policy(&[&allow(
        r#"{"AWS":"arn:aws:iam::000000000000:role/host"}"#,
        "kms:*",
    )]);
    let no = r#"{"Statement":{"Effect":"Deny","Action":"kms:Derive*","Resource":"*"}}"#;
    assert_eq!(Call::default().decide(&policy), Decision::Allowed);
    assert_eq!(
        Call {
            identity: Some(no),
            ..Call::default()
        }
        .decide(&policy),
        Decision::ExplicitDeny(None)
    );
}

#[test]
fn an_account_in_a_deny_is_all_of_its_principals() {
    let policy = policy(&[
        &allow(r#""*""#, "kms:*"),
        r#"{"Effect":"Deny","Principal":{"AWS":"000000000000"},"Action":"kms:*","Resource":"*"}"#,
    ]);
    assert_eq!(
        Call::default().decide(&policy),
        Decision::ExplicitDeny(None)
    );
}

#[test]
fn another_account_needs_both_policies() {
    let caller = "arn:aws:iam::111111111111:role/host";
    let yes = r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
    let named = policy(&[&allow(
        r#"{"AWS":"arn:aws:iam::111111111111:role/host"}"#,
        "kms:*",
    )]);
    assert_eq!(
        Call {
            caller,
            ..Call::default()
        }
        .decide(&named),
        Decision::ImplicitDeny
    );
    assert_eq!(
        Call {
            caller,
            identity: Some(yes),
            ..Call::default()
        }
        .decide(&named),
        Decision::Allowed
    );
    let not_named = policy(&[&allow(r#"{"AWS":"000000000000"}"#, "kms:*")]);
    assert_eq!(
        Call {
            caller,
            identity: Some(yes),
            ..Call::default()
        }
        .decide(&not_named),
        Decision::ImplicitDeny
    );
}

#[test]
fn without_a_key_the_account_decides() {
    let context = Context::default();
    let decide_for = |caller: &str, identity: Option<&str>| {
        let caller = Caller::parse(caller).unwrap();
        let request = Request {
            caller: &caller,
            action: "kms:CreateKey",
            resource: "*",
            account: ACCOUNT,
            context: &context,
        };
        decide(
            &request,
            None,
            identity
                .map(|policy| Policy::of_identity(policy).unwrap())
                .as_ref(),
        )
    };
    let yes = r#"{"Statement":{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}}"#;
    assert_eq!(decide_for(HOST, None), Decision::ImplicitDeny);
    assert_eq!(decide_for(HOST, Some(yes)), Decision::Allowed);
    assert_eq!(
        decide_for("arn:aws:iam::000000000000:root", None),
        Decision::Allowed
    );
    assert_eq!(
        decide_for("arn:aws:iam::111111111111:root", None),
        Decision::ImplicitDeny
    );
    assert_eq!(
        decide_for("arn:aws:iam::111111111111:role/a", Some(yes)),
        Decision::ImplicitDeny
    );
    assert_eq!(
        decide_for("arn:aws:iam::111111111111:root", Some(yes)),
        Decision::ImplicitDeny
    );
}
