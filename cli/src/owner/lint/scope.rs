//! Breadth of what a grant names.

use super::{super::words::route, finding};
use crate::{finding::Finding, owner::words::Around};
use claviger_shared::{
    catalog::{
        AwsRoute, AwsTarget, BodyRule, EvmRoute, HttpRoute, JwtRoute, Media, Members, Resource,
        Route, SolanaRoute, SshRoute, TemplateRoute, template::Uncovered,
    },
    effect::{Kind, Verb},
    grant::{Grant, Window, profile},
    id::{ResourceName, Unit},
    ledger::KeyState,
};
use std::collections::BTreeSet;

/// Names in one grant from which on they are many.
const MANY: usize = 8;

pub(super) fn check(grant: &Grant, around: &Around<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let names: BTreeSet<_> = grant.permissions.names().collect();
    if names.len() > MANY {
        found.push(finding(
            "many_resources",
            "/permissions",
            format!("{} names in one grant", names.len()),
            "whoever takes this one agent over has all of them",
            "give each task its own grant",
        ));
    }
    for (verb, list) in lists(grant) {
        for name in list {
            let at = format!("/permissions/{}", route::verb_word(verb));
            found.extend(permission(grant, verb, name, &at, around));
        }
    }
    found.extend(let_out(grant, around));
    found
}

/// The three lists with their verbs.
pub(super) fn lists(grant: &Grant) -> [(Verb, &Vec<ResourceName>); 3] {
    [
        (Verb::Read, &grant.permissions.read),
        (Verb::Write, &grant.permissions.write),
        (Verb::Delete, &grant.permissions.delete),
    ]
}

/// Whether any way to a resource counts as a verb.
pub(super) fn serves(resource: &Resource, verb: Verb) -> bool {
    let mut routes = resource.routes.iter();
    routes.any(|found| !route::methods(found, verb).is_empty())
}

fn permission(
    grant: &Grant,
    verb: Verb,
    name: &ResourceName,
    at: &str,
    around: &Around<'_>,
) -> Vec<Finding> {
    let Some(resource) = around.catalog.resources.get(name) else {
        return vec![finding(
            "unknown_name",
            at,
            format!("`{name}` is not in the catalog"),
            "every call on it is denied",
            "take it out, or put it into the catalog first",
        )];
    };
    if !serves(resource, verb) {
        return vec![finding(
            "dead_permission",
            at,
            format!("no way to `{name}` counts as {}", route::verb_word(verb)),
            "it allows nothing today and something once the catalog changes",
            "take it out",
        )];
    }
    let mut found = Vec::new();
    for (number, way) in resource.routes.iter().enumerate() {
        if route::methods(way, verb).is_empty() {
            continue;
        }
        let place = format!("{at}: {name}, way {number}");
        match way {
            Route::Http(http) => {
                found.extend(way_of_http(grant, verb, name, http, &place));
                found.extend(profile_of_http(grant, name, http, &place));
            }
            Route::Jwt(jwt) => found.extend(way_of_jwt(grant, name, jwt, &place)),
            Route::Template(template) => {
                found.extend(way_of_template(grant, verb, name, template, &place));
            }
            Route::Aws(aws) => found.extend(way_of_aws(grant, verb, name, aws, &place)),
            Route::Evm(evm) => found.extend(way_of_evm(grant, verb, name, evm, &place)),
            Route::X402(route) => found.extend(unit_budget(grant, &route.asset, name, &place)),
            Route::Ssh(ssh) => found.extend(way_of_ssh(grant, verb, name, ssh, &place)),
            Route::Solana(route) => found.extend(way_of_solana(grant, name, route, &place)),
        }
        found.extend(key_for(grant, way, name, around, &place));
    }
    found
}

/// What is paid, and the lamports that fees and rent are taken in.
fn way_of_solana(
    grant: &Grant,
    name: &ResourceName,
    route: &SolanaRoute,
    at: &str,
) -> Vec<Finding> {
    let mut found: Vec<_> = unit_budget(grant, &route.asset, name, at)
        .into_iter()
        .collect();
    let pays = route.fee_payer.is_empty() || route.rent.is_some();
    if pays && route.coin != route.asset {
        found.extend(unit_budget(grant, &route.coin, name, at));
    }
    found
}

