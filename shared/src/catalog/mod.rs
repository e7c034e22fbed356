//! The catalog: what the names in grants mean, as owners signed it.
//!
//! Having a [`Catalog`] means its text was strict JSON within limits and every route is complete. Unlisted is refused:
//! hosts, paths, methods, members. It holds no grant and decides nothing by itself; kinds match calls against routes.

mod assets;
mod charge;
mod evm;
pub mod parse;
mod solana;
pub mod template;

pub use template::TemplateRoute;

pub use assets::{Asset, AssetForm, CollectionStandard, DomainName, Mint};
pub use charge::{Extractor, Member, Prices, Source, Times};
pub(crate) use evm::MAX_DEPTH as MAX_TYPED_DEPTH;
pub use evm::{
    Argument, CoinTransfer, ContractCall, EACH, EvmRoute, EvmSigns, ListType, MemberRule,
    MemberType, SEND, SIGN_IN, SignIn, TokenCall, TokenFunction, TypedData, TypedDomain,
    TypedMember, ValueRule,
};
pub use solana::{Payee, SolanaRoute};

use crate::{
    call::{aws::Service, ssh::ObjectType},
    chain::Address,
    effect::{Env, Verb},
    grant::profile,
    id::{ResourceName, Unit},
    time::Millis,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest catalog text in bytes (DESIGN §11).
pub const MAX_BYTES: usize = 512 * 1024;

/// Where the key directory of an origin stands (draft-ietf-webbotauth-httpsig-protocol §8.1).
pub const DIRECTORY: &str = "/.well-known/http-message-signatures-directory";

/// Every resource, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Resources; a call matches at most one route of those the grant names.
    pub resources: BTreeMap<ResourceName, Resource>,
    /// What units of account are on chains; a name is never given to anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub assets: BTreeMap<Unit, Asset>,
}

/// One name's meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Live or sandbox, for ever.
    pub env: Env,
    /// Ways to it, at least one; their order is their number in records.
    pub routes: Vec<Route>,
}

/// One way to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// An HTTP endpoint.
    Http(HttpRoute),
    /// A token for an audience.
    Jwt(JwtRoute),
    /// A resource of AWS.
    Aws(AwsRoute),
    /// What is signed for a chain of the Ethereum family.
    Evm(EvmRoute),
    /// An HTTP endpoint whose service signs in a way of its own.
    Template(Box<TemplateRoute>),
    /// What an SSH key may sign.
    Ssh(SshRoute),
    /// Payees of one token, paid by HTTP.
    X402(X402Route),
    /// Payees of one asset of Solana.
    Solana(SolanaRoute),
}

/// Whom payments by HTTP (x402) may go to, in one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct X402Route {
    /// The chain's id: the asset's.
    pub chain: u64,
    /// The asset: a token of the catalog that takes signed transfers.
    pub asset: Unit,
    /// Who may be paid, at least one.
    pub pay_to: Vec<Address>,
}

/// An HTTP endpoint, https only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRoute {
    /// Exact, lower case, no trailing dot.
    pub host: String,
    /// 443 unless named.
    pub port: u16,
    /// In normal form; a segment is a literal or one `{name}`.
    pub path: Vec<Segment>,
    /// The template as written.
    pub template: String,
    /// Methods; the default is GET and HEAD for a route without a body, POST for one with.
    pub methods: Vec<String>,
    /// Verb instead of the method's own.
    pub verb: Option<Verb>,
    /// Query members a call may carry.
    pub query: Members,
    /// Header fields a caller may add to the signature.
    pub headers: Members,
    /// The body's rule; absent means no body.
    pub body: Option<BodyRule>,
    /// What a call spends besides one `call`.
    pub charge: Vec<Extractor>,
    /// Whether charges may be made without single use at the destination.
    pub replayable: bool,
    /// A harmless call for `claviger test`.
    pub probe: bool,
    /// The response is itself a credential.
    pub mints: bool,
    /// Not a request to an endpoint: the response of a key directory that stands there is signed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub directory: bool,
    /// Between workloads: what a signature under the profile `wimse` says besides the request; absent means no such route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wimse: Option<Box<WimseRoute>>,
}

/// Who speaks to whom on a route between workloads (draft-ietf-wimse-http-signature).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WimseRoute {
    /// `wimse-aud`; absent means the request's own URL without its query.
    pub audience: Option<String>,
    /// The one workload that a request's token may name: a URI, its authority the trust domain.
    pub subject: String,
    /// Whether the answer must be signed too (`wimse-sign-response`).
    pub sign_response: bool,
}

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// These very bytes.
    Literal(String),
    /// Any one segment in normal form, by this name.
    Parameter(String),
}

/// Which members may stand in a query, a set of headers or a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Members {
    /// Any; never on the body of a route that charges.
    Any,
    /// These only, each at most once; names, or JSON pointers in a JSON body.
    Listed(Vec<String>),
}

/// How a body is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyRule {
    /// The one media type.
    pub media: Media,
    /// Members it may carry; empty and unused for opaque bodies.
    pub members: Members,
}

/// Media types a route can demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Any bytes; nothing is read from them.
    Opaque,
}

