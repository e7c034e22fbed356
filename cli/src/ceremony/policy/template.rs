//! The parameters of `deploy/cloudformation/claviger-key.yaml` that make its key policy the rendered one.
//!
//! That the two are one and the same is a test (`deploy/tests`). The template has room for two releases, the one that runs and
//! the one that comes; a policy with more is put by `claviger policy render --put`.

use super::{Parties, Pins};
use claviger_shared::{
    id::to_hex,
    owner::manifest::{Release, Version},
};
use serde_json::{Map, Value, json};

/// What the template calls its releases.
const PLACES: [&str; 2] = ["ReleaseOne", "ReleaseTwo"];

/// The parameters by name; none where the template has no room for the releases.
#[must_use]
pub fn parameters(parties: &Parties, pins: Option<&Pins>) -> Option<Map<String, Value>> {
    let Parties {
        host,
        administrator,
        break_glass,
    } = parties;
    let mut all = Map::new();
    let mut put = |name: String, value: String| all.insert(name, value.into());
    put("HostRoleArn".to_owned(), host.clone());
    put("AdministratorArn".to_owned(), administrator.clone());
    put("BreakGlassArn".to_owned(), break_glass.clone());
    let releases = pins.map_or(&[][..], |pins| &pins.releases);
    if releases.len() > PLACES.len() {
        return None;
    }
    for (at, place) in PLACES.iter().enumerate() {
        let release = releases.get(at);
        let pcr = |pick: fn(&Release) -> [u8; 48]| {
            release.map_or_else(String::new, |release| to_hex(&pick(release)))
        };
        let version = release.map_or_else(String::new, |release| {
            let Version(major, minor, patch) = release.version;
            format!("{major}.{minor}.{patch}")
        });
        put(format!("{place}Version"), version);
        put(format!("{place}Pcr0"), pcr(|release| release.pcr0.0));
        put(format!("{place}Pcr1"), pcr(|release| release.pcr1.0));
        put(format!("{place}Pcr2"), pcr(|release| release.pcr2.0));
    }
    let register =
        |pick: fn(&Pins) -> [u8; 48]| pins.map_or_else(String::new, |pins| to_hex(&pick(pins)));
    put("Pcr16".to_owned(), register(|pins| pins.deployment.0));
    put("Pcr17".to_owned(), register(|pins| pins.anchor.0));
    Some(all)
}

/// The same as `aws cloudformation --parameters file://FILE` takes them.
#[must_use]
pub fn file(parameters: &Map<String, Value>) -> Value {
    let one =
        |(name, value): (&String, &Value)| json!({ "ParameterKey": name, "ParameterValue": value });
    parameters.iter().map(one).collect()
}
