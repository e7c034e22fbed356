//! What of a catalog is open, unpriced, never tried, or easily taken for something else.

use super::{super::words::route, finding, prices};
use crate::finding::Finding;
use claviger_shared::{
    catalog::{
        AwsRoute, AwsTarget, BodyRule, Catalog, EvmRoute, EvmSigns, HttpRoute, Media, MemberRule,
        Members, Resource, Route, Segment, SolanaRoute, SshRoute, TemplateRoute, ValueRule,
    },
    effect::{Env, Verb},
    grant::profile,
    id::ResourceName,
};
use std::collections::{BTreeMap, BTreeSet};

/// Names of members that mostly say how much.
const VALUES: [&str; 8] = [
    "amount",
    "amount_cents",
    "value",
    "price",
    "total",
    "quantity",
    "max_tokens",
    "unit_amount",
];

/// Everything that is to be said about a catalog.
#[must_use]
pub fn check(catalog: &Catalog) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, resource) in &catalog.resources {
        found.extend(probe(name, resource));
        for (number, way) in resource.routes.iter().enumerate() {
            let at = format!("/resources/{name}/routes/{number}");
            match way {
                Route::Http(http) => found.extend(of_route(name, http, &at)),
                Route::Jwt(_) | Route::X402(_) => {}
                Route::Solana(solana) => found.extend(of_solana(name, solana, &at)),
                Route::Aws(aws) => found.extend(of_aws(name, aws, &at)),
                Route::Evm(evm) => found.extend(of_evm(evm, &at)),
                Route::Ssh(ssh) => found.extend(of_ssh(ssh, &at)),
                Route::Template(template) => found.extend(of_template(name, template, &at)),
            }
        }
    }
    found.extend(hosts(catalog));
    found.extend(overlaps(catalog));
    found
}

fn probe(name: &ResourceName, resource: &Resource) -> Option<Finding> {
    let probed = resource.routes.iter().any(|way| match way {
        Route::Http(http) => http.probe,
        Route::Jwt(jwt) => jwt.probe,
        Route::Aws(_) | Route::X402(_) | Route::Ssh(_) | Route::Evm(_) | Route::Solana(_) => false,
        Route::Template(template) => template.http.probe,
    });
    // What only changes or pays has no harmless call.
    let harmless = resource.routes.iter().any(|way| match way {
        // A workload's request and its proof want its token.
        Route::Http(http) => http.wimse.is_none() && !route::methods(way, Verb::Read).is_empty(),
        // A proof wants the hash of an access token.
        Route::Jwt(jwt) => jwt.http.is_none() && jwt.profile != profile::WPT,
        // No call of these kinds is tried.
        Route::Aws(_) | Route::X402(_) | Route::Ssh(_) | Route::Evm(_) | Route::Solana(_) => false,
        Route::Template(_) => !route::methods(way, Verb::Read).is_empty(),
    });
    (harmless && !probed).then(|| {
        finding(
            "no_probe",
            format!("/resources/{name}"),
            format!("no way to `{name}` is a probe"),
            "nobody learns that it is wrong before an agent needs it",
            "mark a harmless way with \"probe\": true",
        )
    })
}

/// A memo is kept by everybody, for ever, and nothing reads what it says.
fn of_solana(name: &ResourceName, route: &SolanaRoute, at: &str) -> Option<Finding> {
    route.memo.then(|| {
        finding(
            "public_memo",
            at,
            format!("payments of `{name}` may carry a text of the agent's"),
            "whoever reads the chain reads it, for ever, and no rule does",
            "take \"memo\" out, unless the payee tells payments apart by it",
        )
    })
}

/// Of a place what is said of any HTTP route, but for charges: that these can be made twice lies with the protocol.
fn of_aws(name: &ResourceName, aws: &AwsRoute, at: &str) -> Vec<Finding> {
    match &aws.to {
        AwsTarget::Place(place) => {
            let found = of_route(name, &place.http, at).into_iter();
            found
                .filter(|finding| finding.code != "replayable_charge")
                .collect()
        }
        AwsTarget::Resource(resource) if resource.unsigned_payload => vec![finding(
            "unsigned_payload",
            at,
            "bodies go unsigned",
            "whoever sees a request can send another body with it within its lifetime",
            "leave \"unsigned_payload\" out where bodies are at most 512 KiB",
        )],
        AwsTarget::Resource(resource) => prices::check(&resource.charge, at),
    }
}