/// A token for one audience, or a proof for one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtRoute {
    /// One of [`profile::OF_JWT`].
    pub profile: String,
    /// Exact; of `github-app` where the token is sent, as none is signed; empty for `dpop`.
    pub audience: String,
    /// `iss`; of `oidc`, the deployment's one issuer URL; of `github-app`, the app's id or client id; of `gcp`, the service
    /// account; empty for `dpop` and `wpt`.
    pub issuer: String,
    /// `sub`; empty for `oidc`, whose subject is said by deployment, agent and grant, for `github-app` and `dpop`, which have
    /// none, and for `gcp`, unless an account speaks for somebody else at a token endpoint. Of `wpt` no claim: the one workload
    /// that a call's token may name.
    pub subject: String,
    /// Whether a call may put a `nonce` into the token; only of `oidc`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nonce: bool,
    /// `scope`; only of `gcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `kid`, as the verifier names the key; only of `gcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Whether it is where tokens are asked for; only of `gcp` and `dpop`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub token_endpoint: bool,
    /// The requests that are proved: host, path and methods; only of `dpop`, and always of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<HttpRoute>>,
    /// Verb instead of `write`, or, of `dpop`, instead of the method's own.
    pub verb: Option<Verb>,
    /// A harmless call for `claviger test`.
    pub probe: bool,
    /// What is answered is a credential; always so of `assertion`, `oidc`, `github-app` and a token endpoint.
    pub mints: bool,
}

/// A resource of one AWS service in one Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsRoute {
    /// As in the credential scope, or, of a service whose actions are known, by its own name.
    pub service: String,
    /// One.
    pub region: String,
    /// What is reached.
    pub to: AwsTarget,
}

/// How an AWS route says what it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AwsTarget {
    /// By actions on a named resource ([`crate::call::aws`]).
    Resource(AwsResource),
    /// By method and path, of a service whose actions are not known.
    Place(AwsPlace),
}

/// Actions on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsResource {
    /// The service's selectors and their values.
    pub resource: BTreeMap<String, String>,
    /// The actions admitted, at least one.
    pub actions: Vec<String>,
    /// Query members admitted besides those that every call of an action may carry.
    pub query: Vec<String>,
    /// Header fields, likewise.
    pub headers: Vec<String>,
    /// Narrows what a body may hold; absent means what the action says.
    pub body: Option<BodyRule>,
    /// What a call spends besides one `call`.
    pub charge: Vec<Extractor>,
    /// Whether a body may go unsigned; only of S3.
    pub unsigned_payload: bool,
}

/// Calls by method and path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsPlace {
    /// Where, how and with what.
    pub http: HttpRoute,
    /// The only values of `x-amz-target` or `Action`; none means that a call may have neither.
    pub actions: Vec<String>,
}

/// What an SSH key may sign; its verb is `write`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SshRoute {
    /// User certificates.
    Certificate(SshCertificate),
    /// Signatures over git's objects.
    Signature(SshSignature),
}

/// What every certificate of a route says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshCertificate {
    /// The users a call may name, at least one.
    pub principals: Vec<String>,
    /// The one command that a session runs, whatever is asked.
    pub force_command: Option<String>,
    /// Addresses and prefixes it may be used from; empty means any.
    pub source_address: Vec<String>,
    /// Of [`crate::call::ssh::EXTENSIONS`], in their order.
    pub extensions: Vec<String>,
    /// Longest lifetime.
    pub ttl: Millis,
}

/// What signatures of a route are over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshSignature {
    /// At least one.
    pub objects: Vec<ObjectType>,
    /// Whoever an object may name as author, committer or tagger, as `Name <mail>`; empty means anybody.
    pub authors: Vec<String>,
}

impl AwsRoute {
    /// The resource for people and records: `bucket/reports/prefix/2026/`; of a place, its path template.
    #[must_use]
    pub fn template(&self) -> String {
        match &self.to {
            AwsTarget::Place(place) => place.http.template.clone(),
            AwsTarget::Resource(resource) => {
                let parts = resource.resource.iter();
                let parts = parts.map(|(name, value)| format!("{name}/{value}"));
                parts.collect::<Vec<_>>().join("/")
            }
        }
    }

    /// Whether every answer is a credential, or may be.
    #[must_use]
    pub fn mints(&self) -> bool {
        match &self.to {
            AwsTarget::Place(place) => place.http.mints,
            AwsTarget::Resource(resource) => {
                let service = Service::named(&self.service);
                let action = |name: &String| service.and_then(|service| service.action(name));
                let mut actions = resource.actions.iter().filter_map(action);
                actions.any(|action| action.mints)
            }
        }
    }
}

impl Route {
    /// The assets whose definition says what is charged.
    fn assets(&self) -> Vec<&Unit> {
        match self {
            Self::Evm(evm) => evm.units(),
            Self::X402(route) => vec![&route.asset],
            Self::Http(_)
            | Self::Jwt(_)
            | Self::Aws(_)
            | Self::Ssh(_)
            | Self::Template(_)
            | Self::Solana(_) => Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Catalog {
    /// Whether a name means the same in another catalog: its routes, and the assets that they charge.
    #[must_use]
    pub fn means_the_same(&self, other: &Self, name: &ResourceName) -> bool {
        let (own, its) = (self.resources.get(name), other.resources.get(name));
        let units = |resource: &Resource| {
            let units = resource.routes.iter().flat_map(Route::assets);
            units.cloned().collect::<Vec<_>>()
        };
        let mut units = own.map(units).unwrap_or_default().into_iter();
        own == its && units.all(|unit| self.assets.get(&unit) == other.assets.get(&unit))
    }

    /// The issuer URL of every `oidc` route; nothing where there is no such route.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.oidc().map(|route| route.issuer.as_str()).next()
    }

    /// Every `oidc` route.
    fn oidc(&self) -> impl Iterator<Item = &JwtRoute> {
        let routes = self.resources.values().flat_map(|one| &one.routes);
        routes.filter_map(|route| match route {
            Route::Jwt(route) if route.profile == profile::OIDC => Some(route),
            Route::Jwt(_)
            | Route::Http(_)
            | Route::Aws(_)
            | Route::X402(_)
            | Route::Ssh(_)
            | Route::Evm(_)
            | Route::Template(_)
            | Route::Solana(_) => None,
        })
    }
}
