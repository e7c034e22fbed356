//! What a grant reaches, as its agent may know it: the routes behind the names it is permitted, without what they charge.
//!
//! It is a help, not a promise: a call is decided when it is made. The list is cut where it would be too long for an answer.

use crate::{
    http::matching::verb_of,
    routes::named,
    solana::{CREATE, TRANSFER},
    ssh::CERTIFY,
};
use claviger_shared::{
    call::{
        Reach,
        aws::{Service, verb_by_name},
        ssh::GIT,
    },
    catalog::{
        AwsRoute, AwsTarget, Catalog, EvmRoute, HttpRoute, JwtRoute, Route, SolanaRoute, SshRoute,
        X402Route,
    },
    chain::{Address, account},
    effect::{Kind, Verb},
    grant::{Grant, profile},
};

/// Bytes that the texts of one list may have together.
pub const MAX_BYTES: usize = 16 * 1024;
/// Routes told at most.
pub const MAX_ROUTES: usize = 128;
const HTTPS: u16 = 443;

/// The routes of what the grant permits, by resource name and route number; and whether there are more than these.
#[must_use]
pub fn reach(catalog: &Catalog, grant: &Grant) -> (Vec<Reach>, bool) {
    let (mut told, mut bytes) = (Vec::new(), 0_usize);
    for (resource, _, route) in named(catalog, grant) {
        let allows = |verb: Verb| grant.permissions.allows(verb, resource);
        let (kind, methods, destination, probe) = match route {
            Route::Http(route) => {
                let verb = |method: &String| route.verb.unwrap_or_else(|| verb_of(method));
                let methods = route.methods.iter().filter(|method| allows(verb(method)));
                (
                    Kind::Http,
                    methods.cloned().collect(),
                    url(route),
                    route.probe,
                )
            }
            Route::Jwt(JwtRoute {
                http: Some(http),
                verb,
                ..
            }) => {
                let verb = |method: &String| verb.unwrap_or_else(|| verb_of(method));
                let methods = http.methods.iter().filter(|method| allows(verb(method)));
                let proof = std::iter::once(profile::DPOP.to_owned());
                let methods: Vec<_> = proof.chain(methods.cloned()).collect();
                // The profile's name alone is no way.
                let methods = if methods.len() > 1 {
                    methods
                } else {
                    Vec::new()
                };
                (Kind::Jwt, methods, url(http), false)
            }
            Route::Jwt(route) => {
                let verb = route.verb.unwrap_or(Verb::Write);
                let methods = allows(verb).then(|| route.profile.clone());
                let audience = route.audience.clone();
                (
                    Kind::Jwt,
                    methods.into_iter().collect::<Vec<_>>(),
                    audience,
                    route.probe,
                )
            }
            Route::Aws(route) => {
                let (methods, destination) = aws(route, allows);
                (Kind::Aws, methods, destination, false)
            }
            Route::Evm(route) => {
                let methods = route
                    .verbs()
                    .into_iter()
                    .any(allows)
                    .then(|| route.method().to_owned());
                let methods = methods.into_iter().collect();
                (Kind::Evm, methods, evm(route), false)
            }
            Route::X402(route) => {
                let methods = allows(Verb::Write).then(|| "pay".to_owned());
                (
                    Kind::X402,
                    methods.into_iter().collect(),
                    payees(route),
                    false,
                )
            }
            Route::Solana(route) => {
                let (methods, destination) = solana(route);
                let methods = if allows(Verb::Write) {
                    methods
                } else {
                    Vec::new()
                };
                (Kind::Solana, methods, destination, false)
            }
            Route::Ssh(route) => {
                let (methods, destination) = ssh(route);
                let methods = if allows(Verb::Write) {
                    methods
                } else {
                    Vec::new()
                };
                (Kind::Ssh, methods, destination, false)
            }
            Route::Template(route) => {
                let http = &route.http;
                let verb = |method: &String| http.verb.unwrap_or_else(|| verb_of(method));
                let methods = http.methods.iter().filter(|method| allows(verb(method)));
                let methods = methods.cloned().collect();
                (Kind::Template, methods, url(http), http.probe)
            }
        };
        if methods.is_empty() {
            continue;
        }
        let names = methods.iter().map(String::len);
        bytes = names.fold(bytes, usize::saturating_add);
        bytes = bytes
            .saturating_add(destination.len())
            .saturating_add(resource.as_str().len());
        if bytes > MAX_BYTES || told.len() >= MAX_ROUTES {
            return (told, true);
        }
        told.push(Reach {
            resource: resource.clone(),
            kind,
            methods,
            destination,
            probe,
        });
    }
    (told, false)
}

/// What a route of SSH has signed, and for whom.
fn ssh(route: &SshRoute) -> (Vec<String>, String) {
    match route {
        SshRoute::Certificate(route) => (vec![CERTIFY.to_owned()], route.principals.join(" ")),
        SshRoute::Signature(route) => {
            let methods = route.objects.iter().map(|one| one.method().to_owned());
            (methods.collect(), GIT.to_owned())
        }
    }
}