fn way_of_jwt(grant: &Grant, name: &ResourceName, jwt: &JwtRoute, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if jwt.mints && !grant.allow_minting.contains(name) {
        found.push(denied_minting(name, at));
    }
    let identity_only = profile::is_identity_only(&jwt.profile);
    if identity_only && !grant.allow_identity_only.contains(name) {
        found.push(finding(
            "identity_only_denied",
            at,
            format!(
                "a token of `{name}` says who, not where, and allow_identity_only does not name it"
            ),
            "every call on it is denied as `identity_only`",
            format!("add \"{name}\" to allow_identity_only if the agent may have such tokens"),
        ));
    }
    let profile = grant.credentials.get(&Kind::Jwt);
    let profile = profile.and_then(|rule| rule.profile.as_deref());
    let profile = profile.unwrap_or(profile::ASSERTION);
    if profile != jwt.profile {
        found.push(finding(
            "other_profile",
            at,
            format!(
                "`{name}` takes tokens of profile {}, and the grant gives {profile}",
                jwt.profile
            ),
            "every call on it is denied",
            format!(
                "say \"credentials\": {{\"jwt\": {{\"profile\": \"{}\"}}}}, in a grant of its own",
                jwt.profile
            ),
        ));
    }
    found
}

/// Requests between workloads are of their profile, and no others are.
fn profile_of_http(
    grant: &Grant,
    name: &ResourceName,
    http: &HttpRoute,
    at: &str,
) -> Option<Finding> {
    let rule = grant.credentials.get(&Kind::Http);
    let given = rule.and_then(|rule| rule.profile.as_deref());
    let given = given.unwrap_or(profile::GENERIC);
    let between = http.wimse.is_some();
    let (takes, say) = if between {
        ("requests of profile wimse", "\"wimse\"")
    } else {
        ("no requests of profile wimse", "another one, or none")
    };
    ((given == profile::WIMSE) != between).then(|| {
        finding(
            "other_profile",
            at,
            format!("`{name}` takes {takes}, and the grant gives {given}"),
            "every call on it is denied",
            format!("say {say} as \"profile\" of \"credentials\".\"http\", in a grant of its own"),
        )
    })
}

fn denied_minting(name: &ResourceName, at: &str) -> Finding {
    finding(
        "minting_denied",
        at,
        format!("`{name}` answers with a credential, and allow_minting does not name it"),
        "every call on it is denied as `minting`",
        format!("add \"{name}\" to allow_minting if the agent may have such credentials"),
    )
}

fn way_of_http(
    grant: &Grant,
    verb: Verb,
    name: &ResourceName,
    http: &HttpRoute,
    at: &str,
) -> Vec<Finding> {
    let mut found = openings(name, http, at);
    if http.mints && !grant.allow_minting.contains(name) {
        found.push(denied_minting(name, at));
    }
    for extractor in &http.charge {
        found.extend(unit_budget(grant, &extractor.unit, name, at));
    }
    if verb == Verb::Read {
        return found;
    }
    let word = route::verb_word(verb);
    if http.charge.is_empty() && !has_paced_calls(grant) {
        found.push(unpriced_write(name, verb, at));
    }
    let open: Vec<_> = route::parameters(http)
        .into_iter()
        .filter(|parameter| {
            let only = grant.only.get(name);
            !only.is_some_and(|only| only.contains_key(&format!("path.{parameter}")))
        })
        .collect();
    if !open.is_empty() {
        found.push(finding(
            "open_parameter",
            at,
            format!("{word} on `{name}` with any {{{}}}", open.join("}, {")),
            "it reaches everybody's objects, not only those of the task",
            format!(
                "add \"only\": {{\"{name}\": {{\"path.{}\": […]}}}}",
                open.join("\", \"path.")
            ),
        ));
    }
    found
}

fn way_of_template(
    grant: &Grant,
    verb: Verb,
    name: &ResourceName,
    template: &TemplateRoute,
    at: &str,
) -> Vec<Finding> {
    let mut found = way_of_http(grant, verb, name, &template.http, at);
    let placeless = template.uncovered.contains(&Uncovered::Path);
    if placeless && !grant.allow_identity_only.contains(name) {
        found.push(finding(
            "identity_only_denied",
            at,
            format!("what is signed for `{name}` says no path, and allow_identity_only does not name it"),
            "every call on it is denied as `identity_only`",
            format!("add \"{name}\" to allow_identity_only if the agent may send the same members elsewhere"),
        ));
    }
    if template.undated && !grant.allow_outliving.contains(name) {
        found.push(finding(
            "outliving_denied",
            at,
            format!("what is signed for `{name}` has no time in it, and allow_outliving does not name it"),
            "every call on it is denied as `outliving`",
            format!("add \"{name}\" to allow_outliving if requests may be sent after the grant's end"),
        ));
    }
    found
}

