//! Routes of tokens, and what is said between workloads, in words: who says what of whom, and what it is good for.
//!
//! It knows no grant: whether any lets an agent have one is said elsewhere.

use claviger_shared::{
    catalog::{JwtRoute, WimseRoute},
    grant::profile,
};

/// What is said between workloads.
pub(super) fn of_workload(route: &WimseRoute) -> Vec<String> {
    let WimseRoute {
        audience,
        subject,
        sign_response,
    } = route;
    let audience = audience.as_ref().map_or_else(
        || "its own URL without the query".to_owned(),
        |audience| format!("{audience}, whatever its host"),
    );
    let mut facts = vec![
        format!("from the workload {subject} by its token, whose issuer is not checked here"),
        format!("to the audience {audience}"),
    ];
    if *sign_response {
        facts.push("asks for a signed answer".to_owned());
    }
    facts
}

/// What a token says, besides whom it is for.
pub(super) fn of_jwt(jwt: &JwtRoute) -> Vec<String> {
    let JwtRoute {
        profile,
        audience: _,
        issuer,
        subject,
        nonce,
        scope,
        key_id,
        token_endpoint,
        http,
        verb: _,
        probe: _,
        mints,
    } = jwt;
    let mut facts = Vec::new();
    let workload = profile == profile::WPT;
    if workload {
        facts.push(format!(
            "for the workload {subject} by its token, whose issuer is not checked here"
        ));
    } else if http.is_none() {
        let subject = match (profile.as_str(), subject.as_str()) {
            (profile::OIDC, _) => "this deployment, agent and grant",
            (profile::GITHUB_APP, _) => "all that the app is installed on",
            (_, "") => "itself",
            (_, subject) => subject,
        };
        facts.push(format!("issued by {issuer} for {subject}"));
    }
    if let Some(scope) = scope {
        facts.push(format!("scope {scope}"));
    }
    if let Some(key_id) = key_id {
        facts.push(format!("under the key that the account knows as {key_id}"));
    }
    if workload {
        facts.push(
            "it says who and to whom, not what: with the token it goes with any request there"
                .to_owned(),
        );
    } else if profile::is_identity_only(profile) {
        facts.push("it says who, not where: whoever has one acts as that anywhere".to_owned());
    }
    if *token_endpoint {
        facts.push("where tokens are asked for".to_owned());
    }
    if *nonce {
        facts.push("with a nonce that the caller may choose".to_owned());
    }
    if *mints {
        facts.push("what it answers is itself a credential".to_owned());
    }
    facts
}