/// The actions, or methods, that a grant permits on a route of AWS, and where it leads.
fn aws(route: &AwsRoute, allows: impl Fn(Verb) -> bool) -> (Vec<String>, String) {
    let AwsRoute {
        service,
        region,
        to,
    } = route;
    match to {
        AwsTarget::Resource(resource) => {
            let verb = |name: &String| Service::named(service)?.action(name).map(|one| one.verb);
            let permitted = |name: &&String| verb(name).is_some_and(&allows);
            let actions = resource.actions.iter().filter(permitted).cloned().collect();
            let told = format!("{service} {region} {}", route.template());
            (actions, told.trim_end().to_owned())
        }
        AwsTarget::Place(place) => {
            let http = &place.http;
            let names = if place.actions.is_empty() {
                &http.methods
            } else {
                &place.actions
            };
            let own = |name: &str| {
                if place.actions.is_empty() {
                    verb_of(name)
                } else {
                    verb_by_name(name)
                }
            };
            let verb = |name: &&String| allows(http.verb.unwrap_or_else(|| own(name)));
            (names.iter().filter(verb).cloned().collect(), url(http))
        }
    }
}

/// The chain, and the contract where there is one.
fn evm(route: &EvmRoute) -> String {
    match route.contract() {
        Some(contract) => account(route.chain, contract),
        None => format!("eip155:{}", route.chain),
    }
}

/// Whom a route pays, in what.
fn payees(route: &X402Route) -> String {
    let to: Vec<_> = route.pay_to.iter().map(Address::to_string).collect();
    format!(
        "{} on eip155:{} to {}",
        route.asset,
        route.chain,
        to.join(" or ")
    )
}

/// What a route of Solana does, and whom it pays in what.
fn solana(route: &SolanaRoute) -> (Vec<String>, String) {
    let create = route.rent.is_some().then(|| CREATE.to_owned());
    let methods = std::iter::once(TRANSFER.to_owned()).chain(create);
    let to: Vec<_> = route.to.iter().map(|one| one.owner.to_string()).collect();
    let (asset, cluster) = (&route.asset, route.cluster);
    let destination = format!("{asset} on {cluster} to {}", to.join(" or "));
    (methods.collect(), destination)
}

/// A route's URL with its parameters in braces.
fn url(route: &HttpRoute) -> String {
    let HttpRoute {
        host,
        port,
        template,
        ..
    } = route;
    if *port == HTTPS {
        format!("https://{host}{template}")
    } else {
        format!("https://{host}:{port}{template}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, jwt_route, name, route};
    use claviger_shared::grant::Permissions;

    fn told(routes: Vec<Route>, permit: impl FnOnce(&mut Permissions)) -> (Vec<Reach>, bool) {
        let names: Vec<_> = (0..routes.len()).map(|n| format!("r{n:03}")).collect();
        let named = names.iter().map(String::as_str).zip(routes);
        let catalog = fixture::catalog(named.map(|(name, route)| (name, vec![route])).collect());
        let (_, mut grant) = fixture::whole();
        let none = Vec::new;
        grant.permissions = Permissions {
            read: none(),
            write: none(),
            delete: none(),
        };
        permit(&mut grant.permissions);
        reach(&catalog, &grant)
    }

    #[test]
    fn permitted_methods_alone_are_told() {
        let orders = HttpRoute {
            probe: true,
            ..route("/v1/{id}", &["GET", "POST", "DELETE"])
        };
        let port = HttpRoute {
            port: 8443,
            ..route("/", &["GET"])
        };
        let token = jwt_route("https://idp.example/t");
        let all = || {
            vec![
                Route::Http(orders.clone()),
                Route::Http(port.clone()),
                Route::Jwt(token.clone()),
            ]
        };
        let (list, more) = told(all(), |permissions| {
            permissions.read = vec![name("r000"), name("r001")];
            permissions.delete = vec![name("r000")];
            permissions.write = vec![name("r002")];
        });
        assert!(!more);
        let shown: Vec<_> = list
            .iter()
            .map(|one| {
                (
                    one.resource.as_str(),
                    one.methods.join(" "),
                    one.destination.as_str(),
                    one.probe,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "r000",
                    "GET DELETE".to_owned(),
                    "https://api.example.com/v1/{id}",
                    true
                ),
                (
                    "r001",
                    "GET".to_owned(),
                    "https://api.example.com:8443/",
                    false
                ),
                (
                    "r002",
                    "assertion".to_owned(),
                    "https://idp.example/t",
                    false
                ),
            ]
        );
        let (list, _) = told(all(), |permissions| permissions.write = vec![name("r001")]);
        assert_eq!(list, [], "nothing there is written to");
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let many = |count: usize| {
            let one = |n: usize| Route::Http(route(&format!("/{n}"), &["GET"]));
            let names: Vec<_> = (0..count).map(|n| name(&format!("r{n:03}"))).collect();
            told((0..count).map(one).collect(), |permissions| {
                permissions.read = names
            })
        };
        assert_eq!(
            (many(MAX_ROUTES).0.len(), many(MAX_ROUTES).1),
            (MAX_ROUTES, false)
        );
        assert_eq!(
            (many(MAX_ROUTES + 1).0.len(), many(MAX_ROUTES + 1).1),
            (MAX_ROUTES, true)
        );
        let long = || Route::Http(route(&format!("/{}", "x".repeat(6000)), &["GET"]));
        let (list, more) = told(vec![long(), long(), long()], |permissions| {
            permissions.read = vec![name("r000"), name("r001"), name("r002")];
        });
        assert_eq!((list.len(), more), (2, true));
    }
}
