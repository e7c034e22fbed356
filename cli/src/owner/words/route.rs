//! Routes of the catalog in words: what a name lets an agent do.

use super::{
    charge::charged,
    env_word,
    token::{of_jwt, of_workload},
};
use claviger_shared::{
    call::aws::{Action, Service, verb_by_name},
    catalog::{
        Asset, AssetForm, AwsPlace, AwsResource, AwsRoute, AwsTarget, BodyRule, Catalog,
        CollectionStandard, HttpRoute, JwtRoute, Media, Members, Mint, Route, Segment, SolanaRoute,
        SshCertificate, SshRoute, SshSignature, TemplateRoute, X402Route,
        template::{Insert, Part},
    },
    chain::Address,
    effect::Verb,
    id::Unit,
};

/// The verb a method has by itself (docs/spec/credential-http.md).
#[must_use]
pub fn verb_of(method: &str) -> Verb {
    match method {
        "GET" | "HEAD" | "OPTIONS" => Verb::Read,
        "DELETE" => Verb::Delete,
        _ => Verb::Write,
    }
}

/// The verb's word in `permissions`.
#[must_use]
pub const fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "read",
        Verb::Write => "write",
        Verb::Delete => "delete",
    }
}

/// Methods of a route that count as a verb; `issue` stands for a token's.
#[must_use]
pub fn methods(route: &Route, verb: Verb) -> Vec<&str> {
    match route {
        Route::Http(http) => {
            let counts = |method: &&String| http.verb.unwrap_or_else(|| verb_of(method)) == verb;
            http.methods
                .iter()
                .filter(counts)
                .map(String::as_str)
                .collect()
        }
        Route::Jwt(JwtRoute {
            http: Some(http),
            verb: own,
            ..
        }) => {
            let counts = |method: &&String| own.unwrap_or_else(|| verb_of(method)) == verb;
            let methods = http.methods.iter().filter(counts);
            methods.map(String::as_str).collect()
        }
        Route::Jwt(jwt) if jwt.verb.unwrap_or(Verb::Write) == verb => vec!["issue"],
        Route::Jwt(_) => Vec::new(),
        Route::X402(_) if verb == Verb::Write => vec!["pay"],
        Route::X402(_) => Vec::new(),
        Route::Solana(_) if verb != Verb::Write => Vec::new(),
        Route::Solana(route) if route.rent.is_none() => vec!["transfer"],
        Route::Solana(_) => vec!["transfer", "create_account"],
        Route::Ssh(_) if verb != Verb::Write => Vec::new(),
        Route::Ssh(SshRoute::Certificate(_)) => vec!["certify"],
        Route::Ssh(SshRoute::Signature(route)) => {
            route.objects.iter().map(|one| one.method()).collect()
        }
        Route::Template(template) => {
            let http = &template.http;
            let counts = |method: &&String| http.verb.unwrap_or_else(|| verb_of(method)) == verb;
            let methods = http.methods.iter().filter(counts);
            methods.map(String::as_str).collect()
        }
        Route::Aws(aws) => match &aws.to {
            AwsTarget::Place(place) => place_methods(place, verb),
            AwsTarget::Resource(_) => {
                let actions = aws_actions(aws, verb).into_iter();
                actions.map(|action| action.name).collect()
            }
        },
        Route::Evm(evm) if evm.verbs().contains(&verb) => vec![evm.method()],
        Route::Evm(_) => Vec::new(),
    }
}

/// The actions of a resource's route that count as a verb; none for a place.
#[must_use]
pub fn aws_actions(aws: &AwsRoute, verb: Verb) -> Vec<&'static Action> {
    let AwsTarget::Resource(resource) = &aws.to else {
        return Vec::new();
    };
    let service = Service::named(&aws.service);
    let action = |name: &String| service.and_then(|service| service.action(name));
    let actions = resource.actions.iter().filter_map(action);
    actions.filter(|action| action.verb == verb).collect()
}

/// Every action or method of a route of AWS.
#[must_use]
pub fn aws_names(aws: &AwsRoute) -> Vec<&str> {
    let names = match &aws.to {
        AwsTarget::Place(place) if place.actions.is_empty() => &place.http.methods,
        AwsTarget::Place(place) => &place.actions,
        AwsTarget::Resource(resource) => &resource.actions,
    };
    names.iter().map(String::as_str).collect()
}

