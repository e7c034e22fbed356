//! Google Cloud: a workload identity pool with one provider, its keys uploaded, its condition the subject.

use super::{Facts, Setup, Step, Subject, cel, quote, token};
use serde_json::json;

const POOL: &str = "projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/claviger";

pub(super) fn setup(facts: &Facts) -> Setup {
    let subject = cel(facts.subject.as_str());
    let (condition, member) = match &facts.subject {
        Subject::Exact(subject_text) => (
            format!("assertion.sub == {subject}"),
            format!("principal://iam.googleapis.com/{POOL}/subject/{subject_text}"),
        ),
        Subject::Prefix(_) => (
            format!("assertion.sub.startsWith({subject})"),
            format!("principalSet://iam.googleapis.com/{POOL}/*"),
        ),
    };
    let pool = Step::run(
        "a pool for this deployment's agents and nobody else",
        &[
            "gcloud iam workload-identity-pools create claviger --project=PROJECT_ID --location=global",
        ],
    );
    let provider = Step::run(
        "the issuer; its keys are uploaded, its URL is not fetched",
        &[
            "gcloud iam workload-identity-pools providers create-oidc claviger --project=PROJECT_ID --location=global \
             --workload-identity-pool=claviger --attribute-mapping=google.subject=assertion.sub --jwk-json-path=keys.json",
            &format!("--issuer-uri={}", quote(&facts.issuer)),
            &format!("--allowed-audiences={}", quote(&facts.audience)),
            &format!("--attribute-condition={}", quote(&condition)),
        ],
    );
    let role = Step::run(
        "what it may do: on a resource rather than the project where there is one",
        &[
            "gcloud projects add-iam-policy-binding PROJECT_ID --role=ROLE",
            &format!("--member={}", quote(&member)),
        ],
    );
    let account = json!({
        "type": "external_account", "audience": format!("//iam.googleapis.com/{POOL}/providers/claviger"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": { "file": "TOKEN_FILE", "format": { "type": "text" } },
    });
    let environment = Step::run(
        "for Google's libraries, which exchange by themselves",
        &["export GOOGLE_APPLICATION_CREDENTIALS=external-account.json"],
    );
    Setup {
        provider: vec![
            pool,
            Step::file("the keys of these tokens", "keys.json", facts.jwks()),
            provider,
            role,
        ],
        exchange: vec![
            token(facts),
            Step::file(
                "where the libraries find the token",
                "external-account.json",
                account,
            ),
            environment,
        ],
        minted: "a federated access token for all that the principal may do, up to an hour; it cannot be taken back, but its bindings can",
        fill: vec![
            "PROJECT_ID, PROJECT_NUMBER: the project",
            "ROLE: such as roles/storage.objectViewer",
            "TOKEN_FILE: a file of mode 0600",
        ],
    }
}