fn way_of_aws(
    grant: &Grant,
    verb: Verb,
    name: &ResourceName,
    aws: &AwsRoute,
    at: &str,
) -> Vec<Finding> {
    let resource = match &aws.to {
        AwsTarget::Place(place) => return way_of_http(grant, verb, name, &place.http, at),
        AwsTarget::Resource(resource) => resource,
    };
    let mut found = Vec::new();
    let mints = route::aws_actions(aws, verb)
        .into_iter()
        .any(|action| action.mints);
    if mints && !grant.allow_minting.contains(name) {
        found.push(denied_minting(name, at));
    }
    for extractor in &resource.charge {
        found.extend(unit_budget(grant, &extractor.unit, name, at));
    }
    if verb != Verb::Read && resource.charge.is_empty() && !has_paced_calls(grant) {
        found.push(unpriced_write(name, verb, at));
    }
    found
}

fn way_of_evm(
    grant: &Grant,
    verb: Verb,
    name: &ResourceName,
    evm: &EvmRoute,
    at: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    if evm.mints() && !grant.allow_minting.contains(name) {
        found.push(denied_minting(name, at));
    }
    if evm.is_endless() && !grant.allow_outliving.contains(name) {
        found.push(finding(
            "outliving_denied",
            at,
            format!("nothing ends what `{name}` signs, and allow_outliving does not name it"),
            "every call on it is denied as `outliving`",
            format!("add \"{name}\" to allow_outliving if the agent may have what lives on"),
        ));
    }
    for unit in evm.units() {
        // An allowance that is taken back costs gas alone.
        if verb != Verb::Delete || evm.coin() == Some(unit) {
            found.extend(unit_budget(grant, unit, name, at));
        }
    }
    if verb != Verb::Read && evm.units().is_empty() && !has_paced_calls(grant) {
        found.push(unpriced_write(name, verb, at));
    }
    found
}

fn way_of_ssh(
    grant: &Grant,
    verb: Verb,
    name: &ResourceName,
    ssh: &SshRoute,
    at: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let ttl = grant.credentials.get(&Kind::Ssh).and_then(|rule| rule.ttl);
    match ssh {
        SshRoute::Certificate(_) if !grant.allow_identity_only.contains(name) => {
            found.push(finding(
                "identity_only_denied",
                at,
                format!("a certificate of `{name}` says who, not where, and allow_identity_only does not name it"),
                "every call on it is denied as `identity_only`",
                format!("add \"{name}\" to allow_identity_only if the agent may have such certificates"),
            ));
        }
        SshRoute::Signature(_) if !grant.allow_outliving.contains(name) || ttl.is_some() => {
            found.push(finding(
                "outliving_denied",
                at,
                format!("a signature of `{name}` has no end, and allow_outliving does not name it, or ssh has a ttl_s"),
                "every call on it is denied as `outliving`",
                format!("add \"{name}\" to allow_outliving, without a ttl_s for ssh, if the agent may make such signatures"),
            ));
        }
        SshRoute::Certificate(_) | SshRoute::Signature(_) => {}
    }
    if !has_paced_calls(grant) {
        found.push(unpriced_write(name, verb, at));
    }
    found
}

fn unpriced_write(name: &ResourceName, verb: Verb, at: &str) -> Finding {
    let word = route::verb_word(verb);
    finding(
        "unpriced_write",
        at,
        format!("{word} on `{name}` charges nothing, and only whole-life calls bound it"),
        "a hijacked agent can spend all its calls on it at once",
        "add a rolling budget of calls, or let the catalog charge what a call moves",
    )
}

fn openings(name: &ResourceName, http: &HttpRoute, at: &str) -> Vec<Finding> {
    let body = http.body.as_ref();
    let open_body = body.is_some_and(|BodyRule { media, members }| {
        *media != Media::Opaque && *members == Members::Any
    });
    let opaque = body.is_some_and(|rule| rule.media == Media::Opaque);
    let opened = [
        (http.query == Members::Any, "any query member"),
        (http.headers == Members::Any, "any header"),
        (open_body, "any body member"),
        (opaque, "a body that nothing is read from"),
    ];
    let opened = opened.into_iter().filter(|(open, _)| *open);
    opened
        .map(|(_, what)| {
            finding(
                "any_opening",
                at,
                format!("`{name}` admits {what}"),
                "members that nobody thought of can change what the call does",
                "list the members in the catalog",
            )
        })
        .collect()
}

