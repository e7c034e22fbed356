//! The Claude API: a federation issuer with its keys inlined, and a rule that binds a subject to a service account.

use super::{Facts, NAME, Setup, Step, Subject, post, slug, token};
use serde_json::json;

const API: &str = "https://api.anthropic.com/v1/organizations";
const VERSION: &str = "-H 'anthropic-version: 2023-06-01' ";
/// Seconds: as long as an identity token at most.
const LIFETIME: u32 = 300;

pub(super) fn setup(facts: &Facts) -> Setup {
    let keys = facts.jwks();
    let issuer = json!({
        "name": NAME, "issuer_url": facts.issuer, "check_jti": true, "max_jwt_lifetime_seconds": LIFETIME,
        "jwks": { "type": "inline", "keys": keys.get("keys") },
    });
    // Exact unless it ends with a star, which no part of a subject holds.
    let subject = match &facts.subject {
        Subject::Exact(subject) => subject.clone(),
        Subject::Prefix(prefix) => format!("{prefix}*"),
    };
    let rule = json!({
        "name": slug(facts), "issuer_id": "ISSUER_ID",
        "match": { "audience": facts.audience, "subject_prefix": subject },
        "oauth_scope": "workspace:inference", "token_lifetime_seconds": LIFETIME, "workspace_id": "WORKSPACE_ID",
        "target": { "type": "service_account", "service_account_id": "SERVICE_ACCOUNT_ID" },
    });
    let url = |what: &str| format!("{API}/{what}");
    let admin = "ANTHROPIC_ADMIN_TOKEN";
    let environment = Step::run(
        "for the SDKs, which exchange by themselves; no ANTHROPIC_API_KEY may be set, it goes before",
        &[
            "export ANTHROPIC_FEDERATION_RULE_ID=RULE_ID ANTHROPIC_ORGANIZATION_ID=ORGANIZATION_ID \
             ANTHROPIC_SERVICE_ACCOUNT_ID=SERVICE_ACCOUNT_ID ANTHROPIC_IDENTITY_TOKEN_FILE=TOKEN_FILE",
        ],
    );
    let exchange = Step::run(
        "by hand (RFC 7523); each identity token once",
        &[
            "jq -n --rawfile token TOKEN_FILE '{grant_type: \"urn:ietf:params:oauth:grant-type:jwt-bearer\", \
             assertion: $token, federation_rule_id: \"RULE_ID\", organization_id: \"ORGANIZATION_ID\", \
             service_account_id: \"SERVICE_ACCOUNT_ID\"}' \
             | curl --fail-with-body https://api.anthropic.com/v1/oauth/token -H 'Content-Type: application/json' -d @-",
        ],
    );
    Setup {
        provider: vec![
            Step::file(
                "the issuer, its keys inlined, each token once",
                "issuer.json",
                issuer,
            ),
            post(
                "makes it; its answer names ISSUER_ID",
                &url("federation_issuers"),
                admin,
                "issuer.json",
                VERSION,
            ),
            Step::file(
                "whose tokens act as which service account",
                "rule.json",
                rule,
            ),
            post(
                "makes the rule; its answer names RULE_ID",
                &url("federation_rules"),
                admin,
                "rule.json",
                VERSION,
            ),
        ],
        exchange: vec![token(facts), exchange, environment],
        minted: "an access token for all that the service account may do in the workspace under the rule's scope, 300 seconds by the rule, and at \
                 most twice what the identity token had left",
        fill: vec![
            "ANTHROPIC_ADMIN_TOKEN: an OAuth token of scope org:admin, in the environment",
            "SERVICE_ACCOUNT_ID, WORKSPACE_ID, ORGANIZATION_ID: which exist already",
            "ISSUER_ID, RULE_ID: from the answers",
            "TOKEN_FILE: a file of mode 0600",
        ],
    }
}