/// Calls and forms in which something may be anything, or that charge nothing for what they do.
fn of_evm(evm: &EvmRoute, at: &str) -> Vec<Finding> {
    let open = |what: &str| {
        finding(
            "any_opening",
            at,
            format!("{what} may be anything"),
            "values that nobody thought of can change what the call does",
            "list what it may be with any_of, or charge it",
        )
    };
    let unpriced = || {
        finding(
            "unpriced_value",
            at,
            "no value is charged but gas",
            "a contract can move more than the coin that is sent along",
            "charge the argument that says how much, where there is one",
        )
    };
    match &evm.signs {
        EvmSigns::Coin(_) | EvmSigns::SignIn(_) => Vec::new(),
        EvmSigns::Token(token) => {
            let any = token.token_id == Some(Members::Any);
            any.then(|| open("the token's id")).into_iter().collect()
        }
        EvmSigns::Call(call) => {
            let rules = || call.arguments.iter().map(|one| &one.rule);
            let any = rules().any(|rule| *rule == ValueRule::Any);
            let charged = rules().any(|rule| rule.unit().is_some());
            let found = [
                any.then(|| open("an argument")),
                (!charged && !call.payable).then(unpriced),
            ];
            found.into_iter().flatten().collect()
        }
        EvmSigns::TypedData(typed) => {
            let any = typed.members.values().any(MemberRule::is_any);
            any.then(|| open("a member")).into_iter().collect()
        }
    }
}

fn of_ssh(ssh: &SshRoute, at: &str) -> Option<Finding> {
    match ssh {
        SshRoute::Certificate(route) if route.force_command.is_none() => Some(finding(
            "any_command",
            at,
            "its certificates run any command",
            "whoever has one does all that its user may, at every host that trusts the key",
            "name the one command with \"force_command\"",
        )),
        SshRoute::Signature(route) if route.authors.is_empty() => Some(finding(
            "any_author",
            at,
            "it signs in anybody's name",
            "a commit that says it is another's verifies as this key's",
            "list who an object may name with \"authors\"",
        )),
        SshRoute::Certificate(_) | SshRoute::Signature(_) => None,
    }
}

/// What is said of any HTTP route, and what a scheme leaves open by itself.
fn of_template(name: &ResourceName, template: &TemplateRoute, at: &str) -> Vec<Finding> {
    let mut found = of_route(name, &template.http, at);
    if template.undated {
        found.push(finding(
            "undated",
            at,
            "nothing that is signed says a time",
            "what is signed is good for as long as the service has not seen it, also after the grant",
            "use a scheme with a time where the service has one",
        ));
    }
    found
}

fn of_route(name: &ResourceName, http: &HttpRoute, at: &str) -> Vec<Finding> {
    let mut found = openings(http, at);
    found.extend(unpriced(http, at));
    found.extend(prices::check(&http.charge, at));
    if http.replayable {
        found.push(finding(
            "replayable_charge",
            at,
            "it charges without single use at the destination",
            "whoever sees the request can have it carried out again within its lifetime",
            "leave \"replayable\" out where the destination knows idempotency-key",
        ));
    }
    if let Some(verb) = http.verb {
        let softer = |method: &&String| route::verb_of(method) > verb;
        let softened: Vec<_> = http
            .methods
            .iter()
            .filter(softer)
            .map(String::as_str)
            .collect();
        if !softened.is_empty() {
            found.push(finding(
                "softened_verb",
                at,
                format!(
                    "{} counts as {}",
                    softened.join(", "),
                    route::verb_word(verb)
                ),
                "grants that may only look can then change or remove",
                "leave \"verb\" out unless the call is harmless",
            ));
        }
    }
    if matches!(http.path.first(), Some(Segment::Parameter(_))) {
        found.push(finding(
            "open_path",
            at,
            "its path begins with a parameter",
            format!("it covers every first segment of {}", http.host).as_str(),
            format!("write the first segment out for `{name}`"),
        ));
    }
    found
}

fn openings(http: &HttpRoute, at: &str) -> Vec<Finding> {
    let body = http.body.as_ref();
    let any_body = body.is_some_and(|BodyRule { media, members }| {
        *media != Media::Opaque && *members == Members::Any
    });
    let opened = [
        (http.query == Members::Any, "query"),
        (http.headers == Members::Any, "headers"),
        (any_body, "body"),
    ];
    let opened = opened.into_iter().filter(|(open, _)| *open);
    let any = opened.map(|(_, member)| {
        finding(
            "any_opening",
            format!("{at}/{member}"),
            format!("any {member} member is admitted"),
            "members that nobody thought of can change what the call does",
            "list them",
        )
    });
    let mut found: Vec<_> = any.collect();
    if body.is_some_and(|rule| rule.media == Media::Opaque) {
        found.push(finding(
            "opaque_body",
            format!("{at}/body"),
            "nothing is read from its body",
            "rules cannot see what it carries",
            "name its media type and members where it has them",
        ));
    }
    found
}

