//! AWS: an OIDC provider in IAM, and a role whose trust policy names issuer, audience and subject.

use super::{Facts, Setup, Step, Subject, quote, token};
use serde_json::json;

pub(super) fn setup(facts: &Facts) -> Setup {
    // Condition keys are the provider's URL without its scheme, a colon, and the claim.
    let url = facts.issuer.strip_prefix("https://").unwrap_or_default();
    let key = |claim: &str| format!("{url}:{claim}");
    let condition = match &facts.subject {
        Subject::Exact(subject) => {
            json!({ "StringEquals": { key("aud"): facts.audience, key("sub"): subject } })
        }
        Subject::Prefix(prefix) => json!({
            "StringEquals": { key("aud"): facts.audience }, "StringLike": { key("sub"): format!("{prefix}*") },
        }),
    };
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": { "Federated": format!("arn:aws:iam::ACCOUNT_ID:oidc-provider/{url}") },
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
        }],
    });
    let (issuer, audience) = (quote(&facts.issuer), quote(&facts.audience));
    let provider = Step::run(
        "the issuer, once for each account; IAM fetches its keys from its URL",
        &[
            "aws iam create-open-id-connect-provider --url",
            &issuer,
            "--client-id-list",
            &audience,
        ],
    );
    let role = Step::run(
        "a role for this agent alone: give it only what the agent needs",
        &[
            "aws iam create-role --role-name ROLE_NAME --assume-role-policy-document file://trust-policy.json \
             --max-session-duration 3600",
        ],
    );
    let exchange = Step::run(
        "by hand; the SDKs do it by themselves where AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE are set",
        &[
            "aws sts assume-role-with-web-identity --role-arn arn:aws:iam::ACCOUNT_ID:role/ROLE_NAME \
             --role-session-name claviger --duration-seconds 900 --web-identity-token file://TOKEN_FILE",
        ],
    );
    let environment = Step::run(
        "for the SDKs",
        &[
            "export AWS_ROLE_ARN=arn:aws:iam::ACCOUNT_ID:role/ROLE_NAME AWS_WEB_IDENTITY_TOKEN_FILE=TOKEN_FILE",
        ],
    );
    Setup {
        provider: vec![
            provider,
            Step::file("who may have the role", "trust-policy.json", policy),
            role,
        ],
        exchange: vec![token(facts), exchange, environment],
        minted: "temporary credentials for all that the role may do, from 15 minutes up to the role's maximum session duration; the kind \
                 aws signs each call under its grant instead",
        fill: vec![
            "ACCOUNT_ID: the account's twelve digits",
            "ROLE_NAME: the role's name",
            "TOKEN_FILE: a file of mode 0600",
        ],
    }
}