/// Actions, or methods, and where they lead.
#[must_use]
pub fn aws_line(names: &[&str], aws: &AwsRoute) -> String {
    let names = names.join(", ");
    match &aws.to {
        AwsTarget::Place(place) => format!(
            "{names} {} ({} in {})",
            address(&place.http),
            aws.service,
            aws.region
        ),
        AwsTarget::Resource(_) => {
            let what = aws.template();
            let on = if what.is_empty() {
                String::new()
            } else {
                format!(" on {what}")
            };
            format!("{names}{on} ({} in {})", aws.service, aws.region)
        }
    }
}

/// Methods of a place that count as a verb, or its actions, which the catalog's `verb` or their names say.
fn place_methods(place: &AwsPlace, verb: Verb) -> Vec<&str> {
    let own = |name: &str| {
        if place.actions.is_empty() {
            verb_of(name)
        } else {
            verb_by_name(name)
        }
    };
    let names = if place.actions.is_empty() {
        &place.http.methods
    } else {
        &place.actions
    };
    let counts = |name: &&String| place.http.verb.unwrap_or_else(|| own(name)) == verb;
    names.iter().filter(counts).map(String::as_str).collect()
}

/// Where an HTTP route leads.
#[must_use]
pub fn address(http: &HttpRoute) -> String {
    let HttpRoute {
        host,
        port,
        template,
        ..
    } = http;
    if *port == 443 {
        format!("https://{host}{template}")
    } else {
        format!("https://{host}:{port}{template}")
    }
}

/// Where a route leads, without its methods.
#[must_use]
pub fn destination(route: &Route) -> String {
    match route {
        Route::Http(http) => address(http),
        Route::Template(template) => address(&template.http),
        Route::Jwt(jwt) if jwt.profile == "assertion" => {
            format!("an assertion token for {}", jwt.audience)
        }
        Route::Jwt(JwtRoute {
            http: Some(http), ..
        }) => format!(
            "a proof of possession for {} {}",
            http.methods.join(", "),
            address(http)
        ),
        Route::Jwt(jwt) => format!("a token of profile {} for {}", jwt.profile, jwt.audience),
        Route::Aws(aws) => aws_line(&[], aws).trim_start().to_owned(),
        Route::Evm(evm) => super::evm::line(evm),
        Route::X402(X402Route {
            chain,
            asset,
            pay_to,
        }) => {
            let payees: Vec<_> = pay_to.iter().map(Address::to_string).collect();
            let payees = payees.join(" or ");
            format!("payments by HTTP in {asset} on eip155:{chain} to {payees}")
        }
        Route::Solana(route) => {
            let to: Vec<_> = route.to.iter().map(|one| one.owner.to_string()).collect();
            let (asset, cluster) = (&route.asset, route.cluster);
            format!("{asset} on {cluster} to {}", to.join(" or "))
        }
        Route::Ssh(SshRoute::Certificate(route)) => format!(
            "an SSH certificate for {}, at most {} s",
            route.principals.join(", "),
            route.ttl.0 / 1000
        ),
        Route::Ssh(SshRoute::Signature(route)) => {
            let objects = route.objects.iter().map(|one| one.as_str());
            let objects: Vec<_> = objects.collect();
            format!("an SSH signature over a {} of git", objects.join(" or "))
        }
    }
}

/// What calls a verb covers on a route; nothing where it covers none.
#[must_use]
pub fn line(route: &Route, verb: Verb) -> Option<String> {
    let methods = methods(route, verb);
    if methods.is_empty() {
        return None;
    }
    let to = destination(route);
    Some(match route {
        Route::Http(_) | Route::Template(_) => format!("{} {to}", methods.join(", ")),
        Route::Jwt(JwtRoute {
            http: Some(http), ..
        }) => format!(
            "a proof of possession for {} {}",
            methods.join(", "),
            address(http)
        ),
        Route::Jwt(_) | Route::X402(_) | Route::Ssh(_) | Route::Evm(_) | Route::Solana(_) => to,
        Route::Aws(aws) => aws_line(&methods, aws),
    })
}