fn unit_budget(grant: &Grant, unit: &Unit, name: &ResourceName, at: &str) -> Option<Finding> {
    let mut windows = grant
        .budgets
        .iter()
        .filter(|budget| budget.unit == *unit)
        .map(|budget| budget.window)
        .peekable();
    if windows.peek().is_none() {
        return Some(finding(
            "no_unit_budget",
            at,
            format!("`{name}` charges {unit}, and no budget has this unit"),
            "every call on it is denied as `unbudgeted_unit`",
            format!("add budgets of {unit}, or take `{name}` out"),
        ));
    }
    (!windows.any(|window| window == Window::Call)).then(|| {
        finding(
            "no_call_limit",
            "/budgets",
            format!("no budget of {unit} holds for one call"),
            "one call can spend a whole window at once",
            format!("add {{\"unit\": \"{unit}\", \"max\": \"…\", \"window\": \"call\"}}"),
        )
    })
}

/// Whether calls are bounded over less than the whole life.
pub(super) fn has_paced_calls(grant: &Grant) -> bool {
    grant.budgets.iter().any(|budget| {
        budget.unit.is_call() && !matches!(budget.window, Window::Call | Window::Grant)
    })
}

fn key_for(
    grant: &Grant,
    way: &Route,
    name: &ResourceName,
    around: &Around<'_>,
    at: &str,
) -> Option<Finding> {
    let kind = match way {
        Route::Http(_) => Kind::Http,
        Route::Jwt(_) => Kind::Jwt,
        Route::Aws(_) => Kind::Aws,
        Route::Evm(_) => Kind::Evm,
        Route::X402(_) => Kind::X402,
        Route::Ssh(_) => Kind::Ssh,
        Route::Solana(_) => Kind::Solana,
        Route::Template(_) => Kind::Template,
    };
    let signs = |key: &KeyState| match way {
        Route::Template(template) => template.takes(key.alg, &key.public),
        Route::Http(_)
        | Route::Jwt(_)
        | Route::Aws(_)
        | Route::X402(_)
        | Route::Ssh(_)
        | Route::Evm(_)
        | Route::Solana(_) => true,
    };
    let of_key = kind.of_key();
    let fits = |id| {
        let key = around.keys.get(id);
        key.is_some_and(|key| key.kind == of_key && signs(key))
    };
    let kind = kind.as_str();
    (!grant.keys.iter().any(fits)).then(|| {
        finding(
            "no_key",
            at,
            format!("`{name}` needs a key of kind {kind}, and the grant names none"),
            "every call on it is denied",
            format!("add one to keys, or make one with `claviger key create --kind {kind}`"),
        )
    })
}

fn let_out(grant: &Grant, around: &Around<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let scope: BTreeSet<_> = grant.permissions.names().collect();
    let lists = [
        ("allow_minting", &grant.allow_minting),
        ("allow_identity_only", &grant.allow_identity_only),
        ("allow_outliving", &grant.allow_outliving),
    ];
    for (member, names) in lists {
        for name in names.iter().filter(|name| !scope.contains(name)) {
            found.push(finding(
                "needless_allowance",
                format!("/{member}"),
                format!("`{name}` is in {member} and in no permission"),
                "an amendment that adds the name would let more out than was read",
                "take it out",
            ));
        }
    }
    let mints = |name: &&ResourceName| {
        let resource = around.catalog.resources.get(*name);
        resource.is_none_or(|resource| {
            resource.routes.iter().any(|way| match way {
                Route::Http(http) => http.mints,
                Route::Jwt(jwt) => jwt.mints,
                Route::Aws(aws) => aws.mints(),
                Route::Evm(evm) => evm.mints(),
                Route::X402(_) | Route::Ssh(_) | Route::Solana(_) => false,
                Route::Template(template) => template.http.mints,
            })
        })
    };
    for name in grant.allow_minting.iter().filter(|name| !mints(name)) {
        found.push(finding(
            "needless_allowance",
            "/allow_minting",
            format!("`{name}` mints nothing"),
            "it would let credentials out once the catalog says that it does",
            "take it out",
        ));
    }
    for name in &grant.allow_outliving {
        found.push(finding(
            "outliving",
            "/allow_outliving",
            format!("credentials for `{name}` live on after the grant"),
            "revoking the grant does not end them",
            "take it out, or keep their ttl_s short",
        ));
    }
    found
}
