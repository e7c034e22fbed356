//! The OpenAI API: a workload identity provider with its keys uploaded, and a rule that binds a subject to a service account.

use super::{Facts, NAME, Setup, Step, post, slug, token};
use serde_json::json;

const PROVIDERS: &str = "https://api.openai.com/v1/organization/workload_identity_providers";

pub(super) fn setup(facts: &Facts) -> Setup {
    let provider = json!({
        "name": NAME, "type": "oidc", "issuer": facts.issuer, "audience": facts.audience,
        "verification": { "type": "uploaded_jwks", "jwks": facts.jwks() }, "enabled": true,
    });
    let rule = json!({
        "name": slug(facts), "attribute_matchers": { "sub": facts.subject.as_str() },
        "project_id": "PROJECT_ID", "service_account_id": "SERVICE_ACCOUNT_ID", "enabled": true,
    });
    let rules = format!("{PROVIDERS}/PROVIDER_ID/federation_rules");
    let exchange = Step::run(
        "the exchange (RFC 8693)",
        &[
            "jq -n --rawfile token TOKEN_FILE '{grant_type: \"urn:ietf:params:oauth:grant-type:token-exchange\", \
             subject_token_type: \"urn:ietf:params:oauth:token-type:jwt\", subject_token: $token, \
             identity_provider_id: \"PROVIDER_ID\", service_account_id: \"SERVICE_ACCOUNT_ID\"}' \
             | curl --fail-with-body https://auth.openai.com/oauth/token -H 'Content-Type: application/json' -d @-",
        ],
    );
    let key = "OPENAI_ADMIN_KEY";
    Setup {
        provider: vec![
            Step::file("the issuer, its keys uploaded", "provider.json", provider),
            post(
                "makes it; its answer names PROVIDER_ID",
                PROVIDERS,
                key,
                "provider.json",
                "",
            ),
            Step::file(
                "whose tokens act as which service account",
                "rule.json",
                rule,
            ),
            post("makes the rule", &rules, key, "rule.json", ""),
        ],
        exchange: vec![token(facts), exchange],
        minted: "an access token for all that the service account may do in its project, as long as `expires_in` of the answer says; \
                 limit the rule's `permissions` where it needs less",
        fill: vec![
            "PROJECT_ID, SERVICE_ACCOUNT_ID: the service account, which exists already",
            "PROVIDER_ID: from the first answer",
            "TOKEN_FILE: a file of mode 0600",
        ],
    }
}