fn unpriced(http: &HttpRoute, at: &str) -> Option<Finding> {
    let writes = http
        .methods
        .iter()
        .any(|method| http.verb.unwrap_or_else(|| route::verb_of(method)) != Verb::Read);
    if !http.charge.is_empty() || !writes {
        return None;
    }
    let listed = |members: &Members| match members {
        Members::Any => Vec::new(),
        Members::Listed(names) => names.clone(),
    };
    let mut names = listed(&http.query);
    names.extend(http.body.iter().flat_map(|rule| listed(&rule.members)));
    let last = |name: &String| {
        let last = name
            .rsplit(['/', '.', '[', ']'])
            .find(|part| !part.is_empty());
        last.unwrap_or_default().to_ascii_lowercase()
    };
    let priced = names
        .iter()
        .find(|name| VALUES.contains(&last(name).as_str()))?;
    Some(finding(
        "unpriced_value",
        at,
        format!("it carries `{priced}` and charges nothing"),
        "no budget bounds how much it moves, only how often",
        format!("add \"charge\": [{{\"unit\": \"…\", \"from\": \"…\", \"field\": \"{priced}\"}}]"),
    ))
}

fn hosts(catalog: &Catalog) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut envs: BTreeMap<&str, BTreeSet<Env>> = BTreeMap::new();
    for resource in catalog.resources.values() {
        for way in &resource.routes {
            if let Route::Http(http) = way {
                envs.entry(&http.host).or_default().insert(resource.env);
            }
        }
    }
    for (host, of) in &envs {
        if of.len() > 1 {
            found.push(finding(
                "host_of_both",
                "/resources",
                format!("{host} is live for one name and a sandbox for another"),
                "a sandbox grant reaches the live host",
                "use the destination's own sandbox host",
            ));
        }
        if host.split('.').any(|label| label.starts_with("xn--")) {
            found.push(finding(
                "encoded_host",
                "/resources",
                format!("{host} is written in punycode"),
                "it may show as letters that look like others",
                "make sure by another way that it is the host you mean",
            ));
        }
    }
    let list: Vec<&&str> = envs.keys().collect();
    for (at, one) in list.iter().enumerate() {
        for other in list.iter().skip(at.saturating_add(1)) {
            if confusable(one, other) {
                found.push(finding(
                    "confusable_hosts",
                    "/resources",
                    format!("{one} and {other} are easily taken for each other"),
                    "one of them may be a mistake, or somebody else's",
                    "make sure of both",
                ));
            }
        }
    }
    found
}

/// Whether two hosts differ by a letter, or by letters that look alike.
fn confusable(one: &str, other: &str) -> bool {
    let digits_gone = |host: &str| {
        host.chars()
            .filter(|c| !c.is_ascii_digit())
            .collect::<String>()
    };
    if skeleton(one) == skeleton(other) {
        return true;
    }
    // Numbered hosts (eu1, eu2) are no mistake.
    digits_gone(one) != digits_gone(other) && one_edit_apart(one, other)
}

fn skeleton(host: &str) -> String {
    let host = host
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d");
    let one = |c: char| match c {
        '0' => 'o',
        '1' | 'i' => 'l',
        '5' => 's',
        other => other,
    };
    host.chars().filter(|c| *c != '-').map(one).collect()
}

fn one_edit_apart(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short
        .bytes()
        .zip(long.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let rest = |text: &str, skip: usize| text.bytes().skip(same + skip).collect::<Vec<_>>();
    let (short_rest, long_rest) = (rest(short, 0), rest(long, 0));
    if short.len() < long.len() {
        return short_rest == rest(long, 1);
    }
    let swapped = matches!(
        (short_rest.as_slice(), long_rest.as_slice()),
        ([a, b, tail @ ..], [c, d, end @ ..]) if a == d && b == c && tail == end
    );
    swapped || rest(short, 1) == rest(long, 1)
}

/// Ways of two names that one call could match.
fn overlaps(catalog: &Catalog) -> Vec<Finding> {
    let mut ways = Vec::new();
    for (name, resource) in &catalog.resources {
        for way in &resource.routes {
            if let Route::Http(http) = way {
                ways.push((name, resource.env, http));
            }
        }
    }
    let mut found = Vec::new();
    for (at, (name, env, one)) in ways.iter().enumerate() {
        for (other_name, other_env, other) in ways.iter().skip(at.saturating_add(1)) {
            if env == other_env && both_match(one, other) {
                found.push(finding(
                    "overlap",
                    "/resources",
                    format!(
                        "a call can match both `{name}` ({}) and `{other_name}` ({})",
                        one.template, other.template
                    ),
                    "a grant that names both has such calls denied as `destination_denied`",
                    "make their paths or methods differ",
                ));
            }
        }
    }
    found
}

fn both_match(one: &HttpRoute, other: &HttpRoute) -> bool {
    let segments = |(a, b): (&Segment, &Segment)| match (a, b) {
        (Segment::Literal(a), Segment::Literal(b)) => a == b,
        (Segment::Parameter(_), _) | (_, Segment::Parameter(_)) => true,
    };
    one.host == other.host
        && one.port == other.port
        && one.path.len() == other.path.len()
        && one.path.iter().zip(&other.path).all(segments)
        && one
            .methods
            .iter()
            .any(|method| other.methods.contains(method))
}