/// Every asset of a catalog, one sentence each.
#[must_use]
pub fn assets(catalog: &Catalog) -> Vec<String> {
    let one = |(unit, asset): (&Unit, &Asset)| {
        let Asset {
            env,
            chain,
            decimals,
            form,
        } = asset;
        let env = env_word(*env);
        let what = match form {
            AssetForm::Native {
                extra_fee_max: None,
            } => "the coin".to_owned(),
            AssetForm::Native {
                extra_fee_max: Some(most),
            } => format!("the coin, with at most {most} more a transaction for its data,"),
            AssetForm::Token {
                contract,
                eip712: None,
            } => format!("the token {contract}"),
            AssetForm::Token {
                contract,
                eip712: Some(name),
            } => format!("the token {contract} (`{}` {})", name.name, name.version),
            AssetForm::Collection {
                contract,
                standard: CollectionStandard::Erc721,
            } => format!("the collection {contract} (ERC-721)"),
            AssetForm::Collection {
                contract,
                standard: CollectionStandard::Erc1155,
            } => format!("the collection {contract} (ERC-1155)"),
            AssetForm::Solana { cluster, mint } => {
                let what = match mint {
                    Some(Mint { address, program }) => {
                        format!("the token {address} ({})", program.as_str())
                    }
                    None => "lamports".to_owned(),
                };
                return format!("{unit}, {env}: {what} on {cluster}, {decimals} decimals");
            }
        };
        format!("{unit}, {env}: {what} on eip155:{chain}, {decimals} decimals")
    };
    catalog.assets.iter().map(one).collect()
}

/// Everything a route says beside where it leads, one sentence each.
#[must_use]
pub fn facts(route: &Route) -> Vec<String> {
    match route {
        Route::Http(http) => of_http(http),
        Route::Jwt(jwt) => of_jwt(jwt),
        Route::Aws(aws) => of_aws(aws),
        Route::Evm(evm) => super::evm::facts(evm),
        Route::X402(_) => Vec::new(),
        Route::Solana(route) => of_solana(route),
        Route::Ssh(SshRoute::Certificate(route)) => of_certificate(route),
        Route::Ssh(SshRoute::Signature(route)) => of_signature(route),
        Route::Template(template) => of_template(template),
    }
}

fn of_solana(route: &SolanaRoute) -> Vec<String> {
    let SolanaRoute {
        cluster: _,
        asset: _,
        coin,
        to: _,
        memo,
        rent,
        fee_payer,
    } = route;
    let mut facts = vec![if fee_payer.is_empty() {
        format!("fees are paid in {coin}")
    } else {
        let payers: Vec<_> = fee_payer.iter().map(ToString::to_string).collect();
        format!("fees are paid by {}", payers.join(" or "))
    }];
    if let Some(rent) = rent {
        facts.push(format!(
            "payees' accounts may be made, for {rent} {coin} each"
        ));
    }
    if *memo {
        facts.push("with a public text of the agent's".to_owned());
    }
    facts
}

fn of_certificate(route: &SshCertificate) -> Vec<String> {
    let SshCertificate {
        principals: _,
        force_command,
        source_address,
        extensions,
        ttl: _,
    } = route;
    let mut facts = vec![match force_command {
        Some(command) => format!("for the command {command} alone"),
        None => "for any command".to_owned(),
    }];
    if source_address.is_empty() {
        facts.push("from any address".to_owned());
    } else {
        facts.push(format!("from {}", source_address.join(", ")));
    }
    if !extensions.is_empty() {
        facts.push(format!("with {}", extensions.join(", ")));
    }
    facts.push("at every host that trusts the key".to_owned());
    facts
}

fn of_signature(route: &SshSignature) -> Vec<String> {
    let SshSignature {
        objects: _,
        authors,
    } = route;
    let who = if authors.is_empty() {
        "in anybody's name".to_owned()
    } else {
        format!("in the name of {}", authors.join(", "))
    };
    vec![
        who,
        "in any repository".to_owned(),
        "it has no end".to_owned(),
    ]
}

fn of_http(http: &HttpRoute) -> Vec<String> {
    let HttpRoute {
        host: _,
        port: _,
        path: _,
        template: _,
        methods,
        verb,
        query,
        headers,
        body,
        charge,
        replayable,
        probe: _,
        mints,
        directory,
        wimse,
    } = http;
    let mut facts = Vec::new();
    if *directory {
        facts.push(
            "no request: it signs the key directory that stands there, of its own key alone"
                .to_owned(),
        );
    }
    facts.extend(wimse.iter().flat_map(|route| of_workload(route)));
    if let Some(verb) = verb {
        let (methods, verb) = (methods.join(", "), verb_word(*verb));
        facts.push(format!("{methods} counts as {verb}"));
    }
    facts.extend(members("query", query));
    facts.extend(members("headers", headers));
    facts.extend(body.as_ref().map(self::body));
    facts.extend(charge.iter().map(charged));
    if *replayable {
        facts.push("charges may be made without single use at the destination".to_owned());
    }
    if *mints {
        facts.push("what it answers is itself a credential".to_owned());
    }
    facts
}

