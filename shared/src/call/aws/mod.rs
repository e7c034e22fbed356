//! THE rules for what an AWS call may be: services, their actions, what each may carry, where each is served.
//!
//! The tables are closed: what stands in none is refused. Names and members are those of the services' public API
//! models. The catalog's parser and the `aws` kind both use this module. It knows no route and signs nothing.

mod names;
mod table;

pub use names::{is_account, is_region, is_service, mints_by_itself, verb_by_name};
pub use table::SERVICES;

use crate::effect::Verb;

/// Longest value of a resource selector in bytes: an S3 key (S3 User Guide, Object key names).
pub const MAX_SELECTOR: usize = 1024;
/// Longest name of an action.
pub const MAX_ACTION: usize = 128;

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON: `x-amz-target` is `<prefix>.<action>`.
    Json {
        /// Before the point.
        prefix: &'static str,
        /// The one content type.
        media: &'static str,
    },
    /// AWS query: `Action=` and `Version=` in the form or the query.
    Query {
        /// The one version.
        version: &'static str,
    },
    /// Method and path; the resource is one segment.
    Rest,
    /// S3: buckets, keys, subresources; its own rules for paths.
    S3,
}

/// A service whose actions are known.
#[derive(Debug)]
pub struct Service {
    /// Its name in catalogs, calls and host names.
    pub name: &'static str,
    /// Its name in the credential scope.
    pub scope: &'static str,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// What a route names of its resource.
    pub selectors: &'static [Selector],
    /// Its actions.
    pub actions: &'static [Action],
}

/// One part of a resource's name.
#[derive(Debug)]
pub struct Selector {
    /// In a route's `resource`.
    pub name: &'static str,
    /// Whether a route may leave it out.
    pub optional: bool,
    /// Where a call says it: a JSON or form member; empty where it stands in the path.
    pub at: &'static str,
}

/// One action.
#[derive(Debug)]
pub struct Action {
    /// Its API name.
    pub name: &'static str,
    /// What it does.
    pub verb: Verb,
    /// Whether a route that lists no actions admits it.
    pub ordinary: bool,
    /// Whether the answer is itself a credential, or a secret.
    pub mints: bool,
    /// What its body is.
    pub content: Content,
    /// Query members.
    pub query: Names,
    /// Header fields.
    pub headers: Names,
    /// Method and path for [`Protocol::Rest`]; `{}` is the resource.
    pub path: (&'static str, &'static str),
}

/// What the body of an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There is none.
    None,
    /// Any bytes; nothing is read from them.
    Opaque,
    /// JSON, or nothing in its place.
    AnyJson,
    /// A JSON object of these members.
    Json(&'static [&'static str]),
    /// A form, or a query, of these members.
    Form(&'static [&'static str]),
}

/// Names that may stand in a place; one that ends in `*` stands for all that begin so.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// In every call of the action.
    pub always: &'static [&'static str],
    /// Only where the route lists them.
    pub listed: &'static [&'static str],
}

impl Service {
    /// The service of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.name == name)
    }

    /// The action of this name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&'static Action> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The one host that serves it in a region; of S3, the one without a bucket.
    #[must_use]
    pub fn host(&self, region: &str) -> String {
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        format!("{}.{region}.{suffix}", self.name)
    }
}

impl Names {
    /// Whether a call may carry this name, by a route that lists these besides.
    #[must_use]
    pub fn admit(&self, name: &str, by_route: &[String]) -> bool {
        fits(self.always, name)
            || (fits(self.listed, name) && by_route.iter().any(|listed| listed == name))
    }
}

/// Whether one of the patterns is this name.
#[must_use]
pub fn fits(patterns: &[&str], name: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name
                .strip_prefix(start)
                .is_some_and(|rest| !rest.is_empty()),
            None => *pattern == name,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_what_lets_secrets_out_is_marked() {
        let services: BTreeSet<_> = SERVICES.iter().map(|service| service.name).collect();
        assert_eq!(services.len(), SERVICES.len());
        for service in SERVICES {
            let names: BTreeSet<_> = service.actions.iter().map(|action| action.name).collect();
            assert_eq!(names.len(), service.actions.len(), "{}", service.name);
            assert!(is_service(service.name));
            for action in service.actions {
                let secret = service.name == "sts" || action.name == "GetSecretValue";
                assert!(!secret || action.mints, "{}", action.name);
                let rest = service.protocol == Protocol::Rest;
                assert_eq!(rest, !action.path.0.is_empty(), "{}", action.name);
            }
        }
    }

    #[test]
    fn what_reaches_further_is_never_implied() {
        for name in [
            "CopyObject",
            "DeleteObjects",
            "PutObjectAcl",
            "GetObjectAcl",
            "PutObjectTagging",
            "GetObjectVersion",
            "DeleteObjectVersion",
            "PurgeQueue",
            "Scan",
            "AssumeRole",
            "Decrypt",
        ] {
            let mut all = SERVICES.iter().flat_map(|service| service.actions);
            let action = all.find(|action| action.name == name).unwrap();
            assert!(!action.ordinary, "{name}");
        }
    }

    #[test]
    fn verbs_follow_names() {
        let read = [
            "Get", "List", "Describe", "Head", "Query", "Scan", "Receive", "Verify",
        ];
        for action in SERVICES.iter().flat_map(|service| service.actions) {
            let begins = |words: &[&str]| words.iter().any(|word| action.name.starts_with(word));
            let expected = if begins(&read) {
                Verb::Read
            } else if begins(&["Delete", "Purge", "Remove", "Terminate"]) {
                Verb::Delete
            } else {
                Verb::Write
            };
            assert_eq!(action.verb, expected, "{}", action.name);
        }
    }

    #[test]
    fn a_pattern_stands_for_longer_names_only() {
        assert!(fits(&["x-amz-meta-*"], "x-amz-meta-a"));
        assert!(!fits(&["x-amz-meta-*"], "x-amz-meta-"));
        assert!(!fits(&["range"], "ranges"));
    }

    #[test]
    fn hosts_are_regional() {
        let s3 = Service::named("s3").unwrap();
        assert_eq!(s3.host("eu-west-1"), "s3.eu-west-1.amazonaws.com");
        assert_eq!(s3.host("cn-north-1"), "s3.cn-north-1.amazonaws.com.cn");
    }
}
