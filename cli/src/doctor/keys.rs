//! KMS keys under their policies, and the public keys that the host serves for relying parties.

use super::{Report, finding};
use crate::{
    Error,
    ceremony::{
        kms::Kms,
        policy::{Pins, judge::Wanted, key},
    },
    finding::Finding,
    operator::Operator,
    profile::Profile,
    view::View,
};
use claviger_shared::{jwk, owner::manifest::Recipient};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) async fn policies(report: &mut Report, profile: &Profile) {
    let Some(parties) = &profile.parties else {
        return report.skipped(
            "key policy",
            "the profile names no `parties`: run `claviger policy check` where they are known",
        );
    };
    let Ok(chain) = profile.chain() else { return };
    let pins = Pins::of(&chain).ok();
    for Recipient { arn, public_key } in &chain.newest().recipients {
        let wanted = Wanted {
            key: Some(arn),
            parties,
            pins: pins.as_ref(),
        };
        match live(profile, arn, public_key, &wanted).await {
            Ok(found) if found.is_empty() => {
                report.well("key policy", format!("{arn} is as rendered or tighter"))
            }
            Ok(found) => found
                .into_iter()
                .for_each(|one| report.fault("key policy", one)),
            Err(error) => report.skipped(
                "key policy",
                format!("{arn} cannot be read with the AWS credentials at hand: {error}"),
            ),
        }
    }
}

async fn live(
    profile: &Profile,
    arn: &str,
    public_key: &[u8],
    wanted: &Wanted<'_>,
) -> Result<Vec<Finding>, Error> {
    let kms = Kms::connect(&profile.kms_of(arn)?).await;
    key::live(&kms, arn, public_key, wanted).await
}

/// What relying parties read under `.well-known` is the host's word; here it is held against the audited log.
pub(super) async fn well_known(report: &mut Report, profile: &Profile, view: &View) {
    let served = match Operator::new(&profile.api, None) {
        Ok(face) => face.json("/.well-known/jwks.json").await,
        Err(error) => Err(error),
    };
    let served = match served {
        Ok(served) => served,
        Err(error) => return report.skipped("well-known keys", error.to_string()),
    };
    let listed = served
        .get("keys")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let listed: BTreeSet<String> = listed.iter().map(point).collect();
    let keys = view.state().keys();
    let known: BTreeSet<String> = keys
        .filter_map(|(_, key)| jwk::jwk(key.alg, &key.public))
        .map(|jwk| point(&serde_json::to_value(jwk).unwrap_or_default()))
        .collect();
    let strange = listed.difference(&known).count();
    if strange > 0 {
        report.fault(
            "well-known keys",
            finding(
                "well_known_differs",
                profile.api.clone(),
                format!("{strange} keys that the host serves are not in the log"),
                "relying parties that read them there believe signatures of somebody else",
                "have relying parties take keys from an origin of yours: `claviger key export`",
            ),
        );
    } else {
        report.warning(
            "well-known keys",
            finding(
                "well_known",
                profile.api.clone(),
                format!("{} keys, all of them in the log now", listed.len()),
                "they are the host's word, and unauthenticated: it can serve others tomorrow",
                "have relying parties take keys from an origin of yours: `claviger key export`",
            ),
        );
    }
}

/// What makes a key the same key.
fn point(jwk: &Value) -> String {
    let word = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    ["kty", "crv", "x", "y"].map(word).join(" ")
}