fn of_template(template: &TemplateRoute) -> Vec<String> {
    let TemplateRoute {
        http,
        alg,
        key_id,
        insert_query,
        insert_body,
        sign,
        signature,
        protected,
        add_headers,
        add_query,
        window_s,
        single_use,
        undated,
        uncovered,
    } = template;
    let mut facts = of_http(http);
    let parts = sign.iter().map(|part| match part {
        Part::Text(text) => text.to_string(),
        Part::Hash(hash, spelling, text) => {
            format!(
                "{}({text})",
                format!("{hash:?} as {spelling:?} of ").to_lowercase()
            )
        }
    });
    let parts = parts.collect::<Vec<_>>().join(" and then ");
    let alg = format!("{alg:?}").to_lowercase();
    let written = format!("{signature:?}").to_lowercase();
    facts.push(format!("signed with {alg}, written as {written}: {parts}"));
    if let Some(key_id) = key_id {
        facts.push(format!("under the key that the service knows as {key_id}"));
    }
    let inserts = [("query", insert_query), ("form", insert_body)];
    for (what, list) in inserts {
        for Insert { name, value, first } in list {
            let end = if *first { "at the front" } else { "at the end" };
            facts.push(format!(
                "the enclave writes {name}={value} into the {what}, {end}"
            ));
        }
    }
    let added = [
        ("protected header", protected),
        ("header field", add_headers),
        ("query member", add_query),
    ];
    for (what, list) in added {
        facts.extend(
            list.iter()
                .map(|(name, text)| format!("{what} {name}: {text}")),
        );
    }
    if !uncovered.is_empty() {
        let words: Vec<_> = uncovered.iter().map(|part| part.word()).collect();
        facts.push(format!(
            "not signed, as the route fixes it: {}",
            words.join(", ")
        ));
    }
    if *single_use {
        facts.push("the service takes each nonce once only".to_owned());
    }
    if *undated {
        facts.push(
            "nothing that is signed says a time: it is good until the service has seen it"
                .to_owned(),
        );
    } else {
        facts.push(format!("taken for {window_s} seconds"));
    }
    facts
}

fn of_aws(aws: &AwsRoute) -> Vec<String> {
    let resource = match &aws.to {
        AwsTarget::Place(place) => return of_http(&place.http),
        AwsTarget::Resource(resource) => resource,
    };
    let AwsResource {
        resource: _,
        actions: _,
        query,
        headers,
        body,
        charge,
        unsigned_payload,
    } = resource;
    let listed = |what: &str, names: &[String]| members(what, &Members::Listed(names.to_vec()));
    let mut facts = Vec::new();
    facts.extend(listed("query besides what is usual", query));
    facts.extend(listed("headers besides what is usual", headers));
    facts.extend(body.as_ref().map(self::body));
    facts.extend(charge.iter().map(charged));
    if !charge.is_empty() {
        facts.push("charges may be made without single use at the destination".to_owned());
    }
    if *unsigned_payload {
        facts.push("bodies may go unsigned".to_owned());
    }
    if aws.mints() {
        facts.push("what it answers is itself a credential, or may be".to_owned());
    }
    facts
}

fn members(what: &str, members: &Members) -> Option<String> {
    match members {
        Members::Any => Some(format!("{what}: any member, also unknown ones")),
        Members::Listed(names) if names.is_empty() => None,
        Members::Listed(names) => Some(format!("{what}: {}", names.join(", "))),
    }
}

fn body(rule: &BodyRule) -> String {
    let media = match rule.media {
        Media::Json => "a JSON body",
        Media::Form => "a form body",
        Media::Opaque => return "any bytes as its body, which nothing is read from".to_owned(),
    };
    match &rule.members {
        Members::Any => format!("{media} with any member"),
        Members::Listed(names) if names.is_empty() => format!("{media} without members"),
        Members::Listed(names) => format!("{media} with {}", names.join(", ")),
    }
}

/// Names of the parameters in a path.
#[must_use]
pub fn parameters(http: &HttpRoute) -> Vec<&str> {
    let mut names = Vec::new();
    for segment in &http.path {
        if let Segment::Parameter(name) = segment {
            names.push(name.as_str());
        }
    }
    names
}
